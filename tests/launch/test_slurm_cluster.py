"""A real Slurm of one node on the loopback: submit, time limit with requeue, scancel, resume."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from erlctl.launch.process import worker_environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
START = Path(__file__).with_name("slurm") / "start.sh"
SPEC = """
name: real
environment: {id: CartPole-v1}
agent: {algorithm: munchausen_dqn}
network: {type: mlp, hidden: [8]}
training: {steps: STEPS, learning_starts: 100, batch_size: 8}
evaluation: {every: 50000, episodes: 2}
checkpoint: {every: 50000}
seeds: SEEDS
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Return the environment in which Slurm's commands find the cluster."""
    missing = [name for name in ("slurmctld", "slurmd", "munged") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)} (apt install slurm-wlm munge)")
    if os.geteuid() != 0:
        pytest.skip("slurmctld and munged are started by root")
    pytest.importorskip("submitit")
    folder = tmp_path_factory.mktemp("slurm")
    started = subprocess.run([START, folder], capture_output=True, text=True, check=False)
    if started.returncode:
        pytest.fail(f"Slurm did not start: {started.stderr}")
    yield worker_environment() | {"SLURM_CONF": str(folder / "slurm.conf")}
    subprocess.run([START, folder, "stop"], check=True)


@pytest.fixture
def train(cluster, tmp_path):
    def start(steps, *options, seeds=1):
        (tmp_path / "spec.yaml").write_text(
            SPEC.replace("STEPS", str(steps)).replace("SEEDS", str(seeds)))
        return subprocess.Popen(
            [sys.executable, "-m", "erlctl", "train", "spec.yaml", "--format", "json",
             "--launcher", "slurm", "--launcher-option", "poll_seconds=1",
             *(part for option in options for part in (
                 (option,) if option.startswith("--") else ("--launcher-option", option)))],
            cwd=tmp_path, env=cluster, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start


def finished(process):
    out, err = process.communicate(timeout=1200)
    assert out, err
    document = json.loads(out)
    assert document["exit_code"] == process.returncode
    return [row["status"] for row in document["rows"]], document["exit_code"], err


def step_of(tmp_path):
    path = tmp_path / "runs/real/munchausen_dqn/seed-0/run.json"
    return json.loads(path.read_text())["step"] if path.exists() else 0


def job_of(tmp_path):
    (path,) = (tmp_path / "runs/.slurm").glob("*.json")
    return json.loads(path.read_text())["jobs"]["real/munchausen_dqn/seed-0"]


def wait_for(condition, seconds=600):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_an_array_is_submitted_watched_from_another_command_and_complete(train):
    statuses, code, _ = finished(train(2000, "--detach", seeds=3))
    assert (statuses, code) == (["pending"] * 3, 0)
    statuses, code, err = finished(train(2000, seeds=3))
    assert (statuses, code) == (["complete"] * 3, 0)
    assert err.count("submitted before as job") + err.count("already complete") == 3
    assert " submitted as job" not in err.replace("submitted before as job", "")


def test_scancel_ends_a_run_as_interrupted_and_the_same_line_resumes_it(train, cluster, tmp_path):
    process = train(5_000_000)
    wait_for(lambda: step_of(tmp_path) > 0)
    subprocess.run(["scancel", "--full", job_of(tmp_path)], env=cluster, check=True)
    statuses, code, _ = finished(process)
    assert (statuses, code) == (["interrupted"], 3)
    stopped = step_of(tmp_path)
    statuses, code, _ = finished(train(stopped + 10_000))
    assert (statuses, code) == (["complete"], 0)
    log = (tmp_path / "runs/real/munchausen_dqn/seed-0/log.txt").read_text()
    assert f"resumed from step {stopped}" in log


def test_a_job_near_its_limit_checkpoints_and_requeues_itself(train, cluster, tmp_path):
    process = train(150_000, "time=10")
    wait_for(lambda: step_of(tmp_path) > 0)
    job = job_of(tmp_path)
    # What Slurm sends `signal_seconds` before the limit; waiting for a real limit takes minutes.
    subprocess.run(["scancel", "--signal=USR2", job], env=cluster, check=True)
    log = tmp_path / "runs/real/munchausen_dqn/seed-0/log.txt"
    statuses, code, _ = finished(process)
    assert (statuses, code) == (["complete"], 0)
    assert job_of(tmp_path) == job  # the same job, requeued: nothing was submitted again
    assert "resumed from step" in log.read_text()


def test_an_unknown_partition_is_one_line_and_nothing_is_submitted(train, tmp_path):
    process = train(1000, "partition=nowhere")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "Slurm has no partition 'nowhere'" in err
    assert "choose one of main" in err
    assert not (tmp_path / "runs/.slurm").exists()
    assert not out
