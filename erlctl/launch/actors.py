"""The parent's end of actors on a Ray cluster.

A thread for each, which does nothing but wait: it takes messages to the actor, publishes the files
that come back where the file system is not shared, and puts events into a pipe for the pool.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import erlctl
from erlctl import events
from erlctl.errors import ErlctlError, RunBusyError, sentence
from erlctl.events import Ended, Outcome, Sent
from erlctl.launch.job import Job
from erlctl.launch.node import POLL_SECONDS, TOKEN_PREFIX, Place, Reply
from erlctl.launch.parcels import Packer, Parcel, unpack
from erlctl.launch.process import WorkerEnd
from erlctl.runs import lock
from erlctl.runs.execute import move_aside
from erlctl.runs.layout import RunPaths


@contextlib.contextmanager
def new_token(runs_dir: Path | None) -> Iterator[str]:
    """Yield a name that nobody else uses, of an empty file in the runs directory if there is one.

    A node fills that file: one where it is not there leaves nothing behind.
    """
    token = secrets.token_hex(8)
    if runs_dir is None:
        yield token
        return
    path = runs_dir / (TOKEN_PREFIX + token)
    path.touch()
    try:
        yield token
    finally:
        path.unlink()


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
            and (runs_dir / (TOKEN_PREFIX + token)).read_text(encoding="ascii") != token:
        reason = place.problem or "what it writes there does not arrive here"
        raise ErlctlError(
            f"the runs directory {runs_dir} is not shared with {place.host}: {reason}",
            fix="--launcher-option sync=true copies run directories through Ray; or put "
                "--runs-dir on a file system that all nodes have",
        )


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
        self._news = threading.Condition()
        self._is_idle = True  # the worker has no run: there is nothing to hear, but much to say
        self._held = contextlib.ExitStack()  # the lock of a run that is trained elsewhere
        self._paths: RunPaths | None = None
        self._thread = threading.Thread(target=self._talk, daemon=True)
        self._thread.start()

    def _send(self, message: Mapping[str, Any]) -> None:
        with self._news:
            self._outgoing.append(message)
            self._news.notify()

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
        except errors.ActorUnavailableError:  # in Ray's words, of its protocol
            self.is_lost = True
            self._cause = "its node is lost (it does not answer any more)"
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
        parcel, outgoing = None, []
        for message in self._take_outgoing():
            if "run" in message and self._runs_dir is None:
                try:
                    message, parcel = self._take_up(Job(**message))
                except RunBusyError as error:
                    self._say(Ended(message["label"], Outcome("busy", 0, str(error)), 0.0))
                    continue
            self._is_idle = self._is_idle and "run" not in message
            outgoing.append(message)
        reply: Reply = self._get(self._actor.exchange.remote(outgoing, parcel))
        if reply.parcel is not None and self._paths is not None:
            unpack(reply.parcel, self._paths)
        for event in map(events.from_json, reply.events):
            if isinstance(event, Ended):
                self._held.close()
                self._is_idle = True
            self._say(event)
        return reply.died

    def _take_outgoing(self) -> list[Mapping[str, Any]]:
        """Return what is to be sent; of an idle worker, the next run as soon as it is known.

        Asked without it, the actor would listen to a worker that has nothing to say.
        """
        with self._news:
            if self._is_idle:
                self._news.wait_for(lambda: self._outgoing, POLL_SECONDS)
            messages, self._outgoing = self._outgoing, []
        return messages

    def _take_up(self, job: Job) -> tuple[Mapping[str, Any], Parcel]:
        """Hold the lock of a run whose files are sent, and return what the node needs."""
        self._paths = paths = RunPaths(Path(job.runs_dir, job.label))
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
