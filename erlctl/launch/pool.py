"""Train many runs in worker processes: hand out, listen, survive their deaths, stop cleanly."""

from __future__ import annotations

import selectors
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from erlctl import spec
from erlctl.events import (
    Assigned,
    Ended,
    Evaluated,
    Leaving,
    Message,
    OnEvent,
    Outcome,
    Ready,
    Refresh,
    Saved,
    Sent,
    Started,
    Stopping,
    StopReason,
    Tick,
)
from erlctl.launch.launcher import Batch, Tally
from erlctl.launch.listen import Listener, listening
from erlctl.launch.process import WorkerEnd, WorkerProcess
from erlctl.launch.queue import Task, TaskQueue
from erlctl.launch.results import BatchResult

STOP_GRACE_SECONDS = 60.0  # for writing a checkpoint; then the workers are killed
# A network file system gives up the locks of a machine that died after a minute and a half.
LOST_PATIENCE_SECONDS = 120.0
_REFRESH_SECONDS = 0.25


def run_all(
    batch: Batch, on_event: OnEvent = lambda _: None, *,
    start_worker: Callable[[int], WorkerEnd] = WorkerProcess, retries: int = 0,
) -> BatchResult:
    """Train every run of the plan that is neither complete nor busy; return when all ended.

    Args:
        batch: What to do.
        on_event: Called in this process with every event.
        start_worker: Starts a worker that may use so many cores.
        retries: How often a run goes on elsewhere after the place was lost where it was.
    """
    tally = Tally(batch, on_event)
    ended_by = None
    if any(not planned.is_final for planned in batch.plan):
        with listening() as listener:
            ended_by = _Pool(batch, tally, on_event, start_worker, retries).run(listener)
    return tally.result(ended_by)


class _Pool:
    """Everything happens in one thread around one selector, so that nothing can race."""

    def __init__(
        self, batch: Batch, tally: Tally, on_event: OnEvent,
        start_worker: Callable[[int], WorkerEnd], retries: int,
    ) -> None:
        self._batch, self._tally, self._on_event = batch, tally, on_event
        self._queue = TaskQueue(
            Task(index, planned.run, spec.program_key(planned.run))
            for index, planned in enumerate(batch.plan) if not planned.is_final
        )
        self._new_worker, self._retries = start_worker, retries
        self._lost: Counter[str] = Counter()  # label -> places that were lost with the run
        self._cores = 1  # of each worker
        self._workers: list[WorkerEnd] = []
        self._selector = selectors.DefaultSelector()
        self._ended_by: StopReason | None = None
        self._stop_deadline: float | None = None
        self._cannot_start: str | None = None
        self._has_trained = False

    def run(self, listener: Listener) -> StopReason | None:
        """Work until no worker is left; return what stopped it early, or None."""
        self._selector.register(listener.fd, selectors.EVENT_READ)
        try:
            workers = min(self._batch.jobs, len(self._queue))
            self._cores = self._batch.cores_of_each(workers)
            for _ in range(workers):
                self._start_worker()
            while self._workers:
                self._wait(listener)
                self._look_at_the_clock()
                for worker in tuple(self._workers):  # one that died need not be heard of
                    worker.kill_if_hung()
                    self._listen_to(worker)
                self._on_event(Refresh())
        finally:
            self._kill_all()
            # Left only by an error here, say of the display: nothing of theirs has failed.
            for worker in self._workers:
                worker.end()
            self._selector.close()
        self._finalise_the_rest()
        return self._ended_by

    @property
    def _is_stopping(self) -> bool:
        return self._stop_deadline is not None

    def _look_at_the_clock(self) -> None:
        now, budget = time.monotonic(), self._batch.max_seconds
        if budget is not None and now > self._batch.started + budget and not self._is_stopping:
            message = "time budget used up (--max-seconds) - writing checkpoints"
            if not self._has_trained:
                message = (f"time budget used up (--max-seconds {budget:g} counts from the start "
                           "of the command) before the first step: TensorFlow's start and the "
                           "compilation took it")
            self._stop(StopReason("time_budget", message=message))
        if self._stop_deadline is not None and now > self._stop_deadline:
            self._kill_all()

    def _wait(self, listener: Listener) -> None:
        for key, _ in self._selector.select(_REFRESH_SECONDS):
            if key.fd == listener.fd:
                for signum in listener.take():
                    self._on_signal(signum)
            elif key.fd == key.data.stderr_fd and key.data.read_stderr():
                self._selector.unregister(key.fd)

    def _listen_to(self, worker: WorkerEnd) -> None:
        events, has_ended = worker.read_events()
        for event in events:
            self._on_worker_event(worker, event)
        if has_ended:
            self._reap(worker)
            if self._queue and not self._is_stopping and self._cannot_start is None:
                self._start_worker()

    def _start_worker(self) -> None:
        worker = self._new_worker(self._cores)
        self._workers.append(worker)
        for fd in _descriptors(worker):
            self._selector.register(fd, selectors.EVENT_READ, worker)
        self._give_work(worker)

    def _give_work(self, worker: WorkerEnd) -> None:
        others = [other.compiled for other in self._workers if other is not worker]
        task = self._queue.take(worker.compiled, [key for key in others if key is not None])
        if task is None:
            worker.quit()
            return
        self._tally.assigned(task.label)
        job = self._batch.job(self._batch.plan[task.index])
        if self._lost[task.label]:  # what is there is its own, and a process may still write it
            job = replace(job, fresh=False, patience_seconds=LOST_PATIENCE_SECONDS)
        worker.train(task, job)
        self._on_event(Assigned(task.label, worker.pid))

    def _on_worker_event(self, worker: WorkerEnd, event: Sent) -> None:
        match event:
            case Ready():
                worker.was_ready = True
            case Ended():
                self._on_end(worker, event)
                return
            case Started(step=step) | Tick(step=step) | Evaluated(step=step) | Saved(step=step):
                self._tally.at(event.run, step)
                worker.has_begun |= isinstance(event, Tick)
                self._has_trained |= isinstance(event, Tick)
        if worker.task is not None:
            self._on_event(event)

    def _on_end(self, worker: WorkerEnd, event: Ended) -> None:
        worker.task = None
        self._finalise(event.run, event.outcome)
        stop = event.outcome.stop
        if event.outcome.status == "interrupted" and stop and not self._is_stopping:
            self._stop(stop)  # somebody signalled the worker itself, say a scheduler
        elif event.is_spent:
            worker.quit()
        elif not self._is_stopping:
            self._give_work(worker)

    def _finalise(self, label: str, outcome: Outcome) -> None:
        result = self._tally.ended(label, outcome)
        if self._batch.fail_fast and result.is_problem and not self._is_stopping:
            message = f"{label} failed: stopping the others (--fail-fast)"
            self._on_event(Stopping(reason := StopReason("fail_fast", message=message)))
            self._stop_workers(reason)

    def _reap(self, worker: WorkerEnd) -> None:
        """Take leave of a worker that has ended; a run that it was at has ended with it."""
        self._workers.remove(worker)
        for fd in _descriptors(worker):
            if fd in self._selector.get_map():
                self._selector.unregister(fd)
        cause = worker.end()
        if worker.task is None:
            return
        label = worker.task.label
        if self._is_stopping:
            lost = "left before its checkpoint" if worker.has_begun else "stopped before it began"
            self._finalise(label, Outcome("interrupted", 0, lost))
            return
        if worker.is_lost and self._lost[label] < self._retries:
            self._lost[label] += 1
            self._on_event(Message(label, f"{cause}; goes on elsewhere from its last checkpoint"))
            self._queue.put_back(worker.task)
            return
        if not worker.was_ready:
            cause += " (`erlctl doctor` may say why)"
            self._cannot_start = cause
        self._batch.plan[worker.task.index].mark_failed(cause)
        self._finalise(label, Outcome("failed", 0, cause))

    def _finalise_the_rest(self) -> None:
        for task in self._queue.drain():
            if self._cannot_start is not None and not self._is_stopping:
                message = f"no worker could be started: {self._cannot_start}"
                self._finalise(task.label, Outcome("failed", 0, message))
            else:
                self._finalise(task.label, Outcome("pending", 0, "not started"))

    def _on_signal(self, signum: int) -> None:
        if not self._is_stopping:
            self._stop(StopReason("signal", signum))
        elif signum == signal.SIGINT:
            self._on_event(Leaving())
            self._ended_by = StopReason("signal", signum)
            self._kill_all()

    def _stop(self, reason: StopReason) -> None:
        """Stop for a signal or for the time budget."""
        self._ended_by = reason
        self._on_event(Stopping(reason))
        self._stop_workers(reason)

    def _stop_workers(self, reason: StopReason) -> None:
        self._stop_deadline = time.monotonic() + STOP_GRACE_SECONDS
        for worker in self._workers:
            if worker.has_begun or worker.task is None:
                worker.stop(reason)
            else:
                worker.kill()

    def _kill_all(self) -> None:
        for worker in self._workers:
            worker.kill()


def _descriptors(worker: WorkerEnd) -> list[int]:
    return [fd for fd in (worker.events_fd, worker.stderr_fd) if fd is not None]
