"""Wrappers of the spec equal plain loops; what changes the task changes it for everybody."""

import numpy as np
import pytest

from erlctl.errors import ErlctlError
from erlctl.options.wrappers import Wrappers
from erlctl.training.host_preprocessing import FrameWindows, Normaliser, Preprocessing
from tests.environments.host.vectors import play, vector
from tests.oracles import host_wrappers as oracle


def test_stacked_frames_begin_anew_with_each_episode():
    episodes = [[1.0, 2.0, 3.0, 4.0, 5.0], [6.0, 7.0], [8.0, 9.0, 10.0]]
    frames = [(frame, index == 0) for episode in episodes for index, frame in enumerate(episode)]
    windows = FrameWindows(1, (1,), np.dtype(np.float32), 4)
    windows.begin(np.array([[frames[0][0]]]))
    seen = [windows.windows[0, :, 0].copy()]
    for frame, is_first in frames[1:]:
        windows.push(np.array([[frame]]), np.array([is_first]))
        seen.append(windows.windows[0, :, 0].copy())
    np.testing.assert_array_equal(seen, oracle.stacked(episodes, 4))


def test_statistics_added_in_parts_are_those_of_the_whole():
    rows = np.random.default_rng(0).normal(5.0, [1.0, 100.0, 0.0], (60, 3))
    normaliser = Normaliser((3,))
    for part in np.array_split(rows, 7):
        normaliser.update(part)
    np.testing.assert_allclose(normaliser.mean, rows.mean(0))
    np.testing.assert_allclose(normaliser.variance, rows.var(0), atol=1e-9)
    value = np.array([[5.5, 1e9, 5.0]])
    np.testing.assert_allclose(
        normaliser(value), [oracle.normalised(rows, value[0], 10.0)], rtol=1e-5, atol=1e-5
    )


def test_images_are_not_normalised():
    with pytest.raises(ErlctlError, match=r"remove environment\.wrappers.normalise_observations"):
        Preprocessing(Wrappers(normalise_observations=True), vector("Pictures"))


@pytest.mark.parametrize(("scale", "clip"), [(1.0, 1.0), (0.1, 0.5), (3.0, 1e9)])
def test_training_rewards_are_scaled_and_then_clipped(scale, clip):
    signals = Preprocessing(Wrappers(reward_scale=scale, reward_clip=clip), vector())
    rewards = np.array([-7.0, -0.2, 0.0, 0.3, 4.0])
    np.testing.assert_allclose(
        signals.rewards(rewards), [oracle.training_reward(r, scale, clip) for r in rewards]
    )


def test_repeated_actions_add_up_rewards_and_stop_at_the_end():
    environment = vector(num_envs=1, wrappers={"action_repeat": 3}, length=5)
    environment.reset(np.array([1]))
    rewards = [1.0, 2.0, 3.0, 4.0, 5.0] * 2
    ends = [False, False, False, False, True] * 2
    steps = play(environment, 4)
    assert [step.reward[0] for step in steps] == oracle.repeated(rewards, ends, 3)
    assert [bool(step.terminated[0]) for step in steps] == [False, True] * 2


@pytest.mark.parametrize("vectorise", ["inline", "subprocess"])
def test_a_time_limit_truncates(vectorise):
    environment = vector(num_envs=1, wrappers={"time_limit": 4}, vectorise=vectorise, length=100)
    assert environment.time_limit == 4
    environment.reset(np.array([1]))
    steps = play(environment, 9)
    assert [bool(step.truncated[0]) for step in steps] == [False, False, False, True] * 2 + [False]
    assert not any(step.terminated[0] for step in steps)
    environment.close()


def test_a_true_end_at_the_time_limit_is_a_termination():
    environment = vector(num_envs=1, wrappers={"time_limit": 4}, length=4)
    environment.reset(np.array([1]))
    last = play(environment, 4)[-1]
    assert (bool(last.terminated[0]), bool(last.truncated[0])) == (True, False)


def test_a_time_limit_counts_chosen_actions_and_not_their_repetitions():
    wrappers = {"time_limit": 4, "action_repeat": 3}
    environment = vector(num_envs=1, wrappers=wrappers, length=100)
    environment.reset(np.array([1]))
    steps = play(environment, 4)
    assert steps[-1].truncated[0]
    assert steps[-1].final_observation[0, 1] == 12


def test_sticky_actions_repeat_the_last_one_as_often_as_asked_but_never_over_a_restart():
    environment = vector(num_envs=50, wrappers={"sticky_actions": 0.25}, length=8)
    environment.reset(np.arange(50))
    draws = np.random.default_rng(0)
    taken, chosen, first = [], [], []
    is_first = np.ones(50, bool)
    for _ in range(400):
        actions = draws.integers(0, 3, 50).astype(np.int32)
        step = environment.step(actions)
        taken.append(step.final_observation[:, 3].copy())
        chosen.append(actions)
        first.append(is_first)
        is_first = step.terminated | step.truncated
    taken, chosen, first = map(np.array, (taken, chosen, first))
    np.testing.assert_array_equal(taken[first], chosen[first])
    differs = (taken != chosen)[1:] & ~first[1:]
    np.testing.assert_array_equal(taken[1:][differs], taken[:-1][differs])
    can_be_seen = (chosen[1:] != taken[:-1]) & ~first[1:]
    assert differs[can_be_seen].mean() == pytest.approx(0.25, abs=0.015)


def test_sticky_actions_follow_the_seed():
    results = []
    for _ in range(2):
        environment = vector(num_envs=4, wrappers={"sticky_actions": 0.5}, length=8)
        environment.reset(np.arange(4))
        actions = np.random.default_rng(0).integers(0, 3, (30, 4)).astype(np.int32)
        results.append([environment.step(a).final_observation[:, 3].copy() for a in actions])
    np.testing.assert_array_equal(*results)
