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
from erlctl.options.networks import Mlp
from erlctl.options.optimizers import Adam
from erlctl.options.policies import EpsilonGreedy
from erlctl.spec.schema import EnvironmentSection, RunSpec, TrainingSection
from erlctl.training.program import MAX_CHUNK, Program


def make_run(work: Work) -> RunSpec:
    """Return the spec of `work`."""
    make_algorithm = registry.get("algorithm", work.algorithm)
    agent = make_algorithm(gamma=GAMMA, **work.options)
    if isinstance(agent.collect_policy, EpsilonGreedy):
        constant = EpsilonGreedy(epsilon=Schedule.constant(EPSILON))
        agent = replace(agent, collect_policy=constant)
    return RunSpec(
        name="bench", variant="bench", seed=0,
        environment=EnvironmentSection(id=work.environment),
        agent=agent,
        network=Mlp(hidden=work.hidden),
        optimizer=Adam(learning_rate=LEARNING_RATE),
        training=TrainingSection(
            steps=LEARNING_STARTS + work.warmup + work.steps,
            learning_starts=LEARNING_STARTS,
            batch_size=work.batch_size,
            replay_capacity=REPLAY_CAPACITY,
            target_update_every=work.target_update_every,
            target_update_polyak=work.target_update_polyak,
        ),
    )


def main() -> None:
    """Fill the replay, warm up, time."""
    work = Work.from_argv()
    program = Program(make_run(work))

    def advance(num_steps: int) -> None:
        while num_steps:
            chunk = min(num_steps, MAX_CHUNK)
            program.advance(chunk)
            num_steps -= chunk

    advance(LEARNING_STARTS)
    report(work, advance)
    # The work was only equal if each step had its update.
    assert program.updates == work.warmup + work.steps, program.updates


if __name__ == "__main__":
    main()
