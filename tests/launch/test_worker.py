"""A worker between two runs: what it keeps, what it drops, what it tells."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from erlctl import spec
from erlctl.events import Outcome
from erlctl.launch.job import Job
from erlctl.launch.worker import StopRequest, Worker
from erlctl.runs.layout import label_of


@pytest.fixture
def jobs(make_spec, tmp_path):
    """Return jobs of two seeds that share a program."""
    runs = spec.load(make_spec(seeds=2)).runs
    return [Job(label=label_of(run), run=spec.dump(run), runs_dir=str(tmp_path)) for run in runs]


def work(jobs, outcomes):
    """Let one worker do `jobs`, each with an outcome or an error.

    Returns:
        Seeds that programs were made for, seeds whose programs were closed, ends.
    """
    made, closed = [], []
    ends = iter(outcomes)

    def execute(run, runs_dir, *, program_for, **kwargs):
        program_for(run)
        end = next(ends)
        if isinstance(end, BaseException):
            raise end
        return end

    def factory(run):
        made.append(run.seed)
        return SimpleNamespace(fits=lambda run: True, start=lambda run: None,
                               close=lambda: closed.append(run.seed))

    worker = Worker(execute, factory, lambda event: None, StopRequest())
    return made, closed, [worker.train(job) for job in jobs]


def test_the_next_seed_runs_the_same_program(jobs):
    made, closed, ends = work(jobs, [Outcome("complete", 9), Outcome("diverged", 9)])
    assert (made, closed) == ([0], [])
    assert [(end.run, end.outcome.status) for end in ends] == [
        ("demo/dqn/seed-0", "complete"), ("demo/dqn/seed-1", "diverged")]


@pytest.mark.parametrize("end", [
    Outcome("failed", 3, "the pole fell off"), RuntimeError("x"), SystemExit(3)])
def test_a_program_that_failed_in_the_middle_is_closed_and_not_used_again(jobs, end, capsys):
    made, closed, ends = work(jobs, [end, Outcome("complete", 9)])
    assert (made, closed) == ([0, 1], [0])
    assert [end.outcome.status for end in ends] == ["failed", "complete"]
    capsys.readouterr()  # the traceback that went to stderr


def test_a_file_or_a_spec_that_cannot_be_read_fails_its_run_alone(jobs, tmp_path, capsys):
    broken = tmp_path / "mine.py"
    broken.write_text("import a_package_of_another_machine\n")
    unknown = jobs[0].run.replace("algorithm: dqn", "algorithm: of_another_machine")
    _, _, ends = work([replace(jobs[0], files=[str(broken)]), replace(jobs[0], run=unknown),
                       jobs[1]], [Outcome("complete", 9)])
    assert [(end.run, end.outcome.status) for end in ends] == [
        ("demo/dqn/seed-0", "failed"), ("demo/dqn/seed-0", "failed"),
        ("demo/dqn/seed-1", "complete")]
    assert f"{broken} cannot be loaded: ModuleNotFoundError" in ends[0].outcome.message
    assert "a_package_of_another_machine" in ends[0].outcome.message
    assert "'of_another_machine'" in ends[1].outcome.message
    capsys.readouterr()


def test_f18_a_run_above_its_memory_limit_fails_and_its_worker_says_that_it_is_spent(jobs):
    def execute(run, runs_dir, *, should_stop, **kwargs):
        stop = should_stop()
        return Outcome("failed" if stop else "complete", 9, stop.message if stop else "", stop)

    worker = Worker(execute, lambda run: None, lambda event: None, StopRequest())
    ends = [worker.train(replace(jobs[0], max_memory=1000.0)),
            worker.train(replace(jobs[1], max_memory=1e-3))]
    assert [(end.outcome.status, end.is_spent) for end in ends] == [
        ("complete", False), ("failed", True)]
    assert "more than --max-memory 0.001" in ends[1].outcome.message


def test_a_run_that_ends_at_the_folder_of_compiled_programs_says_what_helps(
    jobs, tmp_path, monkeypatch
):
    monkeypatch.setenv("ERLCTL_XLA_CACHE", str(tmp_path / "programs"))
    monkeypatch.setenv("TF_XLA_FLAGS", "")
    full = f"{tmp_path}/programs/{{}}/x.tmp; No space left on device"

    def execute(run, runs_dir, **kwargs):
        del run, runs_dir, kwargs
        (folder,) = (tmp_path / "programs").iterdir()
        raise OSError(full.format(folder.name))

    worker = Worker(execute, lambda run: None, lambda event: None, StopRequest())
    assert worker.train(jobs[0]).outcome.message.endswith("make room, or ERLCTL_XLA_CACHE=off)")
