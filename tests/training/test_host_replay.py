"""The replay of frames gives exactly the transitions that happened, each as often as any other."""

import numpy as np
import pytest

from erlctl.training.host_replay import HostReplay, batch_frames
from tests.oracles.host_memory import ListOfTransitions

GAMMA = 0.9


def filled(steps, *, capacity=10_000, num_envs=3, stack=1, n_step=1, seed=0, episode=0.2):
    """Return a replay and the oracle after the same random steps; every frame is unique."""
    draws = np.random.default_rng(seed)
    replay = HostReplay(
        (2,), np.dtype(np.float32), (), np.dtype(np.int32), num_envs=num_envs, capacity=capacity,
        frame_stack=stack, n_step=n_step, gamma=GAMMA,
    )
    oracle = ListOfTransitions(num_envs, stack, n_step, GAMMA)
    names = iter(range(10**6))

    def frames():
        return np.array([[next(names), 0] for _ in range(num_envs)], np.float32)

    first = frames()
    replay.begin(first)
    for index in range(num_envs):
        oracle.begin(index, first[index])
    for _ in range(steps):
        action, reward = draws.integers(0, 4, num_envs), draws.normal(size=num_envs)
        ended = draws.random(num_envs) < episode
        discount = np.where(ended & (draws.random(num_envs) < 0.5), 0.0, 1.0)
        arrived = frames()
        replay.append(action, reward, discount, arrived)
        for index in range(num_envs):
            oracle.append(index, action[index], reward[index], discount[index], arrived[index])
        fresh = frames()
        if ended.any():
            replay.begin(fresh, ended)
        for index in ended.nonzero()[0]:
            oracle.begin(index, fresh[index])
    return replay, oracle


def by_name(oracle):
    """Every transition by the unique number of its newest frame."""
    return {item[0][-1][0]: item for item in oracle.transitions().values()}


def names_of(batch, stack):
    """Return the unique number of each observation's newest frame."""
    return batch.frames[:, stack - 1, 0]


def check(batch, expected, stack, n_step):
    assert batch.frames.shape[1] == batch_frames(stack, n_step)
    for row, name in enumerate(names_of(batch, stack)):
        frames, next_frames, action, reward, discount = expected[name]
        np.testing.assert_array_equal(batch.frames[row, :stack], frames)
        np.testing.assert_array_equal(batch.frames[row, -stack:], next_frames)
        assert batch.action[row] == action
        np.testing.assert_allclose(batch.reward[row], reward, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(batch.discount[row], discount, rtol=1e-6)


@pytest.mark.parametrize("n_step", [1, 2, 3])
@pytest.mark.parametrize("stack", [1, 2, 4])
@pytest.mark.parametrize("steps", [5, 40])
def test_every_sampled_transition_happened_and_every_one_is_sampled(steps, stack, n_step):
    replay, oracle = filled(steps, stack=stack, n_step=n_step)
    expected = by_name(oracle)
    batch = replay.sample(60 * len(expected), key=1, draw=0)
    check(batch, expected, stack, n_step)
    if n_step == 1:
        assert set(names_of(batch, stack)) == set(expected)
    else:  # those of the newest n - 1 slots wait until it is certain what follows
        assert len(set(names_of(batch, stack))) > 0.7 * len(expected)


@pytest.mark.parametrize("n_step", [1, 2, 3])
@pytest.mark.parametrize("stack", [1, 2, 4])
def test_what_is_overwritten_is_never_sampled_in_part(stack, n_step):
    replay, oracle = filled(400, capacity=60, stack=stack, n_step=n_step)
    expected = by_name(oracle)
    batch = replay.sample(3000, key=1, draw=0)
    check(batch, expected, stack, n_step)
    slots = 60 // 3
    newest = sorted(expected)[-slots * 3 :]
    assert min(names_of(batch, stack)) >= newest[0] - 3 * (stack + n_step) * 3
    assert len(set(names_of(batch, stack))) >= 0.6 * slots * 3


def test_transitions_are_drawn_uniformly():
    replay, oracle = filled(30, num_envs=2)
    count = len(by_name(oracle))
    names, times = np.unique(
        names_of(replay.sample(200 * count, key=3, draw=0), 1), return_counts=True
    )
    assert len(names) == count
    chi_squared = np.sum((times - 200) ** 2 / 200)
    assert chi_squared < count + 4 * np.sqrt(2 * count)


def test_a_draw_is_a_function_of_content_key_and_number():
    one, other = filled(30)[0], filled(30)[0]
    same = [replay.sample(64, key=5, draw=9) for replay in (one, other)]
    np.testing.assert_array_equal(same[0].frames, same[1].frames)
    assert (one.sample(64, key=5, draw=10).frames != same[0].frames).any()
    assert (one.sample(64, key=6, draw=9).frames != same[0].frames).any()


def test_the_state_is_all_there_is():
    replay, _ = filled(50, capacity=60, stack=3, n_step=2)
    copy, _ = filled(3, capacity=60, stack=3, n_step=2, seed=1)
    for name, array in copy.state().items():
        array[...] = replay.state()[name]
    for draw in range(3):
        for left, right in zip(*(r.sample(50, key=2, draw=draw) for r in (replay, copy)),
                               strict=True):
            np.testing.assert_array_equal(left, right)
    assert copy.num_stored == replay.num_stored == 150


def test_nothing_can_be_sampled_before_n_steps_and_after_clearing():
    replay, _ = filled(2, n_step=3, episode=0.0)
    assert not replay.can_sample
    replay, _ = filled(3, n_step=3, episode=0.0)
    assert replay.can_sample
    replay.clear()
    assert not replay.can_sample
    assert all((array <= 0).all() for array in replay.state().values())


def test_each_frame_is_stored_once_and_a_million_atari_frames_fit_into_eight_gigabytes():
    replay = HostReplay(
        (84, 84, 1), np.dtype(np.uint8), (), np.dtype(np.int32), num_envs=8, capacity=1_000_000,
        frame_stack=4,
    )  # pages that are not written to take no memory
    assert sum(array.nbytes for array in replay.state().values()) < 8e9
    sizes = [a.nbytes for name, a in replay.state().items() if name.startswith("frames")]
    assert max(sizes) < 3e8  # saved and restored piece by piece
