"""A plain file brings an algorithm, a network, an optimiser, a policy and an environment."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from erlctl.runs.layout import RunPaths, read_run_json

FILE = Path(__file__).with_name("everything.py")
SPEC = """
name: theirs
environment: {id: TheirCorridor, kwargs: {length: 4}}
agent: {algorithm: their_soft_gap, alpha: 0.5, collect_policy: {type: their_half_random}}
network: {type: their_wide, units: 8}
optimizer: {type: their_sgd, learning_rate: 0.1}
training: {steps: 200, learning_starts: 20, batch_size: 8, replay_capacity: 100}
evaluation: {every: 100, episodes: 2}
checkpoint: {every: 100}
logging: {every: 100, tensorboard: false}
seeds: 1
"""


def erlctl(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "erlctl", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    root = str(Path(importlib.import_module("erlctl").__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", root)
    (tmp_path / "spec.yaml").write_text(SPEC)
    (tmp_path / "mine.py").write_text(FILE.read_text())
    return tmp_path


def test_without_trust_nothing_of_it_is_known(folder):
    done = erlctl("validate", "spec.yaml", folder=folder)
    assert done.returncode == 2
    for name in ("TheirCorridor", "their_soft_gap", "their_wide", "their_sgd", "their_half_random"):
        assert f"{name!r}" in done.stderr


def test_with_trust_it_is_validated_and_explained(folder):
    assert erlctl("validate", "spec.yaml", "--trust", "mine.py", folder=folder).returncode == 0
    done = erlctl("algorithms", "their_soft_gap", "--trust", "mine.py", folder=folder)
    assert done.returncode == 0
    assert "log-sum-exp" in done.stdout
    wrong = erlctl("validate", "spec.yaml", "--trust", "mine.py", "--set", "agent.alpha=2",
                   "--set", "environment.kwargs.lenght=3", folder=folder)
    assert wrong.returncode == 2
    assert "agent.alpha: must be in [0, 1]" in wrong.stderr
    assert "did you mean 'length'" in wrong.stderr


def test_a_worker_process_trains_it_and_eval_plays_it(folder):
    done = erlctl("train", "spec.yaml", "--trust", "mine.py", folder=folder)
    assert done.returncode == 0, done.stderr
    paths = RunPaths(next((folder / "runs" / "theirs").glob("*/seed-0")))
    assert read_run_json(paths)["status"] == "complete"
    played = erlctl("eval", paths.root, "--trust", "mine.py", "--episodes", 2, folder=folder)
    assert played.returncode == 0, played.stderr
    assert erlctl("fsck", paths.root, "--trust", "mine.py", folder=folder).returncode == 0
