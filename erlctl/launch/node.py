"""What runs on a node of a Ray cluster: an actor that holds a worker process.

TensorFlow never runs in Ray's own process, and a run is stopped, limited and watched there as the
local pool's are. Imports are few: the node's first one stands between the command and training.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import select
import shutil
import socket
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import erlctl
from erlctl import events, registry, spec
from erlctl.events import Ended, Ready, Saved, Sent, Started, StopReason
from erlctl.launch.job import Job
from erlctl.launch.parcels import Packer, Parcel, unpack
from erlctl.launch.process import WorkerProcess
from erlctl.launch.queue import Task
from erlctl.runs import lock
from erlctl.runs.layout import RunPaths
from erlctl.tensorflow_setup import Device

TOKEN_PREFIX = ".erlctl-token-"
POLL_SECONDS = 0.5  # a stop request waits for that long at most
_GATHER_SECONDS = 0.1  # the display refreshes no faster, and each exchange costs processor time
_SCRATCH_PREFIX = "erlctl-ray-"


@dataclass(frozen=True, kw_only=True)
class Place:
    """What a node says of itself.

    Attributes:
        host: Its name.
        version: Of erlctl there.
        problem: Why the folder that it was asked for cannot be used, "" if it can.
        node: Ray's id of it, where an actor answers.
    """

    host: str
    version: str
    problem: str = ""
    node: str = ""


def look_around(folder: str | None, token: str) -> Place:
    """Return where this is; write `token` into its file, for whoever thinks that it is shared.

    Args:
        folder: The runs directory, None if it need not be shared.
        token: From `new_token`.
    """
    problem = ""
    if folder is not None:
        try:
            with Path(folder, TOKEN_PREFIX + token).open("r+", encoding="ascii") as file:
                file.write(token)
        except OSError as error:
            problem = error.strerror or str(error)
    return Place(host=socket.gethostname(), version=erlctl.__version__, problem=problem)


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
        """See the function; asked before any run is."""
        if self._is_alone and self._scratch is None:
            self._scratch = self._make_scratch(self._scratch_parent or tempfile.gettempdir())
        ray = importlib.import_module("ray")
        return replace(look_around(folder, token), node=ray.get_runtime_context().get_node_id())

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
        said, has_ended = self._listen()
        return Reply(events=[events.to_json(event) for event in said],
                     parcel=self._pack(said, has_ended=has_ended),
                     died=self._end() if has_ended else None)

    def _listen(self) -> tuple[list[Sent], bool]:
        """Return as `read_events` does, soon when the parent has something to do."""
        said: list[Sent] = []
        has_ended, until = False, time.monotonic() + POLL_SECONDS
        while not has_ended and (left := until - time.monotonic()) > 0:
            self._worker.kill_if_hung()
            if self._worker.stderr_fd in select.select(self._open, [], [], left)[0] \
                    and self._worker.read_stderr():
                self._open.remove(self._worker.stderr_fd)
            heard, has_ended = self._worker.read_events()
            if any(isinstance(event, Ready | Ended) for event in heard):
                until = 0.0
            elif heard and not said:
                until = min(until, time.monotonic() + _GATHER_SECONDS)
            said += heard
        return said, has_ended

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
            registry.load_files(job.files)  # the spec may name what they register
            run = spec.parse_run(job.run.encode(), "the parent's task")
            if self._scratch:
                job = replace(job, runs_dir=str(self._scratch))
                paths = RunPaths(self._scratch / job.label)
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
