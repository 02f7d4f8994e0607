"""Spec files for batches of fake runs."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from erlctl.launch.process import WorkerProcess

FAKE_WORKER = (sys.executable, str(Path(__file__).with_name("fakes.py")))
start_fake = partial(WorkerProcess, command=FAKE_WORKER)
TWO_PROGRAMS = "sweep: {training.batch_size: [32, 64]}"
_SPEC = """
name: demo
environment: {{id: CartPole-v1}}
agent: {{algorithm: dqn}}
training: {{steps: {steps}, learning_starts: 1}}
seeds: {seeds}
{sweep}
"""


def write_spec(
    folder: Path, steps: int = 20, seeds: int = 1, sweep: str = "", name: str = "spec.yaml"
) -> Path:
    """Write a spec file into `folder`; a fake step takes ten milliseconds."""
    path = folder / name
    path.write_text(_SPEC.format(steps=steps, seeds=seeds, sweep=sweep))
    return path


SEARCH = """
name: tuned
environment: {id: CartPole-v1}
agent: {algorithm: munchausen_dqn}
network: {type: mlp, hidden: [8]}
training: {steps: STEPS, learning_starts: 100, batch_size: 8}
evaluation: {every: 5000, episodes: 2}
checkpoint: {every: 5000}
search:
  trials: 3
  pruner: none
  space: {agent.temperature: {type: float, low: 1e-3, high: 1, log: true}}
seeds: 1
"""
