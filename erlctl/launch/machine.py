"""How many runs this machine can train at once, also inside a container. No TensorFlow."""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


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


def _first_line(path: Path) -> str:
    try:
        return path.read_text().partition("\n")[0].strip()
    except OSError:
        return ""
