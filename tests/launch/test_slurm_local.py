"""The Slurm launcher with submitit's own local executor: grouping, detaching, rerunning, errors."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from erlctl import spec
from erlctl.errors import ErlctlError
from erlctl.events import Message, Outcome, Tick
from erlctl.launch import launcher, slurm_job, slurm_records
from erlctl.launch.job import Job
from erlctl.launch.launchers import slurm
from erlctl.launch.listen import STOP_SIGNALS
from erlctl.launch.plan import plan_runs
from erlctl.launch.slurm_queue import LocalQueue, Queued
from erlctl.launch.worker import StopRequest, Worker
from erlctl.runs.layout import label_of
from tests.cli.helpers import erlctl
from tests.launch import fakes
from tests.launch.specs import TWO_PROGRAMS, write_spec

# submitit lets go of its processes while they run: so does `sbatch` of its jobs.
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")


def fake_train(work: slurm_job.Work) -> list[str]:
    """Stand in for `slurm_job.train`, in another process: the fake runs of the pool's tests."""
    stop = StopRequest()
    for number in (signal.SIGTERM, signal.SIGUSR2):
        signal.signal(number, stop.on_signal)
    worker = Worker(fakes.execute, fakes.FakeProgram, lambda _: None, stop)
    return [worker.train(Job(**job)).outcome.status for job in work.jobs if stop.reason is None]


@pytest.fixture(autouse=True)
def fake_jobs(monkeypatch, tmp_path):
    monkeypatch.setattr(slurm_job, "train", fake_train)
    monkeypatch.setenv("FAKE_COMPILATIONS", str(tmp_path / "compilations"))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))


def launch(path, runs_dir, *, detach=False, **options):
    events = []
    runs = spec.load(path).runs
    runs_dir.mkdir(exist_ok=True)
    batch = launcher.Batch(plan=plan_runs(runs, runs_dir=runs_dir), runs_dir=runs_dir,
                           detach=detach)
    made = slurm.Slurm(cluster="local", poll_seconds=0.1, **options)
    return made.launch(batch, events.append), events


def test_gpus_of_slurm_and_the_device_go_together(make_spec, runs_dir):
    def asked(device, **options):
        batch = launcher.Batch(plan=[], runs_dir=runs_dir, device=device, jobs=3)
        return slurm.Slurm(**options)._parameters(batch, slurm_records.new(runs_dir, []))

    runs_dir.mkdir()
    assert asked("gpu")["slurm_gres"] == "gpu:1"
    assert asked("gpu", gpus=2)["slurm_gres"] == "gpu:2"
    assert "slurm_gres" not in asked("cpu")
    assert slurm.Slurm(array_parallelism=5).capacity(None) == 5  # not this machine's cores
    assert asked("cpu")["slurm_array_parallelism"] == 3
    assert asked("cpu", array_parallelism=2)["slurm_array_parallelism"] == 2
    result = erlctl("train", make_spec(), "--launcher", "slurm", "--runs-dir", runs_dir,
                    "--launcher-option", "gpus=1")
    assert result.code == 1
    assert "fix: train with --device gpu" in result.err


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def submissions(runs_dir):
    return [dict(each.job_of) for each in slurm_records.known(runs_dir / ".slurm")]


def test_runs_of_one_program_share_a_job_and_all_are_told(tmp_path, runs_dir):
    path = write_spec(tmp_path, seeds=3, sweep=TWO_PROGRAMS)
    result, _ = launch(path, runs_dir, runs_per_job=2)
    assert [each.status for each in result.results] == ["complete"] * 6
    assert result.exit_code == 0
    (jobs,) = submissions(runs_dir)
    sizes = sorted(list(jobs.values()).count(job) for job in set(jobs.values()))
    assert sizes == [1, 1, 2, 2]
    for job in set(jobs.values()):
        assert len({label.split("/")[1] for label in jobs if jobs[label] == job}) == 1


def test_detached_runs_go_on_and_the_same_line_submits_only_what_is_missing(tmp_path, runs_dir):
    path = write_spec(tmp_path, seeds=1, steps=300)
    result, _ = launch(path, runs_dir, detach=True)
    assert [each.status for each in result.results] == ["pending"]
    assert result.exit_code == 0
    more = write_spec(tmp_path, seeds=2, steps=300)
    result, events = launch(more, runs_dir)
    assert [each.status for each in result.results] == ["complete"] * 2
    first, second = sorted(submissions(runs_dir), key=sorted)
    assert set(first) == {"demo/dqn/seed-0"}
    assert set(second) == {"demo/dqn/seed-1"}
    said = [event.text for event in events if isinstance(event, Message)]
    assert any("submitted before as job" in text for text in said)
    result, _ = launch(more, runs_dir)
    assert [each.status for each in result.results] == ["skipped"] * 2
    assert len(submissions(runs_dir)) == 2


def test_a_cancelled_job_ends_as_interrupted_and_the_same_line_goes_on(tmp_path, runs_dir):
    path = write_spec(tmp_path, seeds=1, steps=400)
    launch(path, runs_dir, detach=True)
    pid = int(submissions(runs_dir)[0]["demo/dqn/seed-0"])
    root = runs_dir / "demo/dqn/seed-0"
    wait_for((root / "spec.yaml").exists)
    time.sleep(0.5)  # of four seconds of training
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not LocalQueue().jobs([str(pid)]))
    stopped = json.loads((root / "run.json").read_text())
    assert stopped["status"] == "interrupted"
    assert 0 < stopped["step"] < 400
    result, _ = launch(path, runs_dir)
    assert [(each.status, each.outcome.step) for each in result.results] == [("complete", 400)]
    assert len(submissions(runs_dir)) == 2


def test_a_controller_that_is_silent_for_a_while_ends_nothing(tmp_path, runs_dir, monkeypatch):
    ask, asked = LocalQueue.jobs, []

    def jobs(queue, numbers=()):
        asked.append(numbers)
        if len(asked) < 4:
            raise ErlctlError("squeue: no answer within 60 s", fix="sinfo")
        return ask(queue, numbers)

    monkeypatch.setattr(LocalQueue, "jobs", jobs)
    result, events = launch(write_spec(tmp_path, seeds=2, steps=100), runs_dir)
    assert [each.status for each in result.results] == ["complete"] * 2
    said = [event.text for event in events if isinstance(event, Message)]
    assert said.count(
        "squeue: no answer within 60 s; no job counts as ended until Slurm answers") == 1
    assert len(asked) >= 4


def test_a_job_that_cannot_start_is_told_once(tmp_path, runs_dir, monkeypatch):
    held = Queued(state="PENDING", reason="launch failed requeued held")
    ask = LocalQueue.jobs
    monkeypatch.setattr(LocalQueue, "jobs", lambda queue, numbers=(): dict.fromkeys(
        ask(queue, numbers), held))
    _, events = launch(write_spec(tmp_path, seeds=2, steps=100), runs_dir)
    said = [event.text for event in events if isinstance(event, Message)]
    assert sum("(launch failed requeued held): it may wait for ever; `scancel " in text
               for text in said) == 1


def test_a_job_that_dies_ends_as_interrupted(tmp_path, runs_dir, monkeypatch):
    monkeypatch.setenv("FAKE_TROUBLE", "0:kill")
    result, _ = launch(write_spec(tmp_path, seeds=2, steps=50), runs_dir)
    assert [each.status for each in result.results] == ["interrupted", "complete"]
    assert "ended before the run" in result.results[0].outcome.message


@pytest.mark.parametrize(("missing", "message"), [
    ("submitit", "pip install 'erlctl[slurm]'"), ("sbatch", "login node"),
])
def test_what_is_missing_is_told_before_anything_is_written(
    missing, message, tmp_path, runs_dir, monkeypatch
):
    if missing == "submitit":
        monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    else:
        monkeypatch.setenv("PATH", str(tmp_path))
    path = write_spec(tmp_path)
    batch = launcher.Batch(plan=plan_runs(spec.load(path).runs, runs_dir=runs_dir),
                           runs_dir=runs_dir)
    with pytest.raises(ErlctlError, match=r"needs submitit|not on this machine") as error:
        slurm.Slurm().launch(batch, lambda _: None)
    assert message in str(error.value)
    assert error.value.exit_code == 1
    assert not (runs_dir / ".slurm").exists()


def test_detach_needs_a_launcher_that_can(tmp_path, runs_dir):
    refused = erlctl("train", write_spec(tmp_path), "--runs-dir", runs_dir, "--detach")
    assert refused.code == 2
    assert "trains only while it is watched" in refused.err


def test_ls_passes_over_what_the_launcher_keeps(tmp_path, runs_dir):
    launch(write_spec(tmp_path, seeds=1), runs_dir)
    listed = erlctl("ls", runs_dir)
    assert listed.code == 0
    assert ".slurm" not in listed.out + listed.err


@pytest.mark.parametrize("has_trained", [True, False])
def test_a_job_requeues_itself_only_if_it_came_further(has_trained, tmp_path, monkeypatch):
    """Else a limit that is too short would be tried for ever."""
    monkeypatch.undo()  # the real `train`
    asked = []

    def execute(run, runs_dir, *, on_event, should_stop, **options):
        on_event(Tick("a", 5, 100.0 if has_trained else 0.0))
        os.kill(os.getpid(), signal.SIGUSR2)
        return Outcome("interrupted", 5, "", should_stop())

    monkeypatch.setattr("erlctl.runs.execute.execute", execute)
    import erlctl.training.factory  # noqa: F401 - TensorFlow's import runs commands of its own

    monkeypatch.setattr(slurm_job, "worker_environment", lambda *_: {})
    monkeypatch.setattr(slurm_job.subprocess, "run", lambda line, check: asked.append(line))
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "7")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    run = spec.load(write_spec(tmp_path)).runs[0]
    job = {"label": label_of(run), "run": spec.dump(run), "runs_dir": str(tmp_path)}
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    try:
        statuses = slurm_job.train(slurm_job.Work(jobs=[job, job], cores=1))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert statuses == ["interrupted"]
    assert asked == ([["scontrol", "requeue", "7_3"]] if has_trained else [])
