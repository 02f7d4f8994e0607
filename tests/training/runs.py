"""Small runs on host environments."""

from erlctl.algorithms.dqn import Dqn
from erlctl.fields import Schedule
from erlctl.options.networks import Mlp
from erlctl.options.policies import EpsilonGreedy
from erlctl.options.wrappers import Wrappers
from erlctl.spec.schema import EnvironmentSection, RunSpec, TrainingSection


def host_run(environment=None, *, agent=None, wrappers=None, seed=0, epsilon=0.1, **training):
    """Return the spec of a small DQN run; by default on gym's CartPole-v1 and quick to build."""
    fields = {"id": "CartPole-v1", "backend": "gym", **(environment or {})}
    policy = EpsilonGreedy(epsilon=Schedule.constant(epsilon))
    return RunSpec(
        name="test", variant="test", seed=seed,
        environment=EnvironmentSection(wrappers=Wrappers(**(wrappers or {})), **fields),
        agent=agent or Dqn(collect_policy=policy),
        network=Mlp(hidden=(16,)),
        training=TrainingSection(**{
            "steps": 400, "learning_starts": 40, "batch_size": 8, "replay_capacity": 200,
            "target_update_every": 10, "compile": "graph", **training,
        }),
    )


def fake(factory, **kwargs):
    """Return the environment section of a home-made environment."""
    return {
        "id": f"tests.environments.host.fakes:{factory}", "backend": "python", "kwargs": kwargs,
    }
