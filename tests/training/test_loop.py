"""The loop: which events fall on which step, how it ends, with a program that only counts."""

import dataclasses

import numpy as np
import pytest

from erlctl import registry
from erlctl.events import Outcome, StopReason
from erlctl.spec.schema import (
    CheckpointSection,
    EnvironmentSection,
    EvaluationSection,
    LoggingSection,
    RunSpec,
    TrainingSection,
)
from erlctl.training import loop
from erlctl.training.chunk import Chunk, Episodes

NO_EPISODES = Episodes(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64))


class Counting:
    """A program whose only state is its step."""

    def __init__(self, num_envs=1, max_chunk=8192, diverges_at=None, step=0):
        self.step, self.num_envs, self.max_chunk = step, num_envs, max_chunk
        self.diverges_at = diverges_at
        self.chunks = []

    @property
    def updates(self):
        return self.step // 2

    def advance(self, num_steps):
        assert num_steps % self.num_envs == 0
        assert 0 < num_steps // self.num_envs <= self.max_chunk
        self.chunks.append(num_steps)
        self.step += num_steps
        is_over = self.diverges_at is not None and self.step >= self.diverges_at
        return Chunk(self.step, self.updates, self.diverges_at if is_over else None, NO_EPISODES)

    def take_diagnostics(self):
        pass

    def interval_metrics(self):
        return {"loss": float(self.step)}

    def evaluate(self, num_episodes):
        return np.full(num_episodes, float(self.step)), np.ones(num_episodes, np.int64)


class Notes:
    """A recorder that keeps (what, step)."""

    def __init__(self):
        self.events, self.ticks, self.rows, self.returns, self.ended = [], [], [], [], []

    def episodes(self, episodes):
        self.ended.append(episodes)

    def progress(self, row):
        self.events.append(("progress", row["step"]))
        self.rows.append(row)

    def evaluation(self, step, returns, lengths):
        self.events.append(("evaluation", step))
        self.returns.append((len(returns), returns[0], len(lengths)))

    def checkpoint(self, step):
        self.events.append(("checkpoint", step))

    def tick(self, step, steps_per_second):
        assert steps_per_second > 0
        self.ticks.append(step)

    def of(self, kind):
        return [step for what, step in self.events if what == kind]


def make_run(steps=1000, num_envs=1, logging=250, evaluation=400, checkpoint=600):
    return RunSpec(
        name="x", variant="x", seed=0, agent=registry.get("algorithm", "dqn")(),
        environment=EnvironmentSection(id="CartPole-v1", num_envs=num_envs),
        training=TrainingSection(steps=steps),
        evaluation=EvaluationSection(every=evaluation, episodes=7),
        checkpoint=CheckpointSection(every=checkpoint), logging=LoggingSection(every=logging),
    )


def test_events_fall_on_their_steps_and_on_the_end():
    notes = Notes()
    outcome = loop.train(Counting(), make_run(), notes)
    assert outcome == Outcome("complete", 1000)
    assert notes.of("progress") == [250, 500, 750, 1000]
    assert notes.of("evaluation") == [400, 800, 1000]
    assert notes.of("checkpoint") == [600, 1000]
    assert notes.returns == [(7, float(step), 7) for step in (400, 800, 1000)]
    assert [row["updates"] for row in notes.rows] == [125, 250, 375, 500]
    assert all(row["steps_per_second"] > 0 for row in notes.rows)
    assert len(notes.ended) == len(notes.ticks)


def test_metrics_come_before_the_evaluation_and_the_checkpoint_holds_both():
    notes = Notes()
    loop.train(Counting(), make_run(logging=100, evaluation=100, checkpoint=100, steps=100), notes)
    assert [what for what, _ in notes.events] == ["progress", "evaluation", "checkpoint"]


def test_with_many_environments_events_fall_on_the_first_vector_step_after():
    notes = Notes()
    loop.train(
        Counting(num_envs=8), make_run(num_envs=8, logging=250, evaluation=400), notes
    )
    assert notes.of("progress") == [256, 504, 752, 1000]
    assert notes.of("evaluation") == [400, 800, 1000]


@pytest.mark.parametrize("at", [1, 249, 250, 251, 600, 999])
def test_a_resumed_run_has_the_remaining_events(at):
    whole, rest = Notes(), Notes()
    loop.train(Counting(), make_run(), whole)
    loop.train(Counting(step=at), make_run(), rest)
    assert rest.events == [event for event in whole.events if event[1] > at]


def test_a_finished_run_does_nothing():
    notes = Notes()
    outcome = loop.train(Counting(step=1000), make_run(), notes)
    assert outcome.status == "complete"
    assert notes.events == notes.ticks == []


def test_chunks_stay_within_the_programs_limit():
    program = Counting(max_chunk=10)
    loop.train(program, make_run(), Notes())
    assert max(program.chunks) <= 10
    assert sum(program.chunks) == 1000


@pytest.mark.parametrize(("reason", "status", "message"), [
    (StopReason("signal", 15), "interrupted", "stopped at step 100"),
    (StopReason("time_budget"), "interrupted", "stopped at step 100"),
    (StopReason("memory_limit", message="2 GB are too many"), "failed", "2 GB are too many"),
])
def test_a_stop_checkpoints_where_it_is(reason, status, message):
    notes, program = Notes(), Counting(max_chunk=50)
    stops = iter([None, None, reason])
    outcome = loop.train(program, make_run(), notes, lambda: next(stops))
    assert outcome == Outcome(status, 100, message, reason)
    assert notes.events == [("checkpoint", 100)]


def test_divergence_ends_the_run_without_a_checkpoint():
    """The last checkpoint is then the last finite one."""
    notes, program = Notes(), Counting(max_chunk=50, diverges_at=620)
    outcome = loop.train(program, make_run(), notes)
    assert outcome.status == "diverged"
    assert "620" in outcome.message
    assert notes.of("checkpoint") == [600]
    assert notes.ticks[-1] == outcome.step == 650


def test_a_stop_is_asked_for_before_the_first_step():
    notes = Notes()
    outcome = loop.train(Counting(), make_run(), notes, lambda: StopReason("signal", 15))
    assert dataclasses.astuple(outcome)[:2] == ("interrupted", 0)
    assert notes.events == [("checkpoint", 0)]
