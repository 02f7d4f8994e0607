"""The exact loss of an agent's policy on a table."""

import numpy as np
import pytest

from erlctl.algorithms.dqn import Dqn
from erlctl.environments.compiled.tables import garnet
from erlctl.fields import Schedule
from erlctl.options.networks import Mlp
from erlctl.options.policies import EpsilonGreedy, Greedy
from erlctl.spec.schema import EnvironmentSection, EvaluationSection, RunSpec, TrainingSection
from erlctl.training.factory import make_program

TABLE = garnet(num_states=6, num_actions=3, branching=2)
NAMES = ("suboptimality_sup", "suboptimality_l1")


def make(gamma=0.9, policy=None, **kwargs):
    return make_program(RunSpec(
        name="x", variant="x", seed=0, agent=Dqn(gamma=gamma), network=Mlp(hidden=()),
        environment=EnvironmentSection(
            id="Garnet", kwargs={"num_states": 6, "num_actions": 3, "branching": 2, **kwargs}),
        training=TrainingSection(steps=1000, learning_starts=20, batch_size=8, replay_capacity=100),
        evaluation=EvaluationSection(episodes=2, policy=policy or Greedy()),
    ))


def optimum():
    q = np.zeros(TABLE.rewards.shape)
    for _ in range(2000):
        q = TABLE.rewards + 0.9 * TABLE.transitions @ q.max(-1)
    return q


def losses(policy):
    """By iteration, where the program solves a linear system."""
    best, q = optimum(), np.zeros(TABLE.rewards.shape)
    for _ in range(2000):
        q = TABLE.rewards + 0.9 * TABLE.transitions @ (policy * q).sum(-1)
    loss = np.abs(best - q)
    return loss.max(), loss.sum() / np.abs(best).sum()


def set_values(program, q):
    """Make the one layer of the network the table `q`."""
    for name, variable in program.state().items():
        if name.startswith("agent/weights/"):
            variable.assign(q if variable.shape.rank == 2 else np.zeros(variable.shape))


@pytest.mark.parametrize("epsilon", [None, 0.3])
def test_the_loss_is_that_of_the_evaluation_policy(epsilon):
    policy = Greedy() if epsilon is None else EpsilonGreedy(epsilon=Schedule.constant(epsilon))
    program = make(policy=policy)
    values = np.random.default_rng(1).standard_normal(TABLE.rewards.shape).astype(np.float32)
    for q in (values, optimum()):
        set_values(program, q)
        greedy = np.eye(3)[np.asarray(q).argmax(-1)]
        expected = losses((1 - (epsilon or 0)) * greedy + (epsilon or 0) / 3)
        figures = program.interval_metrics()
        np.testing.assert_allclose([figures[name] for name in NAMES], expected, atol=1e-6)
    assert epsilon is not None or expected[0] < 1e-9


def test_measuring_it_changes_nothing_that_is_learned():
    watched, plain = make(), make()
    watched.advance(60)
    watched.interval_metrics()
    watched.advance(40)
    plain.advance(100)
    for name, variable in plain.state().items():
        if not name.startswith("counters/"):
            np.testing.assert_array_equal(watched.state()[name], variable, err_msg=name)


def test_columns_are_there_where_a_discounted_optimum_is():
    assert set(NAMES) <= set(make().metric_names)
    undiscounted = make(gamma=1.0)
    assert not set(NAMES) & set(undiscounted.metric_names)
    assert not set(NAMES) & set(undiscounted.interval_metrics())
