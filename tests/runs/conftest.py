"""A tiny program with the interface of the real one, and runs of it that take milliseconds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from erlctl import registry
from erlctl.runs.layout import RunPaths
from erlctl.spec.schema import (
    CheckpointSection,
    EnvironmentSection,
    EvaluationSection,
    LoggingSection,
    RunSpec,
    TrainingSection,
)

MakeRun = Callable[..., RunSpec]


@pytest.fixture
def make_run() -> MakeRun:
    """Return a function that makes a run of 60 steps with a checkpoint every 20."""

    def make(**changes: object) -> RunSpec:
        run = RunSpec(
            name="study", variant="dqn", seed=3,
            environment=EnvironmentSection(id="CartPole-v1"),
            agent=registry.get("algorithm", "dqn")(),
            training=TrainingSection(steps=60, learning_starts=5, batch_size=2,
                                     replay_capacity=50),
            evaluation=EvaluationSection(every=15, episodes=3),
            checkpoint=CheckpointSection(every=20),
            logging=LoggingSection(every=10),
        )
        return dataclasses.replace(run, **changes)

    return make


@pytest.fixture
def run(make_run: MakeRun) -> RunSpec:
    """Return the default run."""
    return make_run()


@pytest.fixture
def paths(run: RunSpec, tmp_path: Path) -> RunPaths:
    """Return where the default run lives; the folder exists."""
    found = RunPaths.of(tmp_path / "runs", run)
    found.root.mkdir(parents=True)
    return found
