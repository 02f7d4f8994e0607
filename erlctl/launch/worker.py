"""A worker process: takes runs, trains them one after another, compiles each program once.

Started by the pool as `python -m erlctl.launch.worker`, in a session of its own, so that the
terminal's Ctrl-C reaches the parent alone. One JSON object a line:

    stdin    {"index", "run", "runs_dir", ...}      train this run (spec as text), see `_outcome`
             {"stop": signum}                       checkpoint and end; 0: time budget
             {"quit": true}                         end after the current run
    stdout   {"event": ..., "index": ..., ...}      see `_Reporter` and `_Programs`

The end of stdin means that the parent is gone, even by SIGKILL: the worker checkpoints and ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import queue
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO

from erlctl import spec
from erlctl.environments.host import watch
from erlctl.errors import ErlctlError, MemoryLimitError
from erlctl.launch import memory
from erlctl.launch.listen import heard_signals
from erlctl.launch.results import status_of_error
from erlctl.spec.schema import RunSpec

Message = dict[str, Any]
Emit = Callable[[Message], None]
TICK_SECONDS = 0.2  # the display refreshes no faster; a tick per chunk would flood the pipe
ORPHAN_GRACE_SECONDS = 60.0  # a step of an environment may hang; nobody is left to kill us
_PR_SET_PDEATHSIG = 1


class StopRequest:
    """Why the worker is to stop: set once by a signal, a message or the parent's death.

    Attributes:
        signum: The signal, 0 for an exhausted time budget, None while nobody wants a stop.
    """

    def __init__(self) -> None:
        self.signum: int | None = None

    def set(self, signum: int) -> None:
        """Ask to stop; the first reason stays."""
        if self.signum is None:
            self.signum = signum

    def on_signal(self, signum: int, frame: FrameType | None) -> None:
        """Signal handler: only notes it; the training loop asks between chunks."""
        del frame
        self.set(signum)


class _Programs:
    """The compiled program of the last run; the next seed of it starts without compiling."""

    def __init__(self, factory: Callable[[RunSpec], Any], emit: Emit) -> None:
        self._factory = factory
        self._emit = emit
        self._key: str | None = None
        self._program: Any = None

    def __call__(self, run: RunSpec) -> Any:
        key = spec.program_key(run)
        if key != self._key:
            self.forget()
            self._emit({"event": "compiling"})
            started = time.monotonic()
            self._program = self._factory(run)
            self._key = key
            self._emit({"event": "compiled", "seconds": time.monotonic() - started})
        self._program.start(run.seed)
        return self._program

    def forget(self) -> None:
        """Free the program: before another is built, and after a failure in the middle of one."""
        self._key = self._program = None
        gc.collect()


class _Reporter:
    """Passes the events of the current run on, ticks at most every `TICK_SECONDS`."""

    def __init__(self, emit: Emit, index: int) -> None:
        self._emit = emit
        self._index = index
        self._last_tick = -TICK_SECONDS

    def __call__(self, event: Mapping[str, Any]) -> None:
        if event["event"] == "tick":
            now = time.monotonic()
            if now - self._last_tick < TICK_SECONDS:
                return
            self._last_tick = now
        self._emit({**event, "index": self._index})


class Worker:
    """The loop over tasks.

    Args:
        execute: `erlctl.runs.execute.execute` or a fake of the same signature.
        program_factory: `erlctl.training.factory.make_program` or a fake.
        emit: Sends one message to the parent.
    """

    def __init__(
        self, execute: Callable[..., Any], program_factory: Callable[[RunSpec], Any], emit: Emit,
        stop: StopRequest,
    ) -> None:
        self._execute = execute
        self._emit = emit
        self._stop = stop
        self._programs = _Programs(program_factory, emit)
        self._is_spent = False

    def train(self, task: Message) -> None:
        """Train the run of `task` and report its end; never raises for what the run does."""
        started = time.monotonic()
        try:
            result = self._outcome(task)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a run's failure, not the worker's
            traceback.print_exc()
            self._programs.forget()
            result = {"status": status_of_error(error), "reason": _sentence(error)}
        seconds = time.monotonic() - started
        # A process that is too large stays so: the next run needs another.
        self._emit({"event": "end", "index": task["index"], "seconds": seconds,
                    "is_spent": self._is_spent, **result})

    def _outcome(self, task: Message) -> Message:
        def should_stop() -> int | None:
            try:
                memory.check(task["max_memory"])
            except MemoryLimitError:
                self._is_spent = True
                raise
            return self._stop.signum

        outcome = self._execute(
            spec.parse_run(task["run"].encode(), "the parent's task"),
            Path(task["runs_dir"]),
            program_for=self._programs,
            should_stop=should_stop,
            fresh=task["fresh"],
            on_event=_Reporter(self._emit, task["index"]),
            command=task["command"],
        )
        if outcome.status == "failed":
            self._programs.forget()
        return {
            "status": outcome.status, "step": outcome.step, "reason": outcome.reason or "",
            "signum": outcome.signum,
        }


def serve(
    load: Callable[[], tuple[Callable[..., Any], Callable[[RunSpec], Any]]] | None = None,
) -> None:
    """Be a worker until the parent says so or is gone.

    Args:
        load: Returns (execute, program factory); the real ones, which import TensorFlow, by
            default. Called after the worker listens, because it takes seconds.
    """
    watch.adopt()
    tasks_file, emit = _take_over_pipes()
    stop = StopRequest()
    for number in heard_signals():
        signal.signal(number, stop.on_signal)
    _ask_for_a_signal_when_the_parent_dies()
    tasks: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(tasks_file, tasks, stop), daemon=True).start()
    execute, program_factory = (load or _load)()
    worker = Worker(execute, program_factory, emit, stop)
    emit({"event": "ready"})
    while stop.signum is None:
        task = tasks.get()
        if task is None:
            return
        worker.train(task)


def _load() -> tuple[Callable[..., Any], Callable[[RunSpec], Any]]:
    from erlctl.runs.execute import execute
    from erlctl.training.factory import make_program

    return execute, make_program


def _take_over_pipes() -> tuple[BinaryIO, Emit]:
    """Return the pipes to the parent; what environments print or read cannot touch them."""
    tasks = os.fdopen(os.dup(0), "rb")
    events = os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)

    def emit(message: Message) -> None:
        line = json.dumps(message, default=float).encode() + b"\n"  # NumPy's numbers
        with contextlib.suppress(BrokenPipeError):  # the parent is gone; stdin says so as well
            while line:
                line = line[os.write(events, line):]

    return tasks, emit


def _read(
    file: BinaryIO, tasks: queue.SimpleQueue[Message | None], stop: StopRequest
) -> None:
    """Thread: sort what the parent says into tasks and stop requests."""
    for message in _messages(file):
        if "stop" in message:
            stop.set(message["stop"])
            tasks.put(None)
        elif "quit" in message:
            tasks.put(None)
            return
        else:
            tasks.put(message)
    stop.set(signal.SIGHUP)
    tasks.put(None)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)  # the parent held the other ends: printing would fail from now on
    os.dup2(nothing, 2)
    time.sleep(ORPHAN_GRACE_SECONDS)
    os._exit(1)


def _messages(file: BinaryIO) -> Iterator[Message]:
    for line in file:
        if not line.endswith(b"\n"):
            return  # the parent died in the middle of a line
        yield json.loads(line)


def _ask_for_a_signal_when_the_parent_dies() -> None:
    """Second line besides the end of stdin, which another process might keep open; Linux only."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGHUP)


def _sentence(error: BaseException) -> str:
    """Return one line for tables; the traceback is in log.txt."""
    text = str(error).strip()
    if isinstance(error, ErlctlError):
        return text
    name = type(error).__name__
    return f"{name}: {text.splitlines()[0]}" if text else name


if __name__ == "__main__":
    serve()
