"""Which worker gets which run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from erlctl.launch.queue import Task, TaskQueue


def make_queue(keys: str) -> TaskQueue:
    run: Any = SimpleNamespace(name="n", variant="v", seed=0)
    return TaskQueue(Task(index, run, key) for index, key in enumerate(keys))


def compilations(keys: str, jobs: int) -> list[str]:
    """Return what is compiled when all runs take equally long, workers in turn."""
    queue = make_queue(keys)
    held: list[str | None] = [None] * jobs
    compiled: list[str] = []
    while queue:
        for worker in range(jobs):
            others = [key for i, key in enumerate(held) if i != worker and key is not None]
            task = queue.take(held[worker], others)
            if task is not None and task.program_key != held[worker]:
                held[worker] = task.program_key
                compiled.append(task.program_key)
    return compiled


def test_two_programs_and_two_workers_compile_once_each():
    assert sorted(compilations("aaabbb", jobs=2)) == ["a", "b"]


def test_one_worker_compiles_every_program_once():
    assert compilations("abababcc", jobs=1) == ["a", "b", "c"]


def test_no_worker_idles_while_runs_are_left():
    assert compilations("aaaaaa", jobs=3) == ["a", "a", "a"]


def test_a_free_worker_prefers_a_program_that_nobody_works_on():
    queue = make_queue("aab")
    assert queue.take(None, []).program_key == "a"
    assert queue.take(None, ["a"]).program_key == "b"


def test_help_goes_where_most_is_left():
    queue = make_queue("aabbbbb")
    assert queue.take(None, ["a", "b"]).program_key == "b"


@given(keys=st.text("abc", max_size=12), jobs=st.integers(1, 4))
def test_every_run_is_handed_out_once(keys, jobs):
    queue = make_queue(keys)
    taken = []
    while (task := queue.take(None, ["a"] * (jobs - 1))) is not None:
        taken.append(task.index)
    assert sorted(taken) == list(range(len(keys)))
    assert len(queue) == 0


def test_drain_returns_the_rest_in_the_order_asked_for():
    queue = make_queue("abab")
    queue.take("b", [])
    assert [task.index for task in queue.drain()] == [0, 2, 3]
    assert not queue
