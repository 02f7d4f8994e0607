"""Runs of two variants and two seeds, trained once, in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from erlctl import spec
from erlctl.launch.job import Job
from erlctl.launch.worker import StopRequest, Worker
from erlctl.runs.execute import execute
from erlctl.runs.layout import label_of
from erlctl.training.factory import make_program

SPEC = """
name: study
environment: {id: CartPole-v1, kwargs: {time_limit: 20}}
agent: {algorithm: munchausen_dqn}
network: {type: mlp, hidden: [8]}
training: {steps: 200, learning_starts: 50, batch_size: 8, replay_capacity: 200, compile: graph}
evaluation: {every: 100, episodes: 2}
logging: {every: 50, tensorboard: false}
seeds: 2
sweep: {agent.gamma: [0.9, 0.99]}
"""


def train_here(text: str, runs_dir: Path) -> None:
    path = runs_dir / "spec.yaml"
    runs_dir.mkdir(exist_ok=True)
    path.write_text(text)
    worker = Worker(execute, make_program, lambda event: None, StopRequest())
    for run in spec.load(path).runs:
        ended = worker.train(Job(
            label=label_of(run), run=spec.dump(run), runs_dir=str(runs_dir), command=[]))
        assert ended.outcome.status == "complete", ended.outcome.message


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the runs directory."""
    runs_dir = tmp_path_factory.mktemp("study") / "runs"
    train_here(SPEC, runs_dir)
    return runs_dir
