"""The whole command with real workers: TensorFlow trains, signals arrive, the same line goes on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from erlctl.launch.process import worker_environment
from erlctl.runs.layout import find_runs, read_run_json

pytestmark = pytest.mark.slow

SPEC = """
name: real
environment: {id: CartPole-v1}
agent: {algorithm: munchausen_dqn}
network: {type: mlp, hidden: [16]}
training: {steps: STEPS, learning_starts: 200, batch_size: 16}
evaluation: {every: 5000, episodes: 2}
checkpoint: {every: 5000}
seeds: 2
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return a function that starts `erlctl train` in a temporary folder."""
    started: list[subprocess.Popen[str]] = []

    def make(steps: int, *options: str) -> subprocess.Popen[str]:
        (tmp_path / "spec.yaml").write_text(SPEC.replace("STEPS", str(steps)))
        started.append(subprocess.Popen(
            [sys.executable, "-m", "erlctl", "train", "spec.yaml", "--format", "json", *options],
            cwd=tmp_path, env=worker_environment(), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ))
        return started[-1]

    yield make
    for process in started:
        process.kill()
        process.communicate()


def wait_for(process: subprocess.Popen[str], words: str) -> None:
    for line in process.stderr:
        if words in line:
            return
    raise AssertionError(f"never said {words!r}")


def rows(output: str) -> list[dict[str, object]]:
    return json.loads(output)["rows"]


def test_ctrl_c_and_the_same_line_again_complete_every_run(start, tmp_path):
    process = start(30_000, "--jobs", "1")
    wait_for(process, "step 5000: evaluation")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert [row["status"] for row in rows(out)] == ["interrupted", "pending"]
    assert 5000 <= rows(out)[0]["step"] < 30_000

    process = start(30_000, "--jobs", "1")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert [row["status"] for row in rows(out)] == ["complete", "complete"]
    assert "resumed from step" in err
    assert err.count("compiling") == 1  # the second seed runs the program of the first

    began = time.monotonic()
    process = start(30_000)
    out, _ = process.communicate(timeout=60)
    assert [row["status"] for row in rows(out)] == ["skipped", "skipped"]
    assert time.monotonic() - began < 5.0  # half a second on an idle machine; no TensorFlow


def test_a_killed_worker_fails_its_run_alone_and_the_next_line_mends_it(start, tmp_path):
    process = start(30_000, "--jobs", "1")
    wait_for(process, "step 5000: evaluation")
    (running,) = [
        paths for paths in find_runs([tmp_path / "runs"]).runs
        if read_run_json(paths)["status"] == "running"
    ]
    pid = json.loads(running.lock.read_text())["pid"]
    subprocess.run(["kill", "-KILL", str(pid)], check=True)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 3
    assert [row["status"] for row in rows(out)] == ["failed", "complete"]
    facts = read_run_json(running)
    assert (facts["status"], facts["reason"]) == ("failed", "killed by SIGKILL (out of memory?)")

    process = start(30_000)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert [row["status"] for row in rows(out)] == ["complete", "skipped"]


STUCK = """
name: stuck
environment:
  id: tests.environments.host.fakes:Counter
  backend: python
  step_timeout: 0.5
  kwargs: {length: 390}
agent: {algorithm: dqn}
network: {type: mlp, hidden: [16]}
training: {steps: 400, learning_starts: 100, batch_size: 16}
checkpoint: {every: 100}
evaluation: {every: 100000, episodes: 1}
sweep: {environment.kwargs.fault: ["", lock], environment.kwargs.at: [350]}
seeds: [0]
"""


def test_compiled_code_that_never_returns_fails_its_run_alone(tmp_path):
    (tmp_path / "spec.yaml").write_text(STUCK)
    done = subprocess.run(
        [sys.executable, "-m", "erlctl", "train", "spec.yaml", "--format", "json", "--jobs", "1",
         "--trust", "tests"],
        cwd=tmp_path, text=True, capture_output=True, check=False, timeout=120,
        env=worker_environment() | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    found = {str(row["run"]): row for row in rows(done.stdout)}
    assert sorted(row["status"] for row in found.values()) == ["complete", "failed"], done.stderr
    (failed,) = [row for row in found.values() if row["status"] == "failed"]
    assert "Counter (step 350, action " in failed["reason"]
    assert "has not come back after 0.5 s, in compiled code" in failed["reason"]
    (paths,) = [
        paths for paths in find_runs([tmp_path / "runs"]).runs
        if read_run_json(paths)["status"] == "failed"
    ]
    assert read_run_json(paths)["reason"] == failed["reason"]
    # The writer of a newer one may have been stopped in the middle.
    assert (paths.checkpoints / "000000200").is_dir()


@pytest.mark.parametrize("algorithm", ["munchausen_dqn", "dual_averaging_vi"])
def test_graph_mode_gives_the_same_bytes_on_one_core_as_on_two(tmp_path, algorithm):
    path = tmp_path / "spec.yaml"
    path.write_text(
        SPEC.replace("STEPS", "2000").replace("seeds: 2", "seeds: [0]")
        .replace("munchausen_dqn", algorithm).replace("batch_size: 16", "compile: graph")
    )
    sums = []
    for cores in (1, 2):
        subprocess.run(
            [sys.executable, "-c", RUN_ON.format(path=str(path), runs=str(tmp_path / str(cores)))],
            env=worker_environment(cores), check=True,
        )
        (run,) = find_runs([tmp_path / str(cores)]).runs
        manifest = json.loads((run.checkpoints / "000002000" / "manifest.json").read_text())
        sums.append(manifest["files"])
        variables = read_run_json(run)["environment_variables"]
        assert variables["TF_NUM_INTEROP_THREADS"] == str(cores)
    assert sums[0] == sums[1]


RUN_ON = """
from pathlib import Path
from erlctl import spec
from erlctl.runs.execute import execute
from erlctl.training.factory import make_program
(run,) = spec.load(Path({path!r})).runs
assert execute(run, Path({runs!r}), program_for=make_program).status == "complete"
"""
