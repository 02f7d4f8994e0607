"""One small run of every algorithm: tiny networks, few steps, a buffer that is overwritten."""

from erlctl.options.networks import Features, Mlp
from erlctl.spec.schema import (
    EnvironmentSection,
    EvaluationSection,
    RunSpec,
    TrainingSection,
)


def small_run(algorithm, *, seed=0, mode="xla", num_envs=1, **training):
    """Return a run that learns from step 20 on and overwrites its replay after 100."""
    environment = {
        "discrete": "CartPole-v1", "continuous": "Pendulum-v1", "multi_discrete": "Reacher",
    }[algorithm.action_kind]
    section = {
        "steps": 1000, "learning_starts": 20, "batch_size": 8, "replay_capacity": 100,
        "target_update_every": 10, "compile": mode, **training,
    }
    return RunSpec(
        name="contract", variant="small", seed=seed, agent=algorithm,
        environment=EnvironmentSection(
            id=environment, num_envs=num_envs,
            # Short episodes, so that Pendulum ends some too.
            kwargs={"time_limit": 50},
        ),
        network=Features(count=16) if algorithm.base == "kernel" else Mlp(hidden=(8,)),
        training=TrainingSection(**section),
        evaluation=EvaluationSection(episodes=3),
    )
