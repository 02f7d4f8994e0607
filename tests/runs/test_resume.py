"""The real program, stopped and gone on with, against the same program undisturbed."""

from __future__ import annotations

import dataclasses

import pytest

from erlctl.events import StopReason
from erlctl.runs.execute import execute
from erlctl.runs.layout import RunPaths
from erlctl.spec.schema import (
    CheckpointSection,
    EnvironmentSection,
    EvaluationSection,
    LoggingSection,
    TrainingSection,
)
from tests.runs.observe import rows, scalars


@pytest.mark.slow
@pytest.mark.parametrize("environment_id", [
    "CartPole-v1", "MountainCar-v0", "NoisyMaze", "MinAtar/Asterix-v1", "MinAtar/Breakout-v1",
    "MinAtar/Freeway-v1", "MinAtar/Seaquest-v1", "MinAtar/SpaceInvaders-v1",
])
def test_interrupted_plus_resumed_has_the_same_bits_as_undisturbed(
    tmp_path, make_run, environment_id
):
    from erlctl.training.factory import make_program

    run = make_run(
        environment=EnvironmentSection(id=environment_id),
        training=TrainingSection(steps=1500, learning_starts=100, batch_size=16,
                                 replay_capacity=1000),
        evaluation=EvaluationSection(every=400, episodes=3),
        checkpoint=CheckpointSection(every=500), logging=LoggingSection(every=150),
    )
    program = make_program(run)

    def start(run):
        program.start(run)
        return program

    assert execute(run, tmp_path / "once", program_for=start).status == "complete"
    for _ in range(3):
        stops = iter([None, None, StopReason("time_budget")])
        stopped = execute(run, tmp_path / "often", program_for=start,
                          should_stop=lambda stops=stops: next(stops))
        assert stopped.status == "interrupted"
        # Another run in between must leave nothing behind in the program.
        other = dataclasses.replace(run, seed=99, training=dataclasses.replace(
            run.training, steps=200))
        execute(other, tmp_path / "other", program_for=start, fresh=True)
    assert execute(run, tmp_path / "often", program_for=start).status == "complete"
    once, often = (RunPaths.of(tmp_path / name, run) for name in ("once", "often"))
    for table in ("progress", "evaluations", "monitor"):
        assert rows(getattr(often, table)) == rows(getattr(once, table))
    assert scalars(often) == scalars(once)
    state = "state.data-00000-of-00001"
    assert (often.checkpoint(1500) / state).read_bytes() == (
        once.checkpoint(1500) / state
    ).read_bytes()


@pytest.mark.slow
def test_f16_a_reward_that_is_no_number_stops_the_real_program(tmp_path, make_run):
    from erlctl.training.factory import make_program

    run = make_run(
        training=TrainingSection(steps=1000, learning_starts=100, batch_size=16,
                                 replay_capacity=1000),
        evaluation=EvaluationSection(every=400, episodes=3),
        checkpoint=CheckpointSection(every=200), logging=LoggingSection(every=100),
    )
    program = make_program(run)
    advance = program.advance

    def poisoned(num_steps):
        chunk = advance(num_steps)
        if program.step >= 450:
            rewards = program.state()["replay/reward"]
            rewards.assign(rewards * float("nan"))
        return chunk

    program.advance = poisoned
    outcome = execute(run, tmp_path, program_for=lambda _: program)
    assert outcome.status == "diverged"
    assert "the loss is not finite at step" in outcome.message
    assert "replay/reward" in outcome.message
    assert "agent/weights/q" in outcome.message
    assert outcome.message.endswith("last checkpoint: step 400")
