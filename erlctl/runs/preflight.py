"""What would stop a run after hours, asked before it starts. No TensorFlow."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from erlctl.errors import ErlctlError
from erlctl.runs.catalogue import MIN_KEPT

# A state up to this size is copied before it is written, so that training need not wait.
MAX_COPY_BYTES = 256 * 2**20
_RESERVE_BYTES = 16 * 2**20  # tables, events, log and policy of a long run
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
_CGROUP_USED = Path("/sys/fs/cgroup/memory.current")


def make_folder(folder: Path) -> None:
    """Make a run directory that can be written to.

    Raises:
        ErlctlError: It cannot; the message names the path and what to do.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise ErlctlError(
            f"{folder}: a file is in the way of the run directory",
            fix="move it away or choose another --runs-dir",
        ) from error
    except OSError as error:
        raise ErlctlError(
            f"{folder}: the run directory cannot be made: {error.strerror}",
            fix=f"check the permissions of {_existing(folder)} or choose another --runs-dir",
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ErlctlError(
            f"{folder}: the run directory cannot be written to",
            fix=f"chmod u+rwx {folder}, or choose another --runs-dir",
        )


def _existing(folder: Path) -> Path:
    for parent in folder.parents:
        with suppress(OSError):  # a name that is too long
            if parent.exists():
                return parent
    return folder


def state_bytes(state: Mapping[str, Any]) -> int:
    """Return the size of variables or arrays."""
    return sum(
        math.prod(value.shape) * np.dtype(getattr(dtype, "as_numpy_dtype", dtype)).itemsize
        for value in state.values() for dtype in (value.dtype,)
    )


def check_disk(folder: Path, *, checkpoint_bytes: int, keep: int, existing: int) -> None:
    """Refuse to start if the checkpoints will not fit.

    Args:
        folder: Where they go.
        checkpoint_bytes: Size of one.
        keep: How many are kept; one more exists while it is written.
        existing: How many of them are there already.

    Raises:
        ErlctlError: With the numbers.
    """
    count = max(max(keep, MIN_KEPT) + 1 - existing, 1)
    needed = count * checkpoint_bytes + _RESERVE_BYTES
    free = free_bytes(folder)
    if free < needed:
        raise ErlctlError(
            f"{folder}: {count} checkpoints of {megabytes(checkpoint_bytes)} and the tables need "
            f"about {megabytes(needed)}, {megabytes(free)} are free",
            fix="free some space, choose another --runs-dir, or lower training.replay_capacity, "
                "or set checkpoint.replay to false",
        )


def free_bytes(folder: Path) -> int:
    """Return how much this user can still write to the file system of `folder`."""
    return shutil.disk_usage(folder).free


def check_memory(needed: int, what: str) -> None:
    """Refuse to go on if `needed` bytes are not available.

    Raises:
        ErlctlError: With the numbers.
    """
    available = available_memory()
    if available is not None and available < needed:
        raise ErlctlError(
            f"{what} needs about {megabytes(needed)} of memory, "
            f"{megabytes(available)} are available",
            fix="lower training.replay_capacity, or run fewer jobs at once",
        )


def available_memory() -> int | None:
    """Return how much memory this process can still get, in bytes; None where unknown."""
    limits = []
    with suppress(OSError):  # not Linux
        lines = Path("/proc/meminfo").read_text().splitlines()
        limits += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")]
    with suppress(OSError, ValueError):  # no container, or one without a limit ("max")
        limits.append(int(_CGROUP_LIMIT.read_text()) - int(_CGROUP_USED.read_text()))
    return max(min(limits), 0) if limits else None


def megabytes(count: int) -> str:
    """Return a size for people: "1.9 GB", "44 MB"."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{math.ceil(count / 1e6)} MB"
