"""What every vector promises: same-step restarts, seeds, truncation apart from termination."""

import numpy as np
import pytest

from tests.environments.host.vectors import play, vector

FACTORIES = ["Counter", "OldCounter", "FiveCounter", "dm_counter", "py_counter"]
SEEDS = np.array([11, 22])


def make(factory, **kwargs):
    if factory == "dm_counter":
        pytest.importorskip("dm_env")
    return vector(factory, **kwargs)


@pytest.mark.parametrize("factory", FACTORIES)
def test_an_ended_episode_restarts_in_the_same_step(factory):
    environment = make(factory, length=3)
    np.testing.assert_array_equal(environment.reset(SEEDS), [[0, 0, 11, 0], [0, 0, 22, 0]])
    steps = play(environment, 4)
    assert [step.terminated.tolist() for step in steps] == [
        [False] * 2, [False] * 2, [True] * 2, [False] * 2,
    ]
    assert not any(step.truncated.any() for step in steps)
    np.testing.assert_array_equal(steps[2].final_observation[0], [0, 3, 11, 1])
    np.testing.assert_array_equal(steps[2].observation[0], [1, 0, 11, 0])
    np.testing.assert_array_equal(steps[3].observation[0], [1, 1, 11, 1])
    np.testing.assert_array_equal(steps[1].observation, steps[1].final_observation)
    assert [step.reward[0] for step in steps] == [1.0, 2.0, 3.0, 1.0]


@pytest.mark.parametrize("factory", FACTORIES)
def test_a_truncation_is_never_a_termination(factory):
    environment = make(factory, length=3, truncates=True)
    environment.reset(SEEDS)
    last = play(environment, 3)[-1]
    assert last.truncated.all()
    assert not last.terminated.any()


def test_processes_give_what_one_process_gives():
    results = []
    for vectorise in ("inline", "subprocess"):
        environment = vector(num_envs=3, vectorise=vectorise, length=4)
        first = environment.reset(np.array([5, 6, 7])).copy()
        results.append([first, *(array for step in play(environment, 9) for array in step)])
        environment.close()
    for one, other in zip(*results, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def test_continuous_actions_come_in_the_environments_own_type():
    environment = vector("Continuous", num_envs=2)
    environment.reset(SEEDS)
    step = environment.step(np.array([[0.5], [-1.0]], np.float32))
    np.testing.assert_allclose(step.reward, [-0.25, -1.0])


@pytest.mark.parametrize(("backend", "package"), [("gym", "gym"), ("gymnasium", "gymnasium"),
                                                 ("envpool", "envpool")])
def test_cart_pole_of_every_package_tells_its_time_limit_as_truncation(backend, package):
    pytest.importorskip(package)
    from erlctl.environments.host.make import make_vector
    from erlctl.options.wrappers import Wrappers
    from erlctl.spec.schema import EnvironmentSection

    section = EnvironmentSection(
        id="CartPole-v1", backend=backend, wrappers=Wrappers(time_limit=6)
    )
    environment = make_vector(section, 2)
    assert environment.time_limit == 6
    first = environment.reset(SEEDS).copy()
    assert first.shape == (2, 4)
    assert (first[0] != first[1]).any()
    for index in range(12):
        step = environment.step(np.full(2, index % 2, np.int32))
        assert not step.terminated.any()
        assert step.truncated.all() == (index % 6 == 5)
        assert (np.abs(step.observation) < 0.05).all() == (index % 6 == 5) or index % 6 < 5
    np.testing.assert_array_equal(environment.reset(SEEDS), first)
    environment.close()
