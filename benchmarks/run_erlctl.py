"""erlctl: the whole experiment in one compiled program."""

from __future__ import annotations

from dataclasses import replace

from work import (
    EPSILON,
    GAMMA,
    LEARNING_RATE,
    LEARNING_STARTS,
    REPLAY_CAPACITY,
    Work,
    report,
)

from erlctl import registry
from erlctl.fields import Schedule
from erlctl.options.networks import Conv, Mlp
from erlctl.options.optimizers import Adam
from erlctl.options.policies import EpsilonGreedy
from erlctl.spec.schema import EnvironmentSection, RunSpec, TrainingSection
from erlctl.training.factory import make_program

CONVOLUTIONS = {
    "minatar": Conv(),
    "nature": Conv(filters=(32, 64, 64), kernels=(8, 4, 3), strides=(4, 2, 1), hidden=(512,)),
}


def make_run(work: Work) -> RunSpec:
    """Return the spec of `work`."""
    make_algorithm = registry.get("algorithm", work.algorithm)
    agent = make_algorithm(gamma=GAMMA, **work.options)
    if isinstance(agent.collect_policy, EpsilonGreedy):
        constant = EpsilonGreedy(epsilon=Schedule.constant(EPSILON))
        agent = replace(agent, collect_policy=constant)
    return RunSpec(
        name="bench", variant="bench", seed=0,
        environment=EnvironmentSection(
            id=work.environment, backend=work.backend, num_envs=work.num_envs
        ),
        agent=agent,
        network=CONVOLUTIONS.get(work.network, Mlp(hidden=work.hidden)),
        optimizer=Adam(learning_rate=LEARNING_RATE),
        training=TrainingSection(
            steps=LEARNING_STARTS + work.warmup + work.steps,
            learning_starts=LEARNING_STARTS,
            updates=work.updates,
            batch_size=work.batch_size,
            replay_capacity=REPLAY_CAPACITY,
            target_update_every=work.target_update_every,
            target_update_polyak=work.target_update_polyak,
            compile=work.compile,
        ),
    )


def main() -> None:
    """Fill the replay, warm up, time."""
    work = Work.from_argv()
    program = make_program(make_run(work))

    def advance(num_steps: int) -> None:
        while num_steps:
            chunk = min(num_steps, program.max_chunk)
            program.advance(chunk)
            num_steps -= chunk

    advance(LEARNING_STARTS)
    report(work, advance)
    # The work was only equal if each step had its updates.
    expected = (work.warmup + work.steps) // work.num_envs * work.updates
    assert program.updates == expected, (program.updates, expected)


if __name__ == "__main__":
    main()
