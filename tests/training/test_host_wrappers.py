"""Wrappers inside a run: training sees changed numbers, everybody else the environment's own."""

import numpy as np
import pytest
import tensorflow as tf

from erlctl.options.policies import Greedy
from erlctl.training.factory import make_program
from erlctl.training.seeding import Stream
from tests.oracles import host_wrappers as oracle
from tests.training.runs import fake, host_run


def test_rewards_are_changed_for_training_alone():
    wrappers = {"reward_scale": 0.5, "reward_clip": 1.2}
    program = make_program(host_run(fake("Counter", length=4), wrappers=wrappers))
    episodes = program.advance(100).episodes
    assert (episodes.returns == 10.0).all()
    assert (program.evaluate(3)[0] == 10.0).all()
    batch = program._replay.sample(400, key=0, draw=0)
    expected = [oracle.training_reward(step, 0.5, 1.2) for step in batch.frames[:, 1, 1]]
    np.testing.assert_allclose(batch.reward, expected, rtol=1e-6)


@pytest.fixture(scope="module")
def normalising():
    wrappers = {"normalise_observations": True, "frame_stack": 2}
    program = make_program(host_run(wrappers=wrappers))
    program.advance(100)
    return program


def statistics(program):
    return {name: np.array(value) for name, value in program.state().items()
            if name.startswith("normaliser/")}


def test_statistics_are_saved_with_the_weights_and_are_those_of_the_training_frames(normalising):
    assert statistics(normalising).keys() == {
        "normaliser/mean", "normaliser/variance", "normaliser/count",
    }
    assert set(statistics(normalising)) < normalising.weights_names
    program = make_program(host_run(wrappers={"normalise_observations": True}, epsilon=1.0))
    program.advance(100)
    state = program.state()
    count = int(state["replay/newest"][0]) + 1
    # Every frame that somebody acts on, and the newest; final frames are not counted.
    is_counted = (state["replay/acted"][:count] == 1) | (np.arange(count) == count - 1)
    seen = state["replay/frames_0000"][:count][is_counted]
    assert state["normaliser/count"] == len(seen) == 101
    np.testing.assert_allclose(state["normaliser/mean"], seen.mean(0), atol=1e-5)
    np.testing.assert_allclose(state["normaliser/variance"], seen.var(0), atol=1e-5)


def test_evaluation_does_not_move_the_statistics(normalising):
    before = statistics(normalising)
    normalising.evaluate(3)
    for name, value in statistics(normalising).items():
        np.testing.assert_array_equal(value, before[name])


def test_the_network_sees_stacked_normalised_observations(normalising):
    key = normalising._keys[Stream.REPLAY]
    batch = normalising._replay.sample(8, key=key, draw=0)
    packed = normalising._sample(1, Stream.REPLAY, 0)
    seen = normalising._codec.transition_of([tf.constant(part[0]) for part in packed])
    own = statistics(normalising)
    scaled = (batch.frames - own["normaliser/mean"]) / np.sqrt(own["normaliser/variance"] + 1e-8)
    for step, frames in ((seen.time_step, scaled[:, :2]), (seen.next_time_step, scaled[:, 1:])):
        np.testing.assert_allclose(
            step.observation, np.clip(frames, -10, 10).reshape(8, 8), rtol=1e-5, atol=1e-5
        )


def test_a_saved_policy_normalises_by_itself(normalising, tmp_path):
    normalising.export_policy(str(tmp_path))
    saved = tf.saved_model.load(str(tmp_path))
    frames = np.random.default_rng(0).normal(size=(32, 2, 4)).astype(np.float32)
    from tf_agents.trajectories import time_step as ts

    policy = normalising.agent.acting_policy(Greedy(), None, random_steps=0)
    scaled = normalising._preprocessing.observations(frames).reshape(32, 8)
    expected = policy.action(ts.restart(tf.constant(scaled), 32)).action
    actual = saved.action(ts.restart(tf.constant(frames.reshape(32, 8)), 32)).action
    np.testing.assert_array_equal(actual, expected)
