"""A worker between two runs: what it keeps, what it drops, what it tells."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from erlctl import spec
from erlctl.launch.worker import StopRequest, Worker
from tests.launch.fakes import Outcome


@pytest.fixture
def tasks(make_spec, tmp_path):
    """Return tasks of two seeds that share a program."""
    runs = spec.load(make_spec(seeds=2)).runs
    return [{"index": index, "run": spec.dump(run), "runs_dir": str(tmp_path), "fresh": False,
             "max_memory": None, "command": []} for index, run in enumerate(runs)]


def work(tasks, outcomes):
    """Let one worker do `tasks`, each with an outcome or an error; return (programs made, said)."""
    made, said = [], []
    ends = iter(outcomes)

    def execute(run, runs_dir, *, program_for, **kwargs):
        program_for(run)
        end = next(ends)
        if isinstance(end, BaseException):
            raise end
        return end

    def factory(run):
        made.append(run.seed)
        return SimpleNamespace(start=lambda seed: None)

    worker = Worker(execute, factory, said.append, StopRequest())
    for task in tasks:
        worker.train(task)
    return made, [message for message in said if message["event"] == "end"]


def test_the_next_seed_runs_the_same_program(tasks):
    made, said = work(tasks, [Outcome("complete", 9), Outcome("diverged", 9)])
    assert made == [0]
    assert [message["status"] for message in said] == ["complete", "diverged"]


@pytest.mark.parametrize("end", [
    Outcome("failed", 3, "the pole fell off"), RuntimeError("x"), SystemExit(3)])
def test_a_program_that_failed_in_the_middle_is_not_used_again(tasks, end, capsys):
    made, said = work(tasks, [end, Outcome("complete", 9)])
    assert made == [0, 1]
    assert [message["status"] for message in said] == ["failed", "complete"]
    capsys.readouterr()  # the traceback that went to stderr


def test_f18_a_run_above_its_memory_limit_fails_and_its_worker_says_that_it_is_spent(tasks, capsys):
    said = []

    def execute(run, runs_dir, *, should_stop, **kwargs):
        return Outcome("complete", 9) if should_stop() is None else Outcome("interrupted", 0)

    worker = Worker(execute, lambda run: None, said.append, StopRequest())
    worker.train(tasks[0] | {"max_memory": 1000.0})
    worker.train(tasks[1] | {"max_memory": 1e-3})
    assert [(end["status"], end["is_spent"]) for end in said] == [
        ("complete", False), ("failed", True)]
    assert "more than --max-memory 0.001" in said[1]["reason"]
    capsys.readouterr()  # the traceback that went to stderr
