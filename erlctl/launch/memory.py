"""How much memory a worker takes, and the limit that `train --max-memory` sets. Linux only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from erlctl.events import StopReason

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_GIGABYTE = 10**9


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process and of those that it has started; 0 if it is gone.

    Pages that several of them share are counted for each.
    """
    return sum(_own_bytes(each) for each in _family(pid))


def _family(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # the thread has ended in the meantime
            for child in children.read_text(encoding="ascii").split():
                yield from _family(int(child))


def _own_bytes(pid: int) -> int:
    try:
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    except OSError:  # it has ended in the meantime
        return 0
    return int(pages) * _PAGE_BYTES


def exceeded(limit_gigabytes: float | None) -> StopReason | None:
    """Return the reason to stop if this process and its children hold more than the limit."""
    if limit_gigabytes is None:
        return None
    used = resident_bytes(os.getpid()) / _GIGABYTE
    if used <= limit_gigabytes:
        return None
    return StopReason("memory_limit", message=(
        f"the run takes {used:.2f} GB of memory, more than --max-memory {limit_gigabytes:g}\n"
        "  fix: the same line goes on in a fresh process; memory that grows all the time is a "
        "leak, as a rule of the environment"))
