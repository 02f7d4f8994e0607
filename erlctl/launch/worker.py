"""A worker process: takes runs, trains them one after another, compiles each program once.

Started by the pool as `python -m erlctl.launch.worker`, in a session of its own, so that the
terminal's Ctrl-C reaches the parent alone. One JSON object a line:

    stdin    {"run", "runs_dir", ...}   train this run, see `launch.job.Job`
             {"stop": {...}}            checkpoint and end, see `events.StopReason`
             {"quit": true}             end after the current run
    stdout   {"event": ..., ...}        see `events.to_json`

The end of stdin means that the parent is gone, even by SIGKILL: the worker checkpoints and ends.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO, NoReturn

from erlctl import compiled_cache, events, registry, spec
from erlctl.callbacks.base import RunInfo
from erlctl.callbacks.calls import Calls
from erlctl.callbacks.reference import Reference, make
from erlctl.environments.host import watch
from erlctl.environments.host.orphans import signal_when_the_parent_dies
from erlctl.errors import sentence
from erlctl.events import (
    Compiled,
    Compiling,
    Ended,
    Event,
    OnEvent,
    Outcome,
    Ready,
    StopReason,
    Tick,
)
from erlctl.launch import memory
from erlctl.launch.job import Job
from erlctl.launch.listen import heard_signals
from erlctl.launch.results import status_of_error
from erlctl.runs import lock
from erlctl.runs.layout import RunPaths, label_of
from erlctl.runs.programs import ProgramCache
from erlctl.spec.schema import RunSpec
from erlctl.tensorflow_setup import selected_device

TICK_SECONDS = 0.2  # the display refreshes no faster; a tick per chunk would flood the pipe
ORPHAN_GRACE_SECONDS = 60.0  # a step of an environment may hang; nobody is left to kill us


class StopRequest:
    """Why the process is to stop: set once by a signal, a message or the parent's death.

    Attributes:
        reason: None while nobody wants a stop.
    """

    def __init__(self) -> None:
        self.reason: StopReason | None = None

    def set(self, reason: StopReason) -> None:
        """Ask to stop; the first reason stays."""
        if self.reason is None:
            self.reason = reason

    def on_signal(self, signum: int, frame: FrameType | None) -> None:
        """Signal handler: only notes it; the training loop asks between chunks."""
        del frame
        self.set(StopReason("signal", signum))


class Worker:
    """Trains runs one after another in this process; any launcher's process may hold one.

    It is made before TensorFlow is imported, which reads then where compiled programs are kept.

    Args:
        execute: `erlctl.runs.execute.execute` or a fake of the same signature.
        program_factory: `erlctl.training.factory.make_program` or a fake.
        emit: Takes the events of the runs, ticks at most every `TICK_SECONDS`.
        stop: Why to stop, once there is a reason.
    """

    def __init__(
        self, execute: Callable[..., Outcome], program_factory: Callable[[RunSpec], Any],
        emit: OnEvent, stop: StopRequest,
    ) -> None:
        self._execute = execute
        self._emit = emit
        self._stop = stop
        self._programs = ProgramCache(program_factory)
        # A GPU's programs were never tried with it.
        self._compiled = compiled_cache.enable() if selected_device() == "cpu" else None
        self._last_tick = -TICK_SECONDS

    def train(self, job: Job) -> Ended:
        """Train a run; return how it ended, never raise for what it does."""
        started = time.monotonic()
        try:
            outcome = self._train(job, started + job.patience_seconds)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a run's failure, not the worker's
            outcome = _failure(error)
        if self._compiled is not None:
            self._compiled.seal()
            outcome = replace(outcome, message=self._compiled.explained(outcome.message))
        is_spent = outcome.stop is not None and outcome.stop.cause == "memory_limit"
        if is_spent or outcome.status not in ("complete", "skipped", "interrupted", "diverged"):
            self._programs.drop()
        # A process that is too large stays so: the next run needs another.
        return Ended(job.label, outcome, time.monotonic() - started, is_spent)

    def _train(self, job: Job, patient_until: float) -> Outcome:
        registry.load_files(job.files)
        run = spec.parse_run(job.run.encode(), "the parent's task")
        runs_dir = Path(job.runs_dir)
        paths = RunPaths.of(runs_dir, run)
        calls = Calls([make(Reference(**each)) for each in job.callbacks], RunInfo(run, paths))

        def on_event(event: Event) -> None:
            self._report(event)
            calls.on_event(event)

        self._wait_for(paths.lock, patient_until)
        try:
            outcome = self._execute(
                run, runs_dir, program_for=self._program_for, fresh=job.fresh,
                should_stop=lambda: (
                    memory.exceeded(job.max_memory) or calls.stop or self._stop.reason),
                on_event=on_event, command=job.command,
            )
        except (Exception, SystemExit) as error:  # noqa: BLE001 - as in `train`, told to callbacks
            outcome = _failure(error)
        return calls.end(outcome)

    def close(self) -> None:
        """End the environments of the program that is held."""
        self._programs.close()

    def _wait_for(self, path: Path, deadline: float) -> None:
        """Wait until nobody holds the lock; who still does at the deadline makes the run busy."""
        while self._stop.reason is None and time.monotonic() < deadline and lock.is_held(path):
            time.sleep(TICK_SECONDS)

    def _program_for(self, run: RunSpec) -> Any:
        """Return the run's program at step 0; a run of the last one's kind compiles nothing."""
        if not self._programs.has(run) and run.agent.base != "planner":
            self._emit(Compiling(label_of(run)))
            started = time.monotonic()
            self._programs.get(run)
            self._emit(Compiled(label_of(run), time.monotonic() - started))
        program = self._programs.get(run)
        program.start(run)
        return program

    def _report(self, event: Event) -> None:
        if isinstance(event, Tick):
            now = time.monotonic()
            if now - self._last_tick < TICK_SECONDS:
                return
            self._last_tick = now
        self._emit(event)


def _failure(error: BaseException) -> Outcome:
    traceback.print_exc()
    return Outcome(status_of_error(error), 0, sentence(error))


def serve(
    load: Callable[[], tuple[Callable[..., Any], Callable[[RunSpec], Any]]] | None = None,
) -> None:
    """Be a worker until the parent says so or is gone.

    Args:
        load: Returns (execute, program factory); by default the real ones, which import TensorFlow
            for the first run that needs it. Called after the worker listens: it takes a second.
    """
    lock.declare_parent(os.getppid())
    watch.adopt()
    tasks_file, emit = _take_over_pipes()
    stop = StopRequest()
    for number in heard_signals():
        signal.signal(number, stop.on_signal)
    signal_when_the_parent_dies(signal.SIGHUP)
    tasks: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(tasks_file, tasks, stop), daemon=True).start()
    # Importing and tracing make a million objects that stay; looking through them took 0.4 s.
    gc.set_threshold(100_000, 50, 100)
    execute, program_factory = (load or _load)()
    worker = Worker(execute, program_factory, emit, stop)
    emit(Ready())
    while stop.reason is None:
        job = tasks.get()
        if job is None:
            break
        emit(worker.train(job))
    worker.close()


def _load() -> tuple[Callable[..., Any], Callable[[RunSpec], Any]]:
    from erlctl.runs.execute import execute
    from erlctl.training.factory import make_program

    return execute, make_program


def _take_over_pipes() -> tuple[BinaryIO, OnEvent]:
    """Return the pipes to the parent; what environments print or read cannot touch them."""
    tasks = os.fdopen(os.dup(0), "rb")
    events_fd = os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)

    def emit(event: Event) -> None:
        line = json.dumps(events.to_json(event), default=float).encode() + b"\n"  # NumPy's numbers
        with contextlib.suppress(BrokenPipeError):  # the parent is gone; stdin says so as well
            while line:
                line = line[os.write(events_fd, line):]

    return tasks, emit


def _read(
    file: BinaryIO, tasks: queue.SimpleQueue[Job | None], stop: StopRequest
) -> None:
    """Thread: sort what the parent says into tasks and stop requests."""
    for message in _messages(file):
        if "stop" in message:
            stop.set(StopReason(**message["stop"]))
            tasks.put(None)
        elif "quit" in message:
            tasks.put(None)
            return
        else:
            tasks.put(Job(**message))
    stop.set(StopReason("signal", signal.SIGHUP))
    tasks.put(None)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)  # the parent held the other ends: printing would fail from now on
    os.dup2(nothing, 2)
    time.sleep(ORPHAN_GRACE_SECONDS)
    os._exit(1)


def _messages(file: BinaryIO) -> Iterator[dict[str, Any]]:
    for line in file:
        if not line.endswith(b"\n"):
            return  # the parent died in the middle of a line
        yield json.loads(line)


def _leave() -> NoReturn:
    """End the process without taking TensorFlow apart, which would take a second."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    serve()
    _leave()
