"""A real Slurm of one node on the loopback: submit, time limit with requeue, scancel, resume."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from erlctl.launch import slurm_records
from erlctl.launch.process import worker_environment
from erlctl.runs import lock
from tests.launch.specs import SEARCH

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
    yield worker_environment() | {"SLURM_CONF": str(folder / "slurm.conf"),
                                  "SLURM_FOLDER": str(folder)}
    subprocess.run([START, folder, "stop"], check=True)


@pytest.fixture
def start(cluster, tmp_path):
    """Return a function that starts a command on the cluster; what it leaves there is ended."""
    def make(command, spec, *options):
        (tmp_path / "spec.yaml").write_text(spec)
        return subprocess.Popen(
            [sys.executable, "-m", "erlctl", command, "spec.yaml", "--format", "json",
             "--launcher", "slurm", "--launcher-option", "poll_seconds=1",
             *(part for option in options for part in (
                 ("--launcher-option", option) if "=" in option else (option,)))],
            cwd=tmp_path, env=cluster, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    yield make
    subprocess.run(["scancel", "--user", str(os.getuid())], env=cluster, check=True)


@pytest.fixture
def train(start):
    def make(steps, *options, seeds=1):
        spec = SPEC.replace("STEPS", str(steps)).replace("SEEDS", str(seeds))
        return start("train", spec, *options)

    return make


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
    (submission,) = slurm_records.known(tmp_path / "runs/.slurm", pytest.fail)
    return submission.job_of["real/munchausen_dqn/seed-0"]


def read(*line, cluster, cwd=None):
    return subprocess.run(line, env=cluster, cwd=cwd, check=True, capture_output=True,
                          text=True).stdout


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
    job, node = job_of(tmp_path), socket.gethostname()
    ls = [sys.executable, "-m", "erlctl", "ls"]
    assert read(*ls, cluster=cluster, cwd=tmp_path).split("\n")[0].split()[-2:] == ["host", "job"]
    (row,) = json.loads(read(*ls, "--format", "json", cluster=cluster, cwd=tmp_path))["rows"]
    assert (row["status"], row["host"], row["job"]) == ("running", node, f"slurm {job}")
    shown = read(*ls[:-1], "show", row["path"], cluster=cluster, cwd=tmp_path)
    assert f"where        {node}, slurm {job}" in shown
    subprocess.run(["scancel", "--full", job], env=cluster, check=True)
    out, err = process.communicate(timeout=1200)
    (row,) = json.loads(out)["rows"]
    assert (row["status"], process.returncode) == ("interrupted", 3), err
    assert f"job {job} ended before the run: CANCELLED on {node}" in row["reason"]
    stopped = step_of(tmp_path)
    statuses, code, _ = finished(train(stopped + 10_000))
    assert (statuses, code) == (["complete"], 0)
    log = (tmp_path / "runs/real/munchausen_dqn/seed-0/log.txt").read_text()
    assert f"resumed from step {stopped}" in log


def test_a_job_near_its_limit_checkpoints_and_requeues_itself(train, cluster, tmp_path):
    process = train(1_500_000, "time=10")
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


def test_a_job_that_is_killed_is_interrupted_and_the_same_line_goes_on(train, cluster, tmp_path):
    """As the kernel does when memory is out; the controller has forgotten the job afterwards."""
    process = train(5_000_000)
    wait_for(lambda: step_of(tmp_path) > 0)
    holder = lock.read_holder(tmp_path / "runs/real/munchausen_dqn/seed-0/.lock")
    os.kill(int(holder["pid"]), signal.SIGKILL)
    out, err = process.communicate(timeout=1200)
    (row,) = json.loads(out)["rows"]
    assert (row["status"], process.returncode) == ("interrupted", 3), err
    assert f"job {job_of(tmp_path)} ended before the run: FAILED on" in row["reason"]
    wait_for(lambda: subprocess.run(
        ["scontrol", "show", "job", job_of(tmp_path)], env=cluster, check=False,
        capture_output=True).returncode != 0)
    statuses, code, _ = finished(train(step_of(tmp_path) + 10_000))
    assert (statuses, code) == (["complete"], 0)


def test_a_node_that_fails_costs_its_job_a_requeue(train, cluster, tmp_path):
    process = train(1_500_000)
    wait_for(lambda: step_of(tmp_path) > 0)
    node = read("sinfo", "-h", "-o", "%n", cluster=cluster).strip()
    subprocess.run(["scontrol", "update", f"nodename={node}", "state=down", "reason=tested"],
                   env=cluster, check=True)
    time.sleep(3)  # it may have registered again by itself: then there is nothing to resume
    subprocess.run(["scontrol", "update", f"nodename={node}", "state=resume"], env=cluster,
                   check=False)
    statuses, code, _ = finished(process)
    assert (statuses, code) == (["complete"], 0)
    job_of(tmp_path)  # one submission
    log = (tmp_path / "runs/real/munchausen_dqn/seed-0/log.txt").read_text()
    assert "resumed from step" in log


def test_a_runs_directory_that_nodes_do_not_share_is_told_and_nothing_is_left(
    train, cluster, tmp_path
):
    folder = Path(cluster["SLURM_FOLDER"])
    if not (folder / "has-private").exists():
        pytest.skip("needs the right to mount (root)")
    runs_dir = folder / "private" / tmp_path.name
    unshared = ("--runs-dir", str(runs_dir))
    process = train(1000, *unshared, "array_parallelism=1", seeds=3)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    assert f"the runs directory {runs_dir} is not shared with " in err
    assert "fix: put --runs-dir on a file system that all nodes have" in err
    assert "Traceback" not in err
    assert not out
    wait_for(lambda: not read("squeue", "-h", cluster=cluster), seconds=60)
    assert not slurm_records.known(runs_dir / ".slurm", pytest.fail)

    statuses, code, _ = finished(train(1000, *unshared, "--detach"))
    assert (statuses, code) == (["pending"], 0)
    wait_for(lambda: not read("squeue", "-h", cluster=cluster), seconds=60)
    statuses, code, err = finished(train(1000, *unshared, "--detach"))
    assert (statuses, code) == (["pending"], 0)
    assert "ended before without having written below" in err


def test_a_killed_search_goes_on_without_a_lost_or_doubled_trial(start, cluster, tmp_path):
    spec = SEARCH.replace("STEPS", "30000")
    process = start("tune", spec, "--jobs", "2", "--runs-dir", str(tmp_path / "runs"))
    wait_for(lambda: list(tmp_path.glob("runs/tuned/*/*/run.json")))
    process.kill()  # one job trains, the other waits or does so too
    process.communicate()
    out, err = start("tune", spec, "--jobs", "2", "--runs-dir",
                     str(tmp_path / "runs")).communicate(timeout=1200)
    document = json.loads(out)
    assert document["exit_code"] == 0, err
    assert [row["state"] for row in document["rows"]] == ["complete"] * 3
    assert err.count("submitted before as job") + err.count("already complete") == 2
    assert "busy" not in err
    attempts = [json.loads(path.read_text())["attempts"]
                for path in tmp_path.glob("runs/tuned/*/*/run.json")]
    assert [len(each) for each in attempts] == [1] * 3
    jobs = [job for each in slurm_records.known(tmp_path / "runs/.slurm", pytest.fail)
            for job in each.jobs]
    assert len(jobs) == 3
