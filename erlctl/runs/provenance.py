"""Where, when, with what and by which command a run was made. No TensorFlow.

Only what is named here is recorded: environment variables may hold secrets, so the few that change
results or name a cluster job are listed one by one.
"""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import erlctl
from erlctl.tensorflow_setup import selected_device

PACKAGES = {"tensorflow": ("tensorflow", "tensorflow-cpu"), "tf_agents": ("tf-agents",),
            "gym": ("gym",), "numpy": ("numpy",)}
ENVIRONMENT_VARIABLES = re.compile(
    r"CUDA_VISIBLE_DEVICES|CUDA_DEVICE_ORDER|OMP_NUM_THREADS|MKL_NUM_THREADS|XLA_FLAGS"
    r"|TF_(NUM_INTRAOP_THREADS|NUM_INTEROP_THREADS|ENABLE_ONEDNN_OPTS|DETERMINISTIC_OPS|XLA_FLAGS)"
    r"|TF_(CPP_MIN_LOG_LEVEL|FORCE_GPU_ALLOW_GROWTH)"
    r"|SLURM_(JOB_ID|ARRAY_JOB_ID|ARRAY_TASK_ID|JOB_NAME|JOB_NODELIST|CPUS_PER_TASK)"
    r"|PBS_JOBID|PBS_ARRAY_INDEX|LSB_JOBID|LSB_JOBINDEX|JOB_ID|SGE_TASK_ID|RAY_JOB_ID"
)
# Who runs a process, and its job in their words; the innermost first, Ray may run in Slurm's.
_JOBS = (
    ("ray", "{RAY_JOB_ID}"), ("slurm", "{SLURM_ARRAY_JOB_ID}_{SLURM_ARRAY_TASK_ID}"),
    ("slurm", "{SLURM_JOB_ID}"), ("pbs", "{PBS_JOBID}"), ("lsf", "{LSB_JOBID}"),
)
_GIT_SECONDS = 1.0  # a slow network file system must not hold up a run


def utc_now() -> str:
    """Return the time as RFC 3339 in UTC, to the second."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@functools.cache
def versions() -> dict[str, str | None]:
    """Return the versions of erlctl, Python and the packages that decide results."""
    found: dict[str, str | None] = {
        "erlctl": erlctl.__version__, "python": platform.python_version()
    }
    for name, distributions in PACKAGES.items():
        found[name] = next(filter(None, map(_version, distributions)), None)
    return found


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


@functools.cache
def host() -> dict[str, Any]:
    """Return the machine: its name, processor, cores that this process may use, device, system."""
    return {
        "name": socket.gethostname(),
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "device": selected_device(),
        "platform": platform.platform(),
    }


def _cpu_model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        text = ""
    match = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return match.group(1).strip() if match else platform.processor() or platform.machine()


def environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the listed environment variables that are set, no other."""
    variables = os.environ if variables is None else variables
    return {
        name: variables[name]
        for name in sorted(variables) if ENVIRONMENT_VARIABLES.fullmatch(name)
    }


def job(variables: Mapping[str, str] | None = None) -> str | None:
    """Return the cluster's job that this process is of, "slurm 4711_3", or None."""
    variables = os.environ if variables is None else variables
    for name, words in _JOBS:
        with contextlib.suppress(KeyError):  # none of theirs
            return f"{name} {words.format_map(variables)}"
    return None


@functools.cache
def git() -> dict[str, Any]:
    """Return commit and cleanliness of the working directory and of erlctl's own checkout."""
    try:
        here: dict[str, Any] = git_state(Path.cwd())
    except FileNotFoundError:
        here = _no_git("the working directory was deleted")
    return {**here, "erlctl": git_state(Path(erlctl.__file__).parent)}


def git_state(folder: Path) -> dict[str, Any]:
    """Return {commit, dirty, reason} of the checkout that `folder` lies in.

    `commit` and `dirty` are None where they cannot be known; `reason` then says why.
    """
    try:
        commit = _run_git(folder, "rev-parse", "--verify", "HEAD")
        status = _run_git(folder, "status", "--porcelain", "--untracked-files=no")
    except FileNotFoundError:
        return _no_git("git is not installed")
    except subprocess.TimeoutExpired:
        return _no_git(f"git took longer than {_GIT_SECONDS:g} s")
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", "") or str(error)
        return _no_git(said.strip().splitlines()[0] if said.strip() else "git failed")
    return {"commit": commit.strip(), "dirty": bool(status.strip()), "reason": None}


def _no_git(reason: str) -> dict[str, Any]:
    return {"commit": None, "dirty": None, "reason": reason}


def _run_git(folder: Path, *arguments: str) -> str:
    # A foreign repository's configuration must not start programs of its own.
    command = ["git", "-c", "core.fsmonitor=false", "-C", str(folder), *arguments]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, errors="replace",
        timeout=_GIT_SECONDS, stdin=subprocess.DEVNULL,
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
    ).stdout


def command_line() -> list[str]:
    """Return the command as it was given."""
    name = Path(sys.argv[0]).name if sys.argv else ""
    return ["erlctl" if name == "__main__.py" else name, *sys.argv[1:]]  # `python -m erlctl`


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return "tensorflow 2.15.0 -> 2.15.1" for every entry that two attempts do not share."""
    return [
        f"{key} {before[key]} -> {now[key]}"
        for key in now if key in before and before[key] != now[key]
    ]
