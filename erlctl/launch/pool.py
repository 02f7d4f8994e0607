"""Train many runs in worker processes: hand out, listen, survive their deaths, stop cleanly."""

from __future__ import annotations

import selectors
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from erlctl import spec
from erlctl.errors import Interrupted
from erlctl.launch import machine
from erlctl.launch.listen import Listener, listening
from erlctl.launch.plan import Planned
from erlctl.launch.process import WORKER_COMMAND, WorkerProcess
from erlctl.launch.queue import Task, TaskQueue
from erlctl.launch.results import BatchResult, RunResult

Event = Mapping[str, Any]
OnEvent = Callable[[Event], None]
STOP_GRACE_SECONDS = 60.0  # for writing a checkpoint; then the workers are killed
TIME_BUDGET = 0  # stands where a signal number would
_REFRESH_SECONDS = 0.25


def run_all(
    plan: Sequence[Planned], *, runs_dir: Path, jobs: int, fresh: bool = False,
    fail_fast: bool = False, on_event: OnEvent = lambda _: None,
    max_seconds: float | None = None, max_memory: float | None = None,
    command: Sequence[str] = (),
    worker_command: Sequence[str] = WORKER_COMMAND,
) -> BatchResult:
    """Train every run of `plan` that is neither complete nor busy, and return when all ended.

    Args:
        plan: What is to be done, from `launch.plan.plan_runs`.
        runs_dir: Where the run directories lie.
        jobs: Worker processes at most.
        fresh: Whether existing run directories are moved aside first.
        fail_fast: Whether the first failed or diverged run stops the others.
        on_event: Called in this process with every event: "event" names it, "run" is the label.
        max_seconds: Time budget; at its end every run checkpoints and the batch ends with 75.
        max_memory: Gigabytes that one run may hold; beyond, it checkpoints and fails.
        command: The command line, recorded in run.json.
        worker_command: How a worker is started.

    Returns:
        One result per entry of `plan`, in its order.
    """
    results = {
        index: planned.settled_result() for index, planned in enumerate(plan) if planned.is_settled
    }
    tasks = [
        Task(index, planned.run, spec.program_key(planned.run))
        for index, planned in enumerate(plan) if not planned.is_settled
    ]
    for result in results.values():
        on_event({"event": "end", "run": result.label, "result": result})
    ended_by = None
    if tasks:
        request = {"runs_dir": str(Path(runs_dir).absolute()), "fresh": fresh,
                   "max_memory": max_memory, "command": list(command)}
        with listening() as listener:
            pool = _Pool(plan, tasks, request, on_event, worker_command, fail_fast=fail_fast)
            ended_by = pool.run(listener, jobs, max_seconds)
        results.update(pool.results)
    return BatchResult(results=[results[index] for index in range(len(plan))], ended_by=ended_by)


class _Pool:
    """Everything happens in one thread around one selector, so that nothing can race."""

    def __init__(
        self, plan: Sequence[Planned], tasks: Sequence[Task], request: Mapping[str, Any],
        on_event: OnEvent, worker_command: Sequence[str], *, fail_fast: bool,
    ) -> None:
        self.results: dict[int, RunResult] = {}
        self._plan = plan
        self._queue = TaskQueue(tasks)
        self._request = request
        self._on_event = on_event
        self._worker_command = worker_command
        self._fail_fast = fail_fast
        self._cores = 1  # of each worker
        self._workers: list[WorkerProcess] = []
        self._selector = selectors.DefaultSelector()
        self._steps: dict[int, int] = {}
        self._started: dict[int, float] = {}
        self._ended_by: int | None = None
        self._stop_deadline: float | None = None
        self._cannot_start: str | None = None

    def run(self, listener: Listener, jobs: int, max_seconds: float | None) -> int | None:
        """Work until no worker is left; return the exit code of what stopped it early, or None."""
        budget_ends = time.monotonic() + max_seconds if max_seconds is not None else None
        self._selector.register(listener.fd, selectors.EVENT_READ)
        try:
            workers = min(jobs, len(self._queue))
            self._cores = machine.usable_cores() // workers
            for _ in range(workers):
                self._start_worker()
            while self._workers:
                self._wait(listener)
                now = time.monotonic()
                if budget_ends is not None and now > budget_ends and not self._is_stopping:
                    self._stop(TIME_BUDGET)
                if self._stop_deadline is not None and now > self._stop_deadline:
                    self._kill_all()
                for worker in self._workers:
                    worker.kill_if_hung()
                self._on_event({"event": "refresh"})
        finally:
            self._kill_all()
            while self._workers:
                self._bury(self._workers[0])
            self._selector.close()
        self._settle_the_rest()
        return self._ended_by

    @property
    def _is_stopping(self) -> bool:
        return self._stop_deadline is not None

    def _wait(self, listener: Listener) -> None:
        for key, _ in self._selector.select(_REFRESH_SECONDS):
            if key.fd == listener.fd:
                for signum in listener.take():
                    self._on_signal(signum)
            elif key.data in self._workers:  # else it was buried by an event before this one
                self._listen_to(key.data, key.fd)

    def _listen_to(self, worker: WorkerProcess, fd: int) -> None:
        if fd == worker.stderr_fd:
            if worker.read_stderr():
                self._selector.unregister(fd)
            return
        events, has_ended = worker.read_events()
        for event in events:
            self._on_worker_event(worker, event)
        if has_ended:
            self._bury(worker)
            if self._queue and not self._is_stopping and self._cannot_start is None:
                self._start_worker()

    def _start_worker(self) -> None:
        worker = WorkerProcess(self._worker_command, self._cores)
        self._workers.append(worker)
        self._selector.register(worker.events_fd, selectors.EVENT_READ, worker)
        self._selector.register(worker.stderr_fd, selectors.EVENT_READ, worker)
        self._give_work(worker)

    def _give_work(self, worker: WorkerProcess) -> None:
        others = [other.compiled for other in self._workers if other is not worker]
        task = self._queue.take(worker.compiled, [key for key in others if key is not None])
        if task is None:
            worker.quit()
            return
        self._started[task.index] = time.monotonic()
        worker.train(task, {"index": task.index, "run": spec.dump(task.run), **self._request})
        self._on_event({"event": "assigned", "run": task.label, "pid": worker.pid})

    def _on_worker_event(self, worker: WorkerProcess, event: dict[str, Any]) -> None:
        kind, task = event["event"], worker.task
        worker.was_ready |= kind == "ready"
        worker.has_begun |= kind == "tick"
        if task is None:
            return
        if "step" in event:
            self._steps[task.index] = event["step"]
        if kind != "end":
            self._on_event({**event, "run": task.label})
            return
        worker.task = None
        self._settle(task, event["status"], event["reason"], event.get("signum"))
        if event["status"] == "interrupted" and not self._is_stopping:
            self._stop(event["signum"])  # somebody signalled the worker itself, say a scheduler
        elif event["is_spent"]:
            worker.quit()
        elif not self._is_stopping:
            self._give_work(worker)

    def _settle(
        self, task: Task, status: str, reason: str = "", signum: int | None = None
    ) -> None:
        started = self._started.get(task.index)
        planned = self._plan[task.index]
        result = RunResult(
            label=task.label, root=str(planned.paths.root), status=status, reason=reason,
            step=self._steps.get(task.index, planned.step), signum=signum,
            total_steps=task.run.training.steps,
            seconds=time.monotonic() - started if started is not None else 0.0,
        )
        self.results[task.index] = result
        self._on_event({"event": "end", "run": task.label, "result": result})
        if self._fail_fast and result.is_problem and not self._is_stopping:
            self._on_event({"event": "fail_fast", "failed": task.label})
            self._stop_workers(signal.SIGTERM)

    def _bury(self, worker: WorkerProcess) -> None:
        """Take leave of a worker that has ended; a run that it was at has ended with it."""
        self._workers.remove(worker)
        for fd in (worker.events_fd, worker.stderr_fd):
            if fd in self._selector.get_map():
                self._selector.unregister(fd)
        cause = worker.end()
        if worker.task is None:
            return
        if self._is_stopping:
            reason = "left before its checkpoint" if worker.has_begun else "stopped before it began"
            self._settle(worker.task, "interrupted", reason)
            return
        if not worker.was_ready:
            cause += " (`erlctl doctor` may say why)"
            self._cannot_start = cause
        self._plan[worker.task.index].mark_failed(cause)
        self._settle(worker.task, "failed", cause)

    def _settle_the_rest(self) -> None:
        for task in self._queue.drain():
            if self._cannot_start is not None and not self._is_stopping:
                self._settle(task, "failed", f"no worker could be started: {self._cannot_start}")
            else:
                self._settle(task, "pending", "not started")

    def _on_signal(self, signum: int) -> None:
        if not self._is_stopping:
            self._stop(signum)
        elif signum == signal.SIGINT:
            self._on_event({"event": "leaving"})
            self._ended_by = Interrupted(signum, "").exit_code
            self._kill_all()

    def _stop(self, signum: int) -> None:
        """Stop for a signal or for the time budget."""
        self._ended_by = Interrupted(signum or None, "").exit_code
        self._on_event({"event": "stopping", "signum": signum})
        self._stop_workers(signum)

    def _stop_workers(self, signum: int) -> None:
        self._stop_deadline = time.monotonic() + STOP_GRACE_SECONDS
        for worker in self._workers:
            if worker.has_begun or worker.task is None:
                worker.stop(signum)
            else:
                worker.kill()

    def _kill_all(self) -> None:
        for worker in self._workers:
            worker.kill()
