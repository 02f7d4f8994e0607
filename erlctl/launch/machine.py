"""What this machine gives us: cores and memory, also inside a container. No TensorFlow."""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_MEMINFO = Path("/proc/meminfo")


def usable_cores(cgroup: Path = _CGROUP) -> int:
    """Return how many cores this process may use, at least 1.

    The smaller of the scheduler's affinity mask and the container's quota (cgroup v2 `cpu.max`):
    a container with two cores on a machine with 64 must not start 64 workers.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota = _first_line(cgroup / "cpu.max").split()
    if len(quota) == 2 and quota[0].isdigit() and quota[1].isdigit() and int(quota[1]):
        cores = min(cores or 1, math.ceil(int(quota[0]) / int(quota[1])))
    return max(cores or 1, 1)


def available_bytes(cgroup: Path = _CGROUP, meminfo: Path = _MEMINFO) -> int | None:
    """Return the memory that can still be taken, None where the system does not say.

    The smaller of the kernel's MemAvailable and what the container's limit leaves.
    """
    amounts = []
    for line in _lines(meminfo):
        if line.startswith("MemAvailable:"):
            amounts.append(int(line.split()[1]) * 1024)
    limit, used = _first_line(cgroup / "memory.max"), _first_line(cgroup / "memory.current")
    if limit.isdigit() and used.isdigit():  # the limit is the word "max" where there is none
        amounts.append(max(int(limit) - int(used), 0))
    return min(amounts, default=None)


def _first_line(path: Path) -> str:
    return next(iter(_lines(path)), "").strip()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
