"""How many runs this machine, or this container, can train at once. No TensorFlow."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path

from erlctl.errors import ErlctlError

_CGROUP = Path("/sys/fs/cgroup")
_DEV = Path("/dev")


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


def gpus(dev: Path = _DEV, variables: Mapping[str, str] | None = None) -> list[str]:
    """Return NVIDIA's GPUs that this process may use, as CUDA names them.

    Those of CUDA_VISIBLE_DEVICES where that is set, as a scheduler does; else all that the kernel
    shows (WSL shows one device for all of them). Whether TensorFlow can use them is another matter:
    see `tensorflow_setup.check_device`.
    """
    named = (os.environ if variables is None else variables).get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        found = [name.strip() for name in named.split(",")]
        return found[:found.index("-1")] if "-1" in found else [name for name in found if name]
    shown = sorted(int(path.name[6:]) for path in dev.glob("nvidia*") if path.name[6:].isdigit())
    return [str(number) for number in shown] or (["0"] if (dev / "dxg").exists() else [])


def require_gpus() -> list[str]:
    """Return `gpus()`.

    Raises:
        ErlctlError: There is none.
    """
    found = gpus()
    if not found:
        reason = "CUDA_VISIBLE_DEVICES names none" if "CUDA_VISIBLE_DEVICES" in os.environ \
            else "there is no /dev/nvidia0"
        raise ErlctlError(f"--device gpu: no NVIDIA GPU here ({reason})",
                          fix="train with --device cpu, or where there is one")
    return found


def _first_line(path: Path) -> str:
    try:
        return path.read_text().partition("\n")[0].strip()
    except OSError:
        return ""
