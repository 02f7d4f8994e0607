"""What every compiled environment promises, whatever its dynamics."""


import numpy as np
import pytest
import tensorflow as tf
from tf_agents.specs import tensor_spec
from tf_agents.utils import nest_utils

from erlctl.environments import registry
from erlctl.environments.compiled.base import EnvironmentState
from erlctl.errors import DomainError

FIRST, MID, LAST = 0, 1, 2  # as TF-Agents numbers them
ONE_OF_EACH_CLASS = sorted({entry.class_name: name
                            for name, entry in registry.COMPILED.items()}.values())


def make(name="CartPole-v1", num_envs=4, seed=0, **kwargs):
    return registry.make(
        name, num_envs, tf.random.Generator.from_seed(seed, alg="philox"), **kwargs)


def random_action(environment, rng):
    spec = environment.action_spec()
    shape = (environment.num_envs, *spec.shape)
    if spec.dtype == tf.int32:
        return tf.constant(rng.integers(spec.maximum + 1, size=shape), tf.int32)
    return tf.constant(rng.uniform(spec.minimum, spec.maximum, shape), tf.float32)


def batch_with(environment, **fields):
    """Return the environment's state with some fields set, all [N]."""
    return environment.read()._replace(
        **{name: tf.constant(value) for name, value in fields.items()})


@pytest.mark.parametrize("name", ONE_OF_EACH_CLASS)
def test_time_steps_match_their_specs(name):
    environment, rng = make(name, num_envs=3), np.random.default_rng(0)
    spec = environment.time_step_spec()
    steps = [environment.reset()]
    steps += [environment.step(random_action(environment, rng)) for _ in range(3)]
    steps.append(environment.restart_ended())
    for step in steps:
        assert nest_utils.is_batched_nested_tensors(step, spec)
        for value, part in zip(tf.nest.flatten(step), tf.nest.flatten(spec), strict=True):
            assert value.shape == (3, *part.shape)
            if isinstance(part, tensor_spec.BoundedTensorSpec):
                assert (value.numpy() >= part.minimum).all()
                assert (value.numpy() <= part.maximum).all()
    assert (steps[0].step_type == FIRST).numpy().all()


@pytest.mark.parametrize("name", ONE_OF_EACH_CLASS)
def test_xla_and_eager_agree_on_the_same_draws(name):
    """With a generator they do not: XLA orders the bits of philox in its own way."""
    environment, rng = make(name, num_envs=8), np.random.default_rng(0)
    draws = [tf.constant(rng.random((8, count)), tf.float32)
             for count in (environment.reset_draws, environment.step_draws)]
    action = random_action(environment, rng)

    def step():
        after = environment.advance(environment.first(draws[0]), action, draws[1])
        return after, environment.time_step(after)

    eager, compiled = step(), tf.function(step, jit_compile=True)()
    for a, b in zip(tf.nest.flatten(eager), tf.nest.flatten(compiled), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["CartPole-v1", "MinAtar/Freeway-v1"])
def test_the_generator_s_seed_decides_the_trajectory(name):
    def observations(seed):
        environment, rng = make(name, num_envs=2, seed=seed), np.random.default_rng(0)
        steps = [environment.reset()]
        steps += [environment.step(random_action(environment, rng)) for _ in range(30)]
        return np.array([step.observation for step in steps])

    first, again, other = observations(1), observations(1), observations(2)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (first[:, 0] != first[:, 1]).any()  # environments side by side are not copies


def test_a_step_after_the_last_resets_and_ignores_its_action():
    environment = make(num_envs=2)
    environment.write(batch_with(environment, step_type=[LAST, MID], reward=[7.0, 7.0]))
    step = environment.step(tf.constant([1, 1]))
    np.testing.assert_array_equal(step.step_type, [FIRST, MID])
    np.testing.assert_array_equal(step.reward, [0.0, 1.0])
    np.testing.assert_array_equal(step.discount, [1.0, 1.0])
    np.testing.assert_array_equal(environment.read().elapsed, [0, 1])


def test_the_first_step_of_a_new_environment_resets():
    np.testing.assert_array_equal(make().step(tf.zeros(4, tf.int32)).step_type, [FIRST] * 4)


def test_the_time_limit_truncates_and_a_terminal_does_not():
    environment = make(num_envs=3, time_limit=10)
    environment.reset()
    state = np.zeros((3, 4), np.float32)
    state[1:, 0] = 2.5  # two carts are outside and fall at the next step
    environment.write(batch_with(
        environment, step_type=[MID] * 3, elapsed=[9, 9, 3])._replace(state={"x": state}))
    step = environment.step(tf.zeros(3, tf.int32))
    np.testing.assert_array_equal(step.step_type, [LAST] * 3)
    np.testing.assert_array_equal(step.discount, [1.0, 0.0, 0.0])
    np.testing.assert_array_equal(step.reward, [1.0, 1.0, 1.0])


def test_no_time_limit_means_none():
    environment = make("Pendulum-v1", num_envs=1, time_limit=None)
    environment.reset()
    environment.write(batch_with(environment, elapsed=[10**6]))
    assert environment.step(tf.zeros((1, 1))).step_type.numpy() == MID


def test_restart_ended_renews_only_what_ended():
    environment = make(num_envs=3)
    environment.reset()
    before = batch_with(environment, step_type=[MID, LAST, FIRST], elapsed=[5, 9, 0],
                        reward=[1.0, 1.0, 0.0], discount=[1.0, 0.0, 1.0])
    environment.write(before)
    step = environment.restart_ended()
    after = environment.read()
    np.testing.assert_array_equal(after.step_type, [MID, FIRST, FIRST])
    np.testing.assert_array_equal(after.elapsed, [5, 0, 0])
    np.testing.assert_array_equal(after.reward, [1.0, 0.0, 0.0])
    np.testing.assert_array_equal(after.discount, [1.0, 1.0, 1.0])
    np.testing.assert_array_equal(
        (after.state["x"] == before.state["x"]).numpy().all(-1), [True, False, True])
    np.testing.assert_array_equal(step.observation, after.state["x"])
    assert (np.abs(after.state["x"].numpy()[1]) <= 0.05).all()


def test_with_restart_ended_no_transition_crosses_an_episode():
    """FIRST follows LAST only through `restart_ended`, so each (t, t + 1) is one episode's."""
    environment, rng = make(num_envs=4), np.random.default_rng(0)
    environment.reset()
    kinds = set()
    for _ in range(150):
        before = environment.current_time_step()
        after = environment.step(random_action(environment, rng))
        kinds |= set(zip(before.step_type.numpy(), after.step_type.numpy(), strict=True))
        environment.restart_ended()
    assert kinds == {(FIRST, MID), (MID, MID), (MID, LAST)}


def test_variables_are_the_whole_state():
    environment, rng = make(num_envs=2, seed=3), np.random.default_rng(0)
    environment.reset()
    actions = [random_action(environment, rng) for _ in range(30)]
    for action in actions:
        environment.step(action)
    saved = {name: variable.numpy() for name, variable in environment.state_variables.items()}
    key = environment._generator.state.numpy()
    went_on = [environment.step(action).observation.numpy() for action in actions]
    for name, variable in environment.state_variables.items():
        variable.assign(saved[name])
    environment._generator.state.assign(key)
    again = [environment.step(action).observation.numpy() for action in actions]
    np.testing.assert_array_equal(went_on, again)
    assert sorted(saved) == ["discount", "elapsed", "reward", "state/x", "step_type"]


def test_the_sticky_action_survives_an_episode_but_not_a_reset():
    environment = make("MinAtar/Breakout-v1", num_envs=2)
    environment.reset()
    played = environment.read()
    played.state["last_action"] = tf.constant([3, 1])
    environment.write(played._replace(step_type=tf.constant([LAST, MID])))
    environment.restart_ended()
    np.testing.assert_array_equal(environment.read().state["last_action"], [3, 1])
    environment.reset()
    np.testing.assert_array_equal(environment.read().state["last_action"], [0, 0])


def test_sticky_actions_repeat_as_often_as_asked():
    environment = make("MinAtar/Breakout-v0", sticky_action_probability=0.25)
    state = environment.first(tf.zeros((4, 1))).state
    state["last_action"] = tf.fill([4], 3)
    draws = tf.constant([[0.0], [0.2499], [0.25], [0.9]])
    after, _, _ = environment.transition(state, tf.ones(4, tf.int32), draws)
    np.testing.assert_array_equal(after["last_action"], [3, 3, 1, 1])


@pytest.mark.parametrize(("kwargs", "name"), [
    ({"num_envs": 0}, "num_envs"), ({"time_limit": 0}, "time_limit"),
    ({"name": "MinAtar/Freeway-v1", "sticky_action_probability": 1.5}, "sticky_action_probability"),
])
def test_numbers_outside_their_domain_are_refused(kwargs, name):
    with pytest.raises(DomainError, match=name):
        make(**kwargs)


def test_pure_functions_do_not_touch_the_variables():
    environment = make(num_envs=2)
    environment.reset()
    before = environment.read()
    batch = environment.first(tf.fill((7, 4), 0.5))
    batch = environment.advance(batch, tf.zeros(7, tf.int32), tf.zeros((7, 0)))
    assert isinstance(batch, EnvironmentState)
    assert batch.reward.shape == (7,)
    for a, b in zip(tf.nest.flatten(before), tf.nest.flatten(environment.read()), strict=True):
        np.testing.assert_array_equal(a, b)
