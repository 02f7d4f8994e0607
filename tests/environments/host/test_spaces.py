"""Spaces of every library become one array and one action, or are refused with their text."""

import numpy as np
import pytest
from gym import spaces

from erlctl.environments.host.spaces import action_space, observation_space
from erlctl.errors import ErlctlError

BOX = spaces.Box(-np.inf, np.inf, (3,), np.float64)


def read(space, value):
    codec = observation_space(space, "Test-v0")
    converted = codec.convert(value)
    assert converted.shape == codec.shape
    assert converted.dtype == codec.dtype
    return converted


@pytest.mark.parametrize(("space", "value", "expected"), [
    (BOX, np.array([1.0, 2.0, 3.0]), np.array([1, 2, 3], np.float32)),
    (BOX, [1, 2, 3], np.array([1, 2, 3], np.float32)),
    (spaces.Box(0, 9, (), np.int64), 7, np.array([7], np.float32)),
    (spaces.Box(0, 1, (2,), bool), [True, False], np.array([1, 0], np.float32)),
    (spaces.Discrete(3), 2, np.array([0, 0, 1], np.float32)),
    (spaces.Discrete(3, start=5), 5, np.array([1, 0, 0], np.float32)),
    (spaces.MultiBinary(3), np.array([1, 0, 1], np.int8), np.array([1, 0, 1], np.float32)),
    (spaces.Tuple([spaces.Discrete(2), BOX]), (1, [4, 5, 6]),
     np.array([0, 1, 4, 5, 6], np.float32)),
    (spaces.Dict({"b": spaces.Discrete(2), "a": BOX}), {"a": [4, 5, 6], "b": 0},
     np.array([4, 5, 6, 1, 0], np.float32)),
])
def test_an_observation_becomes_one_float32_array(space, value, expected):
    np.testing.assert_array_equal(read(space, value), expected)


def test_bytes_stay_bytes():
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert read(spaces.Box(0, 255, (2, 2, 3), np.uint8), image).dtype == np.uint8


@pytest.mark.parametrize("space", [
    spaces.Dict({"a": spaces.Dict({"b": BOX})}),
    spaces.Tuple([]),
    spaces.MultiDiscrete([2, 1]), spaces.MultiDiscrete([[2, 3]]),
    "a text",
])
def test_other_observation_spaces_are_refused_with_their_text(space):
    with pytest.raises(ErlctlError, match="observation space is") as caught:
        observation_space(space, "Test-v0")
    assert str(space) in str(caught.value)


@pytest.mark.parametrize("space", [
    spaces.MultiDiscrete([2, 1]), spaces.MultiDiscrete([[2, 3]]),
    spaces.MultiBinary(2),
    spaces.Box(-np.inf, 1, (2,), np.float32),
    spaces.Box(0, 5, (2,), np.int64),
    spaces.Tuple([spaces.Discrete(2)]),
])
def test_other_action_spaces_are_refused_with_their_text(space):
    with pytest.raises(ErlctlError, match="action space is") as caught:
        action_space(space, "Test-v0")
    assert str(space) in str(caught.value)


@pytest.mark.parametrize(("space", "value", "message"), [
    (BOX, np.zeros(2), r"shape \(2,\) instead of \(3,\)"),
    (BOX, 0.0, r"shape \(\) instead of \(3,\)"),
    (BOX, np.array(["a", "b", "c"]), "instead of float64"),
    (spaces.Box(0, 255, (2,), np.uint8), np.zeros(2), "float64 instead of uint8"),
    (spaces.Discrete(3), 3, "3 instead of an index from 0 to 2"),
    (spaces.Discrete(3), 0.5, "0.5 instead of an index"),
    (spaces.Dict({"a": BOX}), {"b": np.zeros(3)}, "no entry 'a'"),
])
def test_an_observation_that_breaks_its_space_is_refused(space, value, message):
    with pytest.raises((ValueError, TypeError), match=message):
        observation_space(space, "Test-v0").convert(value)


def test_discrete_actions_start_where_the_space_does():
    space = action_space(spaces.Discrete(4, start=-2), "Test-v0")
    assert space.num_actions == 4
    assert [space.convert(np.int32(i)) for i in range(4)] == [-2, -1, 0, 1]
    assert type(space.convert(np.int32(0))) is int


def test_multi_discrete_actions_have_their_factors_and_the_spaces_type():
    space = action_space(spaces.MultiDiscrete([2, 3, 4]), "Test-v0")
    assert (space.num_actions, space.factors, space.shape) == (0, (2, 3, 4), (3,))
    action = space.convert(np.array([1, 2, 3], np.int32))
    assert spaces.MultiDiscrete([2, 3, 4]).contains(action)


def test_boxes_of_actions_keep_bounds_and_shape():
    space = action_space(spaces.Box(np.float32([[-1, -2]]), np.float32([[3, 4]])), "Test-v0")
    assert space.num_actions == 0
    np.testing.assert_array_equal(space.low, [[-1, -2]])
    np.testing.assert_array_equal(space.high, [[3, 4]])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # TF-Agents casts infinities
def test_specs_of_dm_env_and_tf_agents_are_read_alike():
    from tf_agents.specs import array_spec

    index = action_space(array_spec.BoundedArraySpec((), np.int64, 2, 4), "Test-v0")
    assert (index.num_actions, index.convert(0)) == (3, 2)
    box = action_space(array_spec.BoundedArraySpec((2,), np.float32, -1, 1), "Test-v0")
    np.testing.assert_array_equal(box.low, [-1, -1])
    specs = pytest.importorskip("dm_env.specs")
    assert action_space(specs.DiscreteArray(3), "Test-v0").num_actions == 3
    both = {"x": specs.Array((2,), np.float64), "y": specs.DiscreteArray(2)}
    np.testing.assert_array_equal(read(both, {"x": [1, 2], "y": 1}), [1, 2, 0, 1])
