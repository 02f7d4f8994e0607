"""The pool with fake workers: real processes and pipes, no TensorFlow."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from erlctl.events import Assigned, Stopping, Tick
from erlctl.launch import machine
from erlctl.launch import pool as pool_module
from erlctl.launch.process import worker_environment
from erlctl.runs import lock
from erlctl.runs.layout import RunPaths, read_run_json
from tests.launch.specs import TWO_PROGRAMS, start_fake


def statuses(result):
    return [entry.status for entry in result.results]


def test_five_runs_on_two_workers_all_complete(make_batch):
    batch = make_batch(seeds=5)
    result = batch.train(jobs=2)
    assert statuses(result) == ["complete"] * 5
    assert [entry.outcome.step for entry in result.results] == [20] * 5
    assert result.exit_code == 0
    pids = {event.pid for event in batch.events if isinstance(event, Assigned)}
    assert len(pids) == 2


def test_each_program_is_compiled_once(make_batch, tmp_path):
    make_batch(seeds=3, sweep=TWO_PROGRAMS).train(jobs=2)
    assert len((tmp_path / "compilations").read_text().splitlines()) == 2


def test_a_sweep_over_numbers_is_one_program(make_batch, tmp_path):
    sweep = "sweep: {agent.gamma: [0.5, 0.9, 0.99], optimizer.learning_rate: [0.1, 0.2]}"
    make_batch(seeds=2, sweep=sweep).train(jobs=1)
    assert len((tmp_path / "compilations").read_text().splitlines()) == 1


def test_results_stand_in_the_order_asked_for(make_batch):
    batch = make_batch(seeds=3, sweep=TWO_PROGRAMS)
    labels = [f"{run.name}/{run.variant}/seed-{run.seed}" for run in batch.runs]
    assert [entry.label for entry in batch.train().results] == labels


@pytest.mark.parametrize(
    ("trouble", "status", "word", "code"),
    [
        ("raise", "failed", "RuntimeError: the environment broke", 3),
        ("exit", "failed", "the environment gave up", 3),
        ("diverge", "diverged", "not finite", 4),
        ("kill", "failed", "killed by SIGKILL (out of memory?)", 3),
        ("fork", "failed", "killed by SIGKILL (out of memory?)", 3),
        ("stuck", "failed", "CartPole-v1 (step 3, action 1) has not come back after 60 s", 3),
    ],
)
def test_one_bad_run_does_not_stop_the_others(
    make_batch, monkeypatch, trouble, status, word, code
):
    monkeypatch.setenv("FAKE_TROUBLE", f"1:{trouble}")
    result = make_batch(seeds=4).train(jobs=2)
    assert statuses(result) == ["complete", status, "complete", "complete"]
    assert word in result.results[1].outcome.message
    assert "\n" not in result.results[1].outcome.message
    assert result.exit_code == code


def test_a_killed_worker_leaves_a_failed_run_that_can_be_resumed(make_batch, monkeypatch):
    monkeypatch.setenv("FAKE_TROUBLE", "0:once-kill")
    batch = make_batch(seeds=1)
    assert batch.train().exit_code == 3
    facts = json.loads((Path(batch.train().results[0].root) / "run.json").read_text())
    assert facts["status"] == "complete"


def test_f18_a_leaking_run_fails_alone_and_the_others_get_a_fresh_worker(make_batch, monkeypatch):
    monkeypatch.setenv("FAKE_TROUBLE", "1:leak")
    batch = make_batch(seeds=4)
    result = batch.train(jobs=1, max_memory=0.29)
    assert statuses(result) == ["complete", "failed", "complete", "complete"]
    assert "more than --max-memory 0.29" in result.results[1].outcome.message
    pids = [event.pid for event in batch.events if isinstance(event, Assigned)]
    assert pids[0] == pids[1] != pids[2] == pids[3]


def test_complete_runs_are_skipped_without_a_worker(make_batch):
    batch = make_batch(seeds=2)
    batch.train()
    batch.events.clear()
    result = batch.train()
    assert statuses(result) == ["skipped", "skipped"]
    assert result.exit_code == 0
    assert not any(isinstance(event, Assigned) for event in batch.events)


def test_printing_environments_do_not_disturb_the_protocol(make_batch, monkeypatch):
    monkeypatch.setenv("FAKE_TROUBLE", "0:print 1:print")
    assert make_batch(seeds=2).train().exit_code == 0


def test_fail_fast_stops_the_rest(make_batch, monkeypatch):
    monkeypatch.setenv("FAKE_TROUBLE", "0:raise")
    result = make_batch(seeds=4, steps=200).train(jobs=2, fail_fast=True)
    assert statuses(result) == ["failed", "interrupted", "pending", "pending"]
    assert result.exit_code == 3


def test_the_time_budget_ends_with_checkpoints_and_75(make_batch):
    batch = make_batch(seeds=3, steps=1000)
    result = batch.train(jobs=2, max_seconds=3.0)
    assert statuses(result) == ["interrupted", "interrupted", "pending"]
    assert result.exit_code == 75
    assert 0 < result.results[0].outcome.step < 1000
    (stopping,) = [event for event in batch.events if isinstance(event, Stopping)]
    assert stopping.reason.cause == "time_budget"
    assert stopping.reason.signum is None


def test_a_worker_that_does_not_answer_is_killed_after_the_grace(make_batch, monkeypatch):
    monkeypatch.setattr(pool_module, "STOP_GRACE_SECONDS", 0.5)
    monkeypatch.setenv("FAKE_TROUBLE", "0:deaf")
    started = time.monotonic()
    result = make_batch(seeds=1).train(max_seconds=1.0)
    assert statuses(result) == ["interrupted"]
    assert time.monotonic() - started < 20


def test_a_display_that_fails_leaves_runs_that_can_be_resumed(make_batch):
    batch = make_batch(seeds=2, steps=1000)

    begun = set()

    def fail(event):
        if isinstance(event, Tick):
            begun.add(event.run)
        if len(begun) == 2:
            raise ZeroDivisionError("of the display")

    with pytest.raises(ZeroDivisionError, match="of the display"):
        batch.train(jobs=2, on_event=fail)
    for run in batch.runs:
        paths = RunPaths.of(batch.runs_dir, run)
        assert read_run_json(paths)["status"] == "interrupted"
        assert not lock.is_held(paths.lock)


def test_an_import_that_fails_is_not_tried_once_per_run(make_batch, monkeypatch):
    monkeypatch.setenv("FAKE_TROUBLE", "import")
    batch = make_batch(seeds=4)
    result = batch.train(jobs=1)
    assert statuses(result) == ["failed"] * 4
    assert "ImportError: no tensorflow here" in result.results[3].outcome.message
    assert len([event for event in batch.events if isinstance(event, Assigned)]) == 1


def test_a_signal_to_a_worker_stops_the_batch(make_batch):
    batch = make_batch(seeds=2, steps=1000)

    def signal_the_worker(event):
        batch.events.append(event)
        if isinstance(event, Tick) and event.step > 5:
            pid = next(e.pid for e in batch.events if isinstance(e, Assigned))
            os.kill(pid, 15)

    result = batch.train(jobs=1, on_event=signal_the_worker)
    assert statuses(result) == ["interrupted", "pending"]
    assert result.exit_code == 143


def test_no_worker_is_left_when_the_display_fails(make_batch):
    batch = make_batch(seeds=2, steps=1000)
    pids = []

    def break_down(event):
        if isinstance(event, Assigned):
            pids.append(event.pid)
        if isinstance(event, Tick):
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        batch.train(on_event=break_down)
    assert pids
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


@pytest.mark.parametrize(("jobs", "seeds", "cores"), [(1, 3, 6), (4, 3, 2), (4, 4, 1), (8, 7, 0)])
def test_workers_share_the_cores(make_batch, monkeypatch, jobs, seeds, cores):
    given = []

    def start(cores):
        given.append(cores)
        return start_fake(cores)

    monkeypatch.setattr(machine, "usable_cores", lambda: 6)
    batch = make_batch(seeds=seeds, steps=2)
    assert batch.train(jobs=jobs, start_worker=start).exit_code == 0
    assert given == [cores] * min(jobs, seeds)


@pytest.mark.parametrize(("cores", "beside"), [(0, "1"), (1, "1"), (2, "2"), (64, "4")])
def test_each_operation_has_one_thread_and_as_many_run_beside_each_other_as_there_are_cores(
    cores, beside
):
    environment = worker_environment(cores)
    assert environment["TF_NUM_INTEROP_THREADS"] == beside
    assert environment["TF_NUM_INTRAOP_THREADS"] == environment["OMP_NUM_THREADS"] == "1"
