"""The parent's end of one worker, of a process on this machine as a rule: tell, listen, kill."""

from __future__ import annotations

import abc
import contextlib
import dataclasses
import json
import os
import signal
import site
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import erlctl
from erlctl import events
from erlctl.environments.host import watch
from erlctl.errors import EnvironmentFault
from erlctl.events import Sent, StopReason
from erlctl.launch.job import Job
from erlctl.launch.queue import Task
from erlctl.tensorflow_setup import Device, select_device, settings

# Operations of one update that may run beside each other at most; two were measured.
_MAX_BESIDE = 4
_TAIL_BYTES = 4096
_READ_BYTES = 1 << 16
_EXIT_SECONDS = 5.0


def python_command() -> tuple[str, ...]:
    """Return how a child of the same Python is started."""
    # -P (Python 3.11): a file of the working directory must not stand in for a module of Python's.
    return (sys.executable, "-P") if sys.version_info >= (3, 11) else (sys.executable,)


WORKER_COMMAND = (*python_command(), "-m", "erlctl.launch.worker")


def worker_environment(
    cores: int = 1, device: Device = "cpu", gpu: str | None = None
) -> dict[str, str]:
    """Return the environment of a worker: quiet, this erlctl even from a checkout.

    Args:
        cores: How many it may use. In graph mode the branches of an update (online and target
            network, the gradients of a layer) run beside each other on them; each operation keeps
            one thread, so that the numbers do not depend on the count.
        device: What it trains on.
        gpu: The GPU that it may use, as CUDA names it; None: those of this process.
    """
    beside = str(max(1, min(cores, _MAX_BESIDE)))
    environment = {**os.environ, **settings(os.environ), **select_device(device, gpu),
                   "TF_NUM_INTEROP_THREADS": beside}
    root = str(Path(erlctl.__file__).resolve().parents[1])
    if root not in (*site.getsitepackages(), site.getusersitepackages()):
        inherited = os.environ.get("PYTHONPATH")
        environment["PYTHONPATH"] = os.pathsep.join([root, *([inherited] if inherited else [])])
    return environment


class WorkerEnd(abc.ABC):
    """The parent's end of one worker, wherever it runs. Nothing here blocks except `end`.

    Attributes:
        task: What it trains now.
        compiled: Key of the program that it holds or is building, None before the first task.
        has_begun: Whether it has done a step of its task; before, while it imports and compiles,
            nothing is lost by killing it.
        was_ready: Whether it ever got as far as taking tasks.
        is_lost: Whether it ended because the place is gone where it was, so that another place may
            go on with its task.
        pid: Process id on this machine, 0 elsewhere.
        events_fd: Readable when it has reported, see `read_events`.
        stderr_fd: Readable when it has printed; None where that stays elsewhere.
    """

    is_lost = False
    events_fd: int
    stderr_fd: int | None = None

    def __init__(self) -> None:
        self.task: Task | None = None
        self.compiled: str | None = None
        self.has_begun = False
        self.was_ready = False
        self._partial = b""

    @property
    @abc.abstractmethod
    def pid(self) -> int:
        """See the class."""

    def train(self, task: Task, job: Job) -> None:
        """Give it a run."""
        self.task = task
        self.compiled = task.program_key
        self.has_begun = False
        self._send(dataclasses.asdict(job))

    def stop(self, reason: StopReason) -> None:
        """Ask for a checkpoint and the end."""
        self._send({"stop": dataclasses.asdict(reason)})

    def quit(self) -> None:
        """Tell it that there is no more work."""
        self._send({"quit": True})

    def read_events(self) -> tuple[list[Sent], bool]:
        """Return what it reported and whether that was all there will ever be."""
        data = _read_available(self.events_fd)
        if data is None:
            return [], False
        *lines, self._partial = (self._partial + data).split(b"\n")
        return [event for event in map(_event, lines) if event is not None], not data

    def read_stderr(self) -> bool:
        """Take what it printed; return whether that has ended."""
        return True

    def kill_if_hung(self) -> None:  # noqa: B027 - elsewhere it is seen to there
        """End it if its environments should have come back and nothing in it could say so."""

    @abc.abstractmethod
    def kill(self) -> None:
        """End it at once; its run is resumable by design."""

    @abc.abstractmethod
    def end(self) -> str:
        """Take leave of it, killing it if it does not end; return how it died, in words."""

    @abc.abstractmethod
    def _send(self, message: Mapping[str, Any]) -> None:
        """Have it take a message of `launch.worker`; nothing if it died."""


class WorkerProcess(WorkerEnd):
    """A worker that is a child of this process.

    Args:
        cores: How many it may use.
        command: How it is started.
        device: What it trains on.
        gpu: The GPU that it may use, as CUDA names it; None: those of this process.
    """

    def __init__(
        self, cores: int, command: Sequence[str] = WORKER_COMMAND, *, device: Device = "cpu",
        gpu: str | None = None,
    ) -> None:
        super().__init__()
        self._said = b""
        self._fault: EnvironmentFault | None = None
        self._watch, fd, variables = watch.for_child()
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env=worker_environment(cores, device, gpu) | variables, pass_fds=[fd],
                start_new_session=True,  # the terminal's Ctrl-C reaches the parent alone
                bufsize=0,
            )
        finally:
            os.close(fd)
        self.events_fd = self._pipe(self._process.stdout)
        self.stderr_fd: int = self._pipe(self._process.stderr)

    @staticmethod
    def _pipe(stream: object) -> int:
        fd = cast(BinaryIO, stream).fileno()
        os.set_blocking(fd, False)
        return fd

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it at once; its run is resumable by design."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)  # and what environments have forked

    def kill_if_hung(self) -> None:
        """End it if its environments should have come back and nothing in it could say so."""
        doing = self._watch.overdue()
        if doing is None or self.task is None or self._fault:
            return
        environment = self.task.run.environment
        self._fault = EnvironmentFault(
            environment.id,
            f"has not come back after {environment.step_timeout:g} s, in compiled code that cannot "
            "be interrupted; its process was ended, the last checkpoint is there",
            step=_row(doing.steps), action=_row(doing.actions),
        )
        self.kill()

    def read_events(self) -> tuple[list[Sent], bool]:
        """Return what it reported and whether that was all there will ever be."""
        is_dead = not self.is_alive  # asked first: what it said before it died is there by then
        said, has_ended = super().read_events()
        # What an environment has forked may hold the pipe open for ever.
        return said, has_ended or (is_dead and not said)

    def _send(self, message: Mapping[str, Any]) -> None:
        fd = cast(BinaryIO, self._process.stdin).fileno()
        line = json.dumps(message).encode() + b"\n"
        with contextlib.suppress(BrokenPipeError):  # it died; the end of its events says so
            while line:  # a signal may cut a write short
                line = line[os.write(fd, line):]

    def read_stderr(self) -> bool:
        """Keep the end for the case that it dies; return whether the pipe has ended."""
        data = _read_available(self.stderr_fd)
        self._said = (self._said + (data or b""))[-_TAIL_BYTES:]
        return data == b""

    def end(self) -> str:
        """Wait for the process, killing it if it does not end; return how it died, in words."""
        try:
            code = self._process.wait(_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            code = self._process.wait()
        self.read_stderr()  # at most a pipe's capacity, which one read takes
        # What environments have forked; processes that step them have sessions of their own and
        # end with this one, see `environments.host.worker`.
        self.kill()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(BrokenPipeError):
                cast(BinaryIO, stream).close()
        return str(self._fault or death(code, self._said.decode(errors="replace")))


def death(code: int, said: str) -> str:
    """Return how a process died: the signal with its usual cause, else the last line it said."""
    if code == -signal.SIGKILL:
        return "killed by SIGKILL (out of memory?)"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last_words = f": {lines[-1]}" if lines else ""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}{last_words}"
    return f"the worker process ended with code {code}{last_words}"


def _row(values: list[Any]) -> Any:
    """Return one value alone, several as a list, none as None."""
    return values[0] if len(values) == 1 else values or None


def _event(line: bytes) -> Sent | None:
    """Return what a line says; None for what something printed before the worker took over."""
    try:
        message = json.loads(line)
    except ValueError:
        return None
    is_event = isinstance(message, dict) and "event" in message
    return events.from_json(message) if is_event else None


def _read_available(fd: int) -> bytes | None:
    """Return what the pipe holds, b"" at its end, None if there is nothing right now."""
    try:
        return os.read(fd, _READ_BYTES)
    except BlockingIOError:
        return None
