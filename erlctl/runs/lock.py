"""One writer per run: flock on a file that also says who holds it. No TensorFlow.

The kernel drops the lock when the process dies, however it dies, so nothing stays locked after a
crash or a reboot. What stands in the file is for messages only; the lock itself is the truth.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from erlctl.errors import ErlctlError, RunBusyError
from erlctl.files import read_regular

_parent: dict[str, Any] | None = None  # of this process, if its end ends this process
_UNKNOWN = {"pid": "?", "host": "?", "since": "?"}
_PATIENCE_SECONDS = 0.3  # readers probe with a shared lock for microseconds; do not fail for those


def is_held(path: Path) -> bool:
    """Return whether a living process holds the lock file `path`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe blocks
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in (errno.EWOULDBLOCK, errno.EACCES)
    else:
        return False
    finally:
        os.close(descriptor)


def read_holder(path: Path) -> dict[str, Any]:
    """Return what the last holder wrote into the lock file; empty if it cannot be read."""
    try:
        holder = json.loads(read_regular(path, 65536))
    except (OSError, ValueError, RecursionError):
        return {}
    return holder if isinstance(holder, dict) else {}


@contextmanager
def hold(path: Path, patience_seconds: float = _PATIENCE_SECONDS) -> Iterator[None]:
    """Hold the lock file `path`; children do not inherit it.

    Args:
        path: The lock file.
        patience_seconds: How long another process that holds it is waited for.

    Raises:
        RunBusyError: Another process holds it; the message says who and since when.
        ErlctlError: The file cannot be opened or the file system has no locks.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise ErlctlError(
            f"{path}: cannot be opened for locking: {error.strerror}",
            fix="check the owner and the permissions of the run directory",
        ) from error
    try:
        _acquire(descriptor, path, time.monotonic() + patience_seconds)
        with suppress(OSError):  # a full disk: the lock counts, not what stands in it
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(identity()).encode() + b"\n", 0)
        yield
    finally:
        os.close(descriptor)  # drops the lock; the file stays, removing it would race


def _acquire(descriptor: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise ErlctlError(
                    f"{path}: cannot be locked: {error.strerror}",
                    fix="put --runs-dir on a file system with flock",
                ) from error
            if time.monotonic() > deadline:
                raise RunBusyError(_who_holds(path)) from error
            time.sleep(0.01)
    if not _is_at(descriptor, path):
        raise RunBusyError(f"{path.parent}: another process has just moved it aside")


def _is_at(descriptor: int, path: Path) -> bool:
    """Return whether the locked file is still the one called `path`."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _who_holds(path: Path) -> str:
    holder = read_holder(path)
    who = (
        "pid {pid} on {host} since {since}".format_map({**_UNKNOWN, **holder})
        if holder else "a process that has not said who it is"
    )
    return f"{path.parent}: already running ({who})"


def declare_parent(pid: int) -> None:
    """Say that this process ends soon after `pid` does: a lock that it holds then is an orphan's.

    Args:
        pid: The process that started this one.
    """
    global _parent  # noqa: PLW0603 - a process has one parent
    _parent = {"pid": pid, "pid_start_ticks": start_ticks(pid)}


def is_orphan(path: Path) -> bool:
    """Return whether the lock is held by a process of this machine whose parent is dead.

    Such a process writes its checkpoint and ends by itself.
    """
    holder = read_holder(path)
    parent = holder.get("parent")
    if not isinstance(parent, dict) or not isinstance(pid := parent.get("pid"), int):
        return False
    is_here = boot_id() is not None and holder.get("boot_id") == boot_id()
    is_same = holder.get("host") == socket.gethostname()  # containers share the boot id
    has_parent = start_ticks(pid) == parent.get("pid_start_ticks")
    return is_here and is_same and not has_parent and is_held(path)


def identity() -> dict[str, Any]:
    """Return what tells this process from every other: a pid alone is reused."""
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "pid_start_ticks": start_ticks(os.getpid()),
        "boot_id": boot_id(),
        "since": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        **({"parent": _parent} if _parent else {}),
    }


def start_ticks(pid: int) -> int | None:
    """Return when process `pid` started, in clock ticks since boot; None if it is not alive."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = stat.rpartition(b")")[2].split()  # the name before ")" may hold anything
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def boot_id() -> str | None:
    """Return the kernel's identifier of this boot; None where it has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
