"""What `erlctl doctor` looks at: versions, the known traps of this stack, the machine.

Every check answers with one line and, where something is wrong, with the exact command that mends
it. Versions are read from the installed packages' metadata; what must be imported to be known is
asked of `doctor.probe` in a process of its own.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from erlctl.launch import machine
from erlctl.launch.process import python_command, worker_environment
from erlctl.runs.preflight import available_memory

GIGABYTE = 2**30
# Measured: 0.63 GB while a 64-64 network trains on CartPole; larger replays come on top.
BYTES_PER_WORKER = GIGABYTE
_LOW_DISK_BYTES, _NO_DISK_BYTES = 5 * GIGABYTE, GIGABYTE // 2
_PROBE_SECONDS = 180.0


@dataclass(frozen=True)
class Check:
    """One line of the doctor's report.

    Attributes:
        name: What was looked at.
        status: "ok", "warning" (works, but) or "problem" (will not work).
        found: What is there.
        fix: The command or the step that mends it, "" if there is nothing to mend.
    """

    name: str
    status: Literal["ok", "warning", "problem"]
    found: str
    fix: str = ""


@dataclass(frozen=True)
class _Requirement:
    """A range of versions, low <= version < high, and why it is not wider."""

    distributions: tuple[str, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]
    wanted: str
    why: str


_REQUIREMENTS = (
    _Requirement(("tensorflow", "tensorflow-cpu"), (2, 15), (2, 16), "tensorflow~=2.15.0",
                 "the last with Keras 2 inside"),
    _Requirement(("tf-agents",), (0, 19), (0, 20), "tf-agents==0.19.0", "what erlctl is built on"),
    _Requirement(("tensorflow-probability",), (0, 23), (0, 24), "tensorflow-probability==0.23.0",
                 "newer ones need Keras 3"),
    _Requirement(("keras",), (2, 15), (2, 16), "keras==2.15.0", "Keras 3 breaks tf-agents"),
    _Requirement(("typing-extensions",), (4, 5, 0), (4, 5, 1), "typing-extensions==4.5.0",
                 "newer ones break tf-agents' PolicySaver"),
    _Requirement(("setuptools",), (0,), (81,), "setuptools<81",
                 "TensorBoard 2.15 needs pkg_resources"),
    _Requirement(("numpy",), (1, 24), (2,), "numpy<2", "TensorFlow 2.15 is built for NumPy 1"),
    _Requirement(("protobuf",), (3, 20, 3), (5,), "protobuf<5", "TensorFlow 2.15 needs it"),
    _Requirement(("gym",), (0, 23), (0, 24), "gym==0.23.0", "tf-agents 0.19 needs its interface"),
    _Requirement(("tensorboard",), (2, 15), (2, 16), "tensorboard~=2.15.0", "goes with TensorFlow"),
)


def examine(runs_dir: Path) -> Iterator[Check]:
    """Yield every check, quick ones first; the last ones import TensorFlow in another process."""
    yield _python()
    yield from map(_version, _REQUIREMENTS)
    yield _pkg_resources()
    yield _legacy_keras(os.environ)
    yield from _machine(runs_dir)
    yield from _probed(run_probe())


def _pip(*requirements: str) -> str:
    return shlex.join([sys.executable, "-m", "pip", "install", *requirements])


def _python() -> Check:
    found = sys.version.split()[0]
    if (3, 10) <= sys.version_info < (3, 12):
        return Check("python", "ok", found)
    return Check("python", "problem", f"{found}; TensorFlow 2.15 needs 3.10 or 3.11",
                 "make install PYTHON=python3.11")


def _version(requirement: _Requirement) -> Check:
    name = requirement.distributions[0]
    for distribution in requirement.distributions:
        try:
            found = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
        numbers = tuple(int(part) for part in re.findall(r"\d+", found)[:3])
        if requirement.low <= numbers < requirement.high:
            return Check(name, "ok", found)
        return Check(name, "problem", f"{found}; {requirement.why}", _pip(requirement.wanted))
    return Check(name, "problem", "not installed", _pip(requirement.wanted))


def _pkg_resources() -> Check:
    if importlib.util.find_spec("pkg_resources") is not None:
        return Check("pkg_resources", "ok", "importable")
    return Check("pkg_resources", "problem", "missing; TensorBoard 2.15 imports it",
                 _pip("setuptools<81"))


def _legacy_keras(environment: Mapping[str, str]) -> Check:
    value = environment.get("TF_USE_LEGACY_KERAS")
    if not value or value.lower() in ("0", "false"):
        return Check("TF_USE_LEGACY_KERAS", "ok", "not set")
    if importlib.util.find_spec("tf_keras") is None:
        return Check("TF_USE_LEGACY_KERAS", "problem", f"{value}, but tf_keras is not installed",
                     "unset TF_USE_LEGACY_KERAS")
    return Check("TF_USE_LEGACY_KERAS", "warning", f"{value}: tf_keras stands in for Keras 2",
                 "unset TF_USE_LEGACY_KERAS")


def _machine(runs_dir: Path) -> Iterator[Check]:
    cores = machine.usable_cores()
    yield Check("cores", "ok", f"{cores}, so up to {cores} runs at once")
    free = available_memory()
    if free is None:
        yield Check("memory", "ok", "unknown on this system")
    elif free < cores * BYTES_PER_WORKER:
        jobs = max(1, free // BYTES_PER_WORKER)
        yield Check("memory", "warning", f"{_gigabytes(free)} free for {cores} workers of about "
                    f"{_gigabytes(BYTES_PER_WORKER)} each", f"erlctl train ... --jobs {jobs}")
    else:
        yield Check("memory", "ok", f"{_gigabytes(free)} free")
    folder = _nearest_existing(runs_dir)
    yield _disk(folder)
    if os.access(folder, os.W_OK | os.X_OK):
        yield Check("runs directory", "ok", f"{runs_dir} can be written")
    else:
        yield Check("runs directory", "problem", f"{folder} cannot be written",
                    f"chmod u+wx {shlex.quote(str(folder))}, or name another with --runs-dir")


def _disk(folder: Path) -> Check:
    free = shutil.disk_usage(folder).free
    found = f"{_gigabytes(free)} free at {folder}"
    fix = "make room, or name another disk with --runs-dir"
    if free < _NO_DISK_BYTES:
        return Check("disk", "problem", found, fix)
    return Check("disk", "warning", found, fix) if free < _LOW_DISK_BYTES else Check(
        "disk", "ok", found)


def _nearest_existing(path: Path) -> Path:
    absolute = path.absolute()
    return next(folder for folder in (absolute, *absolute.parents) if folder.is_dir())


def _gigabytes(size: float) -> str:
    return f"{size / GIGABYTE:.1f} GB"


def run_probe(
    command: tuple[str, ...] = (*python_command(), "-m", "erlctl.doctor.probe"),
) -> dict[str, Any]:
    """Return what `doctor.probe` reports; {"error": why} if its process died of a check."""
    try:
        done = subprocess.run(
            command, env=worker_environment(), stdin=subprocess.DEVNULL, capture_output=True,
            text=True, errors="replace", timeout=_PROBE_SECONDS, check=False,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"no answer within {_PROBE_SECONDS:g} s"}
    try:
        report = json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        said = done.stderr.strip().splitlines()
        return {"error": f"ended with code {done.returncode}" + (f": {said[-1]}" if said else "")}
    return report if isinstance(report, dict) else {"error": "no report"}


# Check of the probe -> its name in the report, and what mends it.
_PROBED: Mapping[str, tuple[str, Callable[[], str]]] = {
    "xla": ("XLA on this CPU", lambda: "set `training: {compile: graph}` in the spec"),
    "keras": ("Keras 2 inside TensorFlow", lambda: _pip("keras==2.15.0", "tensorflow~=2.15.0")),
    "tf_agents": ("tf-agents imports", lambda: _pip("tf-agents==0.19.0",
                                                    "typing-extensions==4.5.0")),
    "tensorboard": ("TensorBoard imports", lambda: _pip("tensorboard~=2.15.0", "setuptools<81")),
}


def _probed(report: Mapping[str, Any]) -> Iterator[Check]:
    if isinstance(report.get("error"), str):
        yield Check("TensorFlow", "problem", f"the test process {report['error']}",
                    _pip("--force-reinstall", "tensorflow~=2.15.0"))
        return
    for key, (name, fix) in _PROBED.items():
        facts = report.get(key, {"error": "not reported"})
        if "error" in facts:
            yield Check(name, "problem", str(facts["error"]), fix())
        elif "seconds" in facts:
            yield Check(name, "ok", f"compiled and ran in {facts['seconds']:g} s")
        else:
            yield Check(name, "ok", str(facts.get("version", "")))
