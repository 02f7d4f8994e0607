"""A run in this process, with callbacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from erlctl import spec
from erlctl.callbacks.reference import Reference
from erlctl.events import Ended
from erlctl.launch.job import Job
from erlctl.launch.worker import StopRequest, Worker
from erlctl.runs.execute import execute
from erlctl.runs.layout import RunPaths, label_of
from erlctl.training.factory import make_program

SPEC = """
name: watched
environment: {id: CartPole-v1, kwargs: {time_limit: 20}}
agent: {algorithm: dqn}
network: {type: mlp, hidden: [8]}
training: {steps: STEPS, learning_starts: 50, batch_size: 8, replay_capacity: 200, compile: graph}
evaluation: {every: 50, episodes: 2}
checkpoint: {every: 100}
logging: {every: 50, tensorboard: false}
"""


@pytest.fixture(scope="session")
def worker() -> Worker:
    """Return a worker that keeps its compiled programs between tests."""
    return Worker(execute, make_program, lambda event: None, StopRequest())


class Watched:
    """Trains one run; `train` again is the same line again."""

    def __init__(self, worker: Worker, folder: Path) -> None:
        self._worker, self._folder = worker, folder
        self.paths: RunPaths | None = None

    def train(self, *callbacks: str, steps: int = 300, trusted: Sequence[str] = ()) -> Ended:
        path = self._folder / "spec.yaml"
        path.write_text(SPEC.replace("STEPS", str(steps)))
        (run,) = spec.load(path).runs
        self.paths = RunPaths.of(self._folder / "runs", run)
        return self._worker.train(Job(
            label=label_of(run), run=spec.dump(run), runs_dir=str(self._folder / "runs"),
            command=["test"],
            callbacks=[asdict(Reference.parse(text)) for text in callbacks],
        ))


@pytest.fixture
def watched(worker: Worker, tmp_path: Path) -> Watched:
    """Return a run that can be trained."""
    return Watched(worker, tmp_path)
