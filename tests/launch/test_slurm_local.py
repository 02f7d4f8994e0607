"""The Slurm launcher with submitit's own local executor: grouping, detaching, rerunning, errors."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import submitit

from erlctl import spec
from erlctl.errors import ErlctlError, RunBusyError
from erlctl.events import Message, Outcome, StopReason, Tick
from erlctl.launch import launcher, slurm_job, slurm_records
from erlctl.launch.job import Job
from erlctl.launch.launchers import slurm
from erlctl.launch.listen import STOP_SIGNALS
from erlctl.launch.plan import plan_runs
from erlctl.launch.slurm_queue import LocalQueue, Queued, SlurmQueue
from erlctl.launch.slurm_watch import Submitted, Watched
from erlctl.launch.worker import StopRequest, Worker
from erlctl.runs import lock
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


def launch(path, runs_dir, *, detach=False, fresh=False, say=lambda _: None, **options):
    events = []

    def on_event(event):
        events.append(event)
        if isinstance(event, Message):
            say(event.text)

    runs = spec.load(path).runs
    runs_dir.mkdir(exist_ok=True)
    batch = launcher.Batch(plan=plan_runs(runs, runs_dir=runs_dir, fresh=fresh), runs_dir=runs_dir,
                           detach=detach, fresh=fresh)
    made = slurm.Slurm(cluster="local", poll_seconds=0.1, **options)
    return made.launch(batch, on_event), events


def test_gpus_of_slurm_and_the_device_go_together(make_spec, runs_dir):
    def asked(device, **options):
        batch = launcher.Batch(plan=[], runs_dir=runs_dir, device=device, jobs=3)
        return slurm.Slurm(**options)._parameters(batch, slurm_records.new(runs_dir, [], {}))

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
    known = slurm_records.known(runs_dir / LocalQueue.folder, pytest.fail)
    return [dict(each.job_of) for each in known]


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


def test_what_local_jobs_say_is_found_and_no_folder_has_a_placeholders_name(tmp_path, runs_dir):
    launch(write_spec(tmp_path, seeds=1), runs_dir)
    folder = runs_dir / LocalQueue.folder
    assert not list(folder.rglob("*%*"))
    (submission,) = slurm_records.known(folder, pytest.fail)
    (log,) = folder.rglob("*.err")
    log.write_text("Killed\n\n")
    assert submission.last_words(submission.jobs[0]) == "Killed"


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
    number = submissions(runs_dir)[0]["demo/dqn/seed-0"]
    root = runs_dir / "demo/dqn/seed-0"
    wait_for((root / "spec.yaml").exists)
    time.sleep(0.5)  # of four seconds of training
    LocalQueue().cancel([number])
    wait_for(lambda: not LocalQueue().jobs([number]))
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


def train_as_if_requeued(work: slurm_job.Work) -> list[str]:
    """The job's process has the real `train`."""
    return slurm_job.train(work) + slurm_job.train(work)


def test_a_requeued_job_goes_on_with_what_it_began_afresh(tmp_path, runs_dir, monkeypatch):
    monkeypatch.setattr(slurm_job, "train", train_as_if_requeued)
    path = tmp_path / "spec.yaml"
    path.write_text("name: demo\nenvironment: {id: Garnet}\nagent: {algorithm: value_iteration}\n"
                    "training: {steps: 20}\nseeds: 1\n")
    for fresh in (False, True):
        result, _ = launch(path, runs_dir, fresh=fresh)
        assert [each.status for each in result.results] == ["complete"]
        (number,) = submissions(runs_dir)[-1].values()
        wait_for(lambda number=number: not LocalQueue().jobs([number]))
    roots = sorted((runs_dir / "demo/value_iteration").iterdir())
    assert len(roots) == 2  # what was there before and what the job has trained
    attempts = [json.loads((root / "run.json").read_text())["attempts"] for root in roots]
    assert [len(each) for each in attempts] == [1, 1]


@pytest.mark.parametrize(("steps", "fresh", "step"), [(50, False, 5), (5, True, 0)])
def test_a_job_that_is_gone_before_it_began_has_not_come_to_the_end_of_the_last(
    steps, fresh, step, tmp_path, runs_dir, monkeypatch
):
    result, _ = launch(write_spec(tmp_path, steps=5), runs_dir)
    assert result.exit_code == 0
    monkeypatch.setenv("FAKE_TROUBLE", "0:kill")  # before it writes a run.json
    result, _ = launch(write_spec(tmp_path, steps=steps), runs_dir, fresh=fresh)
    assert [(each.status, each.outcome.step) for each in result.results] == [("interrupted", step)]
    assert result.exit_code == 3


@pytest.mark.parametrize(("count", "status", "reason"), [
    (1, "interrupted", ""), (2, "failed", "the disk was full"),
])
def test_a_failure_counts_if_it_is_not_that_of_an_earlier_attempt(
    count, status, reason, tmp_path, runs_dir
):
    (planned,) = plan_runs(spec.load(write_spec(tmp_path)).runs, runs_dir=runs_dir)
    planned.paths.root.mkdir(parents=True)
    planned.paths.run_json.write_text(json.dumps({
        "run_id": "7f", "attempts": [{}] * count, "status": "failed", "step": 5,
        "reason": "the disk was full"}))
    submission = slurm_records.new(
        runs_dir / ".slurm", [[planned.label]], before={planned.label: "7f/1"})
    tally = launcher.Tally(launcher.Batch(plan=[planned], runs_dir=runs_dir), lambda _: None)
    watched = Watched(planned, Submitted("7", submission))
    assert watched.look(tally, lambda _: None, is_alive=True) is None
    assert watched.look(tally, lambda _: None, is_alive=False) == Outcome(status, 5, reason)


def test_what_the_cluster_has_is_not_looked_for_among_processes(tmp_path, runs_dir):
    runs_dir.mkdir()
    elsewhere = slurm_records.new(runs_dir / SlurmQueue.folder, [["demo/dqn/seed-0"]], before={})
    replace(elsewhere, jobs=[LocalQueue().number_of(str(os.getpid()))]).write()
    _, events = launch(write_spec(tmp_path), runs_dir, detach=True)
    (said,) = (event.text for event in events if isinstance(event, Message))
    assert said.startswith("submitted as job ")


def test_of_two_same_commands_the_second_waits_and_finds_the_jobs_of_the_first(
    tmp_path, runs_dir, monkeypatch
):
    path, submit = write_spec(tmp_path, steps=300), submitit.AutoExecutor.map_array
    is_submitting, may_go_on = threading.Event(), threading.Event()

    def slowly(executor, function, work):
        if is_submitting.is_set():
            may_go_on.set()  # the second one has not waited
        is_submitting.set()
        assert may_go_on.wait(60)
        return submit(executor, function, work)

    monkeypatch.setattr(submitit.AutoExecutor, "map_array", slowly)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(launch, path, runs_dir, detach=True)
        assert is_submitting.wait(60)
        _, events = launch(path, runs_dir, detach=True, say=lambda _: may_go_on.set())
        first.result()
    assert len(submissions(runs_dir)) == 1
    assert [event.text.partition(",")[0].partition(" as job")[0] for event in events
            if isinstance(event, Message)] == [
        "another command submits jobs from here", "submitted before"]


def test_a_command_that_submits_for_ever_is_named(tmp_path, runs_dir, monkeypatch):
    monkeypatch.setattr(slurm_records, "_PATIENCE_SECONDS", 0.1)
    folder = runs_dir / LocalQueue.folder
    folder.mkdir(parents=True)
    with lock.hold(folder / ".lock"), pytest.raises(RunBusyError, match=f"pid {os.getpid()} on"):
        launch(write_spec(tmp_path), runs_dir)
    assert not submissions(runs_dir)


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


def test_a_job_whose_process_is_used_up_begins_no_other_run(tmp_path, monkeypatch, capsys):
    monkeypatch.undo()  # the real `train`
    too_large = StopReason("memory_limit", message="holds too much")
    monkeypatch.setattr("erlctl.runs.execute.execute", lambda *_, **__: Outcome(
        "failed", 5, "holds too much", too_large))
    monkeypatch.setattr(slurm_job, "worker_environment", lambda *_: {})
    monkeypatch.setattr(slurm_job.signal, "signal", lambda *_: None)
    run = spec.load(write_spec(tmp_path)).runs[0]
    job = {"label": label_of(run), "run": spec.dump(run), "runs_dir": str(tmp_path)}
    assert slurm_job.train(slurm_job.Work(jobs=[job, job], cores=1)) == ["failed"]
    assert capsys.readouterr().err.endswith("used this process up; the same line submits it\n")
