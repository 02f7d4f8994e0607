"""The compiled classic-control environments against gym 0.23."""

import numpy as np
import pytest
import tensorflow as tf

from erlctl.environments import registry
from erlctl.environments.compiled.base import EnvironmentState
from tests.oracles import gym_control

IDS = sorted(gym_control.POLICIES)
# State entries that are equal up to whole turns.
ANGLES = {"Acrobot-v1": [0, 1], "Pendulum-v1": [0]}
# Largest difference from gym over so many first steps of an episode, from the same start and with
# the same actions, as the docstrings of the classes state it.
DRIFT = {"CartPole-v0": (200, 2e-5), "CartPole-v1": (500, 2e-5), "MountainCar-v0": (200, 2e-5),
         "Acrobot-v1": (500, 1e-3), "Pendulum-v1": (200, 5e-2)}


def compiled(environment_id):
    return registry.make(environment_id, 1, tf.random.Generator.from_seed(0, alg="philox"))


def difference(environment_id, ours, theirs):
    """Return |ours - theirs| [T, D], angles without whole turns."""
    delta = np.asarray(ours, np.float64) - theirs
    for column in ANGLES.get(environment_id, ()):
        delta[:, column] = (delta[:, column] + np.pi) % (2 * np.pi) - np.pi
    return np.abs(delta)


@pytest.mark.parametrize("environment_id", IDS)
def test_every_step_equals_gym(environment_id):
    steps = gym_control.record(environment_id, num_steps=12_000, seed=3)
    environment = compiled(environment_id)
    count = len(steps.reward)
    state = steps.state.astype(np.float32)
    for column in ANGLES.get(environment_id, ()):
        state[:, column] = (state[:, column] + np.pi) % (2 * np.pi) - np.pi
    before = EnvironmentState(
        {"x": tf.constant(state)}, tf.ones(count, tf.int32), tf.zeros(count), tf.ones(count),
        tf.constant(steps.elapsed, tf.int32))
    action = tf.constant(steps.action, environment.action.dtype)
    after = tf.function(environment.advance, jit_compile=True)(before, action, tf.zeros((count, 0)))
    observation = environment.observe(after.state)

    scale = 1.0 + np.abs(steps.next_state)
    assert (difference(environment_id, after.state["x"], steps.next_state) / scale).max() < 1e-5
    np.testing.assert_allclose(observation, steps.observation, rtol=1e-5, atol=2e-5)
    clear = gym_control.terminal_margin(environment_id, steps.next_state) > 1e-5
    assert clear.mean() > 0.999
    np.testing.assert_allclose(after.reward[clear], steps.reward[clear], rtol=1e-5, atol=2e-5)
    np.testing.assert_array_equal(after.discount[clear], 1.0 - steps.terminal[clear])
    np.testing.assert_array_equal((after.step_type == 2)[clear], steps.last[clear])
    # The recording has what it is meant to prove.
    assert steps.terminal.any() or environment_id == "Pendulum-v1"
    assert (steps.last & ~steps.terminal).any() or environment_id.startswith("CartPole")


@pytest.mark.parametrize("environment_id", IDS)
def test_initial_states_equal_gym_from_the_same_draws(environment_id):
    draws, states = gym_control.initial_states(environment_id, num_resets=100, seed=11)
    environment = compiled(environment_id)
    assert draws.shape[1] == environment.reset_draws
    ours = environment.initial_state(tf.constant(draws, tf.float32))["x"]
    np.testing.assert_allclose(ours, states, atol=1e-6)


@pytest.mark.parametrize("environment_id", IDS)
def test_drift_of_float32_over_an_episode_is_as_stated(environment_id):
    steps = gym_control.record(environment_id, num_steps=4_000, seed=5, resynchronise=False)
    starts = np.flatnonzero(steps.first)
    environment, (longest, bound) = compiled(environment_id), DRIFT[environment_id]
    ends = np.minimum(np.append(starts[1:], len(steps.first)), starts + longest)
    episodes = [slice(start, end) for start, end in zip(starts, ends, strict=True)]
    # All episodes side by side; the shorter ones go on with action 0 and are not compared.
    actions = np.zeros((longest, len(episodes), *steps.action.shape[1:]), np.float32)
    for column, episode in enumerate(episodes):
        actions[: episode.stop - episode.start, column] = steps.action[episode]

    @tf.function(jit_compile=True)
    def run(x, actions):
        def step(state, action):
            return environment.transition(state, action, tf.zeros((1, 0)))[0]

        return tf.scan(step, actions, {"x": x})["x"]

    first = tf.constant(steps.state[starts], tf.float32)
    ours = run(first, tf.constant(actions, environment.action.dtype)).numpy()
    worst = max(
        difference(environment_id, ours[: e.stop - e.start, column], steps.next_state[e]).max()
        for column, e in enumerate(episodes))
    assert bound / 20 < worst < bound


@pytest.mark.parametrize("environment_id", IDS)
def test_specs_and_limits_equal_gym(environment_id):
    theirs, ours = gym_control.make(environment_id), compiled(environment_id)
    assert ours.time_limit == theirs.spec.max_episode_steps
    assert registry.COMPILED[environment_id].reward_threshold == theirs.spec.reward_threshold
    np.testing.assert_allclose(
        np.broadcast_to(ours.observation_spec().maximum, theirs.observation_space.shape),
        theirs.observation_space.high, rtol=1e-6)
    if environment_id == "Pendulum-v1":
        assert float(ours.action_spec().maximum) == theirs.action_space.high
    else:
        assert int(ours.action_spec().maximum) == theirs.action_space.n - 1


def test_chosen_torques_are_those_of_the_continuous_pendulum():
    rng = np.random.default_rng(0)
    indices, torques = np.arange(5), np.linspace(-2, 2, 5, dtype=np.float32)
    draws = tf.constant(rng.random((5, 2)), tf.float32)
    steps = []
    for kwargs, action in (({"torques": 5}, indices.astype(np.int32)), ({}, torques[:, None])):
        environment = registry.make(
            "Pendulum-v1", 5, tf.random.Generator.from_seed(0, alg="philox"), **kwargs)
        state = environment.initial_state(draws)
        after, reward, _ = environment.transition(state, tf.constant(action), draws)
        steps.append((after["x"], reward))
        is_index = environment.action_spec().dtype.is_integer
        assert is_index == bool(kwargs)
        assert not is_index or int(environment.action_spec().maximum) == 4
    for chosen, given in zip(*steps, strict=True):
        np.testing.assert_array_equal(chosen, given)
    assert len(np.unique(steps[0][1])) == 5
