import numpy as np
import pytest

from erlctl.environments import inspection
from erlctl.errors import EnvironmentFault, UnknownNameError


def test_random_play_is_one_episode_of_each_and_repeats():
    play = inspection.play_compiled("CartPole-v1", num_episodes=200, seed=1)
    again = inspection.play_compiled("CartPole-v1", num_episodes=200, seed=1)
    np.testing.assert_array_equal(play.returns, again.returns)
    np.testing.assert_array_equal(play.returns, play.lengths)  # reward 1 per step
    assert play.lengths.min() >= 8
    assert 20 < play.returns.mean() < 25  # known: about 22
    assert play.steps_per_second > 0


def host(environment_id):
    return inspection.make_host(environment_id, ["gym"])[1]


def test_random_play_on_the_host_agrees_with_the_compiled_one():
    theirs = inspection.play_host(host("CartPole-v1"), num_episodes=200, seed=0)
    ours = inspection.play_compiled("CartPole-v1", num_episodes=200, seed=0)
    error = np.hypot(theirs.returns.std(), ours.returns.std()) / np.sqrt(200)
    assert abs(theirs.returns.mean() - ours.returns.mean()) < 4 * error


def test_random_play_on_the_host_repeats():
    one, other = (inspection.play_host(host("CartPole-v1"), num_episodes=9, seed=3) for _ in "12")
    np.testing.assert_array_equal(one.returns, other.returns)


def test_continuous_actions_are_drawn_between_their_bounds_and_unfinished_episodes_do_not_count():
    play = inspection.play_host(host("Pendulum-v1"), num_episodes=1000, seed=0)
    assert len(play.returns) == inspection._HOST_STEPS // 200
    assert set(play.lengths) == {200}
    # Known: about -1,200 with a standard deviation of about 290.
    assert -1350 < play.returns.mean() < -1100


def test_an_id_that_nobody_knows_names_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'CartPole-v1'"):
        inspection.find_backends("Cartpole-v1")


@pytest.mark.parametrize("name", ["CartPole-v1 ", "Cart Pole-v1", "ALE/", "/x", "@", ""])
def test_what_is_no_id_at_all_is_unknown_as_well(name):
    with pytest.raises(UnknownNameError, match=f"unknown environment '{name}'.* known: ") as caught:
        inspection.find_backends(name)
    assert ("did you mean 'CartPole-v1'" in str(caught.value)) == name.startswith("Cart")


def test_the_first_backend_that_can_make_an_environment_is_taken():
    """Gym has registered the lander, but what it needs is not installed with erlctl."""
    assert "gym" in inspection.find_backends("LunarLander-v2")
    with pytest.raises(EnvironmentFault, match="cannot be made"):
        inspection.make_host("LunarLander-v2", ["gym"])
    pytest.importorskip("envpool")
    backend, vector = inspection.make_host(
        "LunarLander-v2", inspection.find_backends("LunarLander-v2")
    )
    assert backend == "envpool"
    assert inspection.play_host(vector, num_episodes=2, seed=0).returns.mean() < 0
