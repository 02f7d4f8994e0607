import numpy as np
import pytest

from erlctl.environments import inspection
from erlctl.errors import UnknownNameError


def test_random_play_is_one_episode_of_each_and_repeats():
    play = inspection.play_compiled("CartPole-v1", num_episodes=200, seed=1)
    again = inspection.play_compiled("CartPole-v1", num_episodes=200, seed=1)
    np.testing.assert_array_equal(play.returns, again.returns)
    np.testing.assert_array_equal(play.returns, play.lengths)  # reward 1 per step
    assert play.lengths.min() >= 8
    assert 20 < play.returns.mean() < 25  # known: about 22
    assert play.steps_per_second > 0


def test_random_play_in_gym_agrees_with_ours():
    theirs = inspection.play_gym(inspection.make_gym("CartPole-v1"), num_episodes=200, seed=0)
    ours = inspection.play_compiled("CartPole-v1", num_episodes=200, seed=0)
    error = np.hypot(theirs.returns.std(), ours.returns.std()) / np.sqrt(200)
    assert abs(theirs.returns.mean() - ours.returns.mean()) < 4 * error


def test_unfinished_episodes_do_not_count():
    play = inspection.play_gym(inspection.make_gym("Pendulum-v1"), num_episodes=1000, seed=0)
    assert len(play.returns) == inspection._HOST_STEPS // 200
    assert set(play.lengths) == {200}


def test_an_id_that_nobody_knows_names_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'CartPole-v1'"):
        inspection.make_gym("Cartpole-v1")
