"""Workers on the nodes of a Ray cluster: what runs there, and the parent's end of it.

On the node an actor, which holds a worker process as the local pool has it: TensorFlow never runs
in Ray's own process, and a run is stopped, limited and watched there as everywhere. Here a thread
for each actor, which does nothing but wait: it takes messages to the actor, publishes the files
that come back where the file system is not shared, and puts events into a pipe for the pool.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import erlctl
from erlctl import events, spec
from erlctl.errors import ErlctlError, RunBusyError, sentence
from erlctl.events import Ended, Outcome, Saved, Sent, Started, StopReason
from erlctl.launch.parcels import Packer, Parcel, unpack
from erlctl.launch.process import WorkerEnd, WorkerProcess
from erlctl.launch.queue import Task
from erlctl.launch.worker import Job
from erlctl.runs import lock
from erlctl.runs.execute import move_aside
from erlctl.runs.layout import RunPaths, label_of
from erlctl.tensorflow_setup import Device

_POLL_SECONDS = 0.5  # a stop request waits for that long at most
_TOKEN_PREFIX = ".erlctl-token-"
_SCRATCH_PREFIX = "erlctl-ray-"


@dataclass(frozen=True, kw_only=True)
class Place:
    """What a node says of itself.

    Attributes:
        host: Its name.
        version: Of erlctl there.
        problem: Why the folder that it was asked for cannot be used, "" if it can.
    """

    host: str
    version: str
    problem: str = ""


@contextlib.contextmanager
def new_token(runs_dir: Path | None) -> Iterator[str]:
    """Yield a name that nobody else uses, of an empty file in the runs directory if there is one.

    A node fills that file: one where it is not there leaves nothing behind.
    """
    token = secrets.token_hex(8)
    if runs_dir is None:
        yield token
        return
    path = runs_dir / (_TOKEN_PREFIX + token)
    path.touch()
    try:
        yield token
    finally:
        path.unlink()


def look_around(folder: str | None, token: str) -> Place:
    """Return where this is; write `token` into its file, for whoever thinks that it is shared.

    Args:
        folder: The runs directory, None if it need not be shared.
        token: From `new_token`.
    """
    problem = ""
    if folder is not None:
        try:
            with Path(folder, _TOKEN_PREFIX + token).open("r+", encoding="ascii") as file:
                file.write(token)
        except OSError as error:
            problem = error.strerror or str(error)
    return Place(host=socket.gethostname(), version=erlctl.__version__, problem=problem)


def check_place(place: Place, runs_dir: Path | None, token: str) -> None:
    """Refuse a node that cannot train these runs.

    Args:
        place: What it said.
        runs_dir: The runs directory that it should share, None if it need not.
        token: From `new_token`.

    Raises:
        ErlctlError: It has another erlctl, or another runs directory.
    """
    if place.version != erlctl.__version__:
        raise ErlctlError(
            f"{place.host} has erlctl {place.version}, here is {erlctl.__version__}",
            fix="install the same on all nodes, or send this one: --launcher-option ship=true",
        )
    if runs_dir is not None \
            and (runs_dir / (_TOKEN_PREFIX + token)).read_text(encoding="ascii") != token:
        reason = place.problem or "what it writes there does not arrive here"
        raise ErlctlError(
            f"the runs directory {runs_dir} is not shared with {place.host}: {reason}",
            fix="--launcher-option sync=true copies run directories through Ray; or put "
                "--runs-dir on a file system that all nodes have",
        )


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came of an exchange with an actor.

    Attributes:
        events: As JSON values, in order.
        parcel: What is new in the run directory, where it is not shared.
        died: How the worker process ended, None while it lives.
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    parcel: Parcel | None = None
    died: str | None = None


class Actor:
    """A worker process on a node; Ray calls one method at a time.

    Args:
        cores: How many it may use.
        device: What it trains on; Ray lets an actor see the GPU that is its own.
        folder: Working directory of the command, where nodes share it; None: run directories are
            kept in a folder of the node's own and new files are sent.
        scratch: Where that folder is made, None for the system's place.
    """

    def __init__(
        self, cores: int, device: Device, folder: str | None, scratch: str | None
    ) -> None:
        self._held = contextlib.ExitStack()
        self._is_alone, self._scratch_parent = folder is None, scratch
        self._scratch: Path | None = None
        if folder is not None and Path(folder).is_dir():
            os.chdir(folder)  # names in a spec are relative to it
        self._packer: Packer | None = None
        self._worker = WorkerProcess(cores, device=device)
        self._open = [self._worker.events_fd, self._worker.stderr_fd]

    def look_around(self, folder: str | None, token: str) -> Place:
        """See the function; asked first."""
        if self._is_alone:
            self._scratch = self._make_scratch(self._scratch_parent or tempfile.gettempdir())
        return look_around(folder, token)

    def exchange(
        self, messages: list[Mapping[str, Any]], parcel: Parcel | None = None
    ) -> Reply:
        """Pass messages on to the worker and return what it has said, after a while at most.

        Args:
            messages: As in `launch.worker`.
            parcel: The run directory, beside the message that names the run.
        """
        for message in messages:
            self._pass_on(message, parcel)
        self._worker.kill_if_hung()
        if self._worker.stderr_fd in select.select(self._open, [], [], _POLL_SECONDS)[0] \
                and self._worker.read_stderr():
            self._open.remove(self._worker.stderr_fd)
        said, has_ended = self._worker.read_events()
        return Reply(events=[events.to_json(event) for event in said],
                     parcel=self._pack(said, has_ended=has_ended),
                     died=self._end() if has_ended else None)

    def _pack(self, said: list[Sent], *, has_ended: bool) -> Parcel | None:
        news = {type(event) for event in said} & {Started, Saved, Ended}
        if self._packer is None or not (news or has_ended):
            return None
        parcel = self._packer.pack()
        if Ended in news:
            shutil.rmtree(self._packer.paths.root)
            self._packer = None
        return parcel

    def _pass_on(self, message: Mapping[str, Any], parcel: Parcel | None) -> None:
        if "stop" in message:
            self._worker.stop(StopReason(**message["stop"]))
        elif "quit" in message:
            self._worker.quit()
        else:
            job = Job(**message)
            run = spec.parse_run(job.run.encode(), "the parent's task")
            if self._scratch:
                job = replace(job, runs_dir=str(self._scratch))
                paths = RunPaths.of(self._scratch, run)
                unpack(parcel or Parcel(), paths)
                self._packer = Packer(paths, has_all=True)
            self._worker.train(Task(0, run, spec.program_key(run)), job)

    def _end(self) -> str:
        cause = self._worker.end()
        self._held.close()
        if self._scratch:
            shutil.rmtree(self._scratch, ignore_errors=True)
        return cause

    def _make_scratch(self, parent: str) -> Path:
        """Return a folder of this process; those whose process died are removed."""
        mine = Path(tempfile.mkdtemp(prefix=_SCRATCH_PREFIX, dir=parent))
        self._held.enter_context(lock.hold(mine / ".lock"))
        for other in Path(parent).glob(f"{_SCRATCH_PREFIX}*"):
            # What stands in the file is written by who has locked it: not yet, by a process that is
            # about to.
            if lock.read_holder(other / ".lock") and not lock.is_held(other / ".lock"):
                shutil.rmtree(other, ignore_errors=True)
        return mine


class RayWorker(WorkerEnd):
    """The parent's end of an actor.

    Args:
        ray: The module, connected.
        actor: Handle of an `Actor`, which need not have a place yet.
        runs_dir: The runs directory that it should share; None: files are sent.
    """

    pid = 0

    def __init__(self, ray: Any, actor: Any, runs_dir: Path | None) -> None:
        super().__init__()
        self._ray, self._actor, self._runs_dir = ray, actor, runs_dir
        self.events_fd, self._write_fd = os.pipe()
        os.set_blocking(self.events_fd, False)
        self._cause = "the thread that talks to it failed"
        self._outgoing: list[Mapping[str, Any]] = []
        self._guard = threading.Lock()
        self._held = contextlib.ExitStack()  # the lock of a run that is trained elsewhere
        self._paths: RunPaths | None = None
        self._thread = threading.Thread(target=self._talk, daemon=True)
        self._thread.start()

    def _send(self, message: Mapping[str, Any]) -> None:
        with self._guard:
            self._outgoing.append(message)

    def kill(self) -> None:
        """See `WorkerEnd`; the process there may still write a checkpoint of its own accord."""
        self._ray.kill(self._actor)

    def end(self) -> str:
        """See `WorkerEnd`."""
        os.close(self.events_fd)
        self.kill()
        self._thread.join()
        return self._cause

    def _talk(self) -> None:
        """Thread: exchange until the worker has ended or is lost."""
        errors = self._ray.exceptions
        try:
            self._check_place()
            died = None
            while died is None:
                died = self._exchange()
            self._cause = died
        except errors.RayTaskError as error:  # the actor itself raised
            self._cause = sentence(error.cause)
        except errors.RayError as error:
            self.is_lost = True
            self._cause = f"its node or its actor is lost ({first_line(error)})"
        except (OSError, ErlctlError) as error:
            self._cause = sentence(error)
        finally:
            self._held.close()
            os.close(self._write_fd)

    def _check_place(self) -> None:
        folder = str(self._runs_dir) if self._runs_dir else None
        with new_token(self._runs_dir) as token:
            place = self._get(self._actor.look_around.remote(folder, token))
            check_place(place, self._runs_dir, token)

    def _exchange(self) -> str | None:
        with self._guard:
            messages, self._outgoing = self._outgoing, []
        parcel, outgoing = None, []
        for message in messages:
            if "run" in message and self._runs_dir is None:
                try:
                    message, parcel = self._take_up(Job(**message))
                except RunBusyError as error:
                    run = spec.parse_run(message["run"].encode(), "the task")
                    self._say(Ended(label_of(run), Outcome("busy", 0, str(error)), 0.0))
                    continue
            outgoing.append(message)
        reply: Reply = self._get(self._actor.exchange.remote(outgoing, parcel))
        if reply.parcel is not None and self._paths is not None:
            unpack(reply.parcel, self._paths)
        for event in map(events.from_json, reply.events):
            if isinstance(event, Ended):
                self._held.close()
            self._say(event)
        return reply.died

    def _take_up(self, job: Job) -> tuple[Mapping[str, Any], Parcel]:
        """Hold the lock of a run whose files are sent, and return what the node needs."""
        self._paths = paths = RunPaths.of(
            Path(job.runs_dir), spec.parse_run(job.run.encode(), "the task"))
        if job.fresh and paths.root.exists():
            move_aside(paths)
        paths.root.mkdir(parents=True, exist_ok=True)
        self._held.enter_context(lock.hold(paths.lock))
        return vars(replace(job, fresh=False)), Packer(paths).pack()

    def _get(self, reference: Any) -> Any:
        return self._ray.get(reference)

    def _say(self, event: Sent) -> None:
        line = json.dumps(events.to_json(event)).encode() + b"\n"
        while line:
            line = line[os.write(self._write_fd, line):]


def first_line(error: BaseException) -> str:
    """Return what an error of Ray says first; the rest is for its developers."""
    return _lines(error)[0].rstrip(".")


def last_line(error: BaseException) -> str:
    """Return what an error of Ray says last: the one that was raised on the node."""
    return _lines(error)[-1]


def _lines(error: BaseException) -> list[str]:
    return [line.strip() for line in str(error).splitlines() if line.strip()] \
        or [type(error).__name__]
