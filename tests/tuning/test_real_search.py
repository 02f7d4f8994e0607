"""The whole command with real training: killed with SIGKILL, the same line goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest

from erlctl.launch.process import worker_environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

SPEC = """
name: real
environment: {id: CartPole-v1}
agent: {algorithm: munchausen_dqn}
network: {type: mlp, hidden: [8]}
training: {steps: 3000, learning_starts: 100, batch_size: 8}
evaluation: {every: 500, episodes: 2}
checkpoint: {every: 500}
seeds: 1
search:
  trials: 3
  space:
    agent.temperature: {type: float, low: 1e-3, high: 1, log: true}
"""


def tune(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "erlctl", "tune", "spec.yaml", "--format", "json"], cwd=folder,
        env=worker_environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def test_a_search_killed_with_sigkill_loses_and_doubles_no_trial(tmp_path):
    (tmp_path / "spec.yaml").write_text(SPEC)
    first = tune(tmp_path)
    second_trial = tmp_path / "runs/real/trial-0001/seed-0/run.json"
    deadline = time.monotonic() + 600
    while not second_trial.exists():
        assert time.monotonic() < deadline
        assert first.poll() is None
        time.sleep(0.05)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    again = tune(tmp_path)
    rows = json.loads(again.communicate()[0])["rows"]
    assert again.returncode == 0
    assert [(row["trial"], row["state"]) for row in rows] == [
        (0, "complete"), (1, "complete"), (2, "complete")]
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "runs/real/study.log"))
    study = optuna.load_study(study_name="search", storage=optuna.storages.JournalStorage(backend))
    assert [trial.number for trial in study.trials] == [0, 1, 2]
    folders = sorted(path.name for path in (tmp_path / "runs/real").glob("trial-*"))
    assert folders == ["trial-0000", "trial-0001", "trial-0002"]
    for row in rows:
        run = json.loads(
            (tmp_path / f"runs/real/trial-{row['trial']:04d}/seed-0/run.json").read_text())
        assert (run["status"], run["step"]) == ("complete", 3000)
