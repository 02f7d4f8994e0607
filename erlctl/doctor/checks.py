"""What `erlctl doctor` looks at: versions, the known traps of this stack, the machine.

Every check answers with one line and, where something is wrong, with the exact command that mends
it. Versions are read from the installed packages' metadata; what must be imported to be known is
asked of `doctor.probe` in a process of its own.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from erlctl import compiled_cache
from erlctl.launch import machine
from erlctl.launch.process import python_command, worker_environment
from erlctl.runs.preflight import available_memory
from erlctl.tensorflow_setup import settings

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


# Packages whose own demands erlctl's lock overrides: what tf-agents 0.19 pins has no wheels today.
_OVERRIDDEN = frozenset({"tf-agents"})


def examine(runs_dir: Path) -> Iterator[Check]:
    """Yield every check, quick ones first; the last ones import TensorFlow in another process."""
    yield _python()
    yield from map(_version, _requirements("erlctl"))
    yield from _machine(runs_dir)
    yield from _probed(run_probe())


def _pip(*requirements: str) -> str:
    return shlex.join([sys.executable, "-m", "pip", "install", *requirements])


def _python() -> Check:
    found, wanted = platform.python_version(), metadata.metadata("erlctl")["Requires-Python"]
    if SpecifierSet(wanted).contains(found):
        return Check("python", "ok", found)
    return Check("python", "problem", f"{found}; erlctl needs {wanted}",
                 "make install PYTHON=/path/to/another/python")


def _requirements(distribution: str) -> list[Requirement]:
    """Return what a package demands here, without its extras."""
    demands = map(Requirement, metadata.requires(distribution) or ())
    return [each for each in demands
            if each.marker is None or each.marker.evaluate({"extra": ""})]


def _version(requirement: Requirement) -> Check:
    """Check a package that erlctl needs, and what that one needs of the others."""
    name, wanted = requirement.name, f"{requirement.name}{requirement.specifier}"
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Check(name, "problem", "not installed", _pip(wanted))
    if not requirement.specifier.contains(found, prereleases=True):
        return Check(name, "problem", f"{found}; erlctl needs {requirement.specifier}",
                     _pip(wanted))
    for needed in () if name in _OVERRIDDEN else _requirements(name):
        installed = _installed(needed.name)
        if not installed or not needed.specifier.contains(installed, prereleases=True):
            needs = f"{needed.name}{needed.specifier}"
            return Check(name, "problem", f"{found} needs {needs}; there is "
                         f"{installed or 'none'}", _pip(needs))
    return Check(name, "ok", found)


def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


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
    yield _compiled_programs()
    if os.access(folder, os.W_OK | os.X_OK):
        yield Check("runs directory", "ok", f"{runs_dir} can be written")
    else:
        yield Check("runs directory", "problem", f"{folder} cannot be written",
                    f"chmod u+wx {shlex.quote(str(folder))}, or name another with --runs-dir")


def _compiled_programs() -> Check:
    try:
        cache = compiled_cache.find({**os.environ, **settings(os.environ)})
    except OSError as error:
        return Check("compiled programs", "warning", f"not kept, every process compiles: {error}",
                     f"{compiled_cache.VARIABLE}=/a/folder of your own, or off")
    if cache is None:
        return Check("compiled programs", "ok", "not kept")
    size = sum(path.stat().st_size for path in cache.entries())
    return Check("compiled programs", "ok",
                 f"{len(cache.entries())} kept, {size / 1e6:.1f} MB, in {cache.folder}")


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
            command, env=worker_environment(device="gpu"), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, errors="replace", timeout=_PROBE_SECONDS, check=False,
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
    "xla": ("XLA on this machine", lambda: "set `training: {compile: graph}` in the spec"),
    "device": ("device", lambda: _pip("tensorflow[and-cuda]")),
    "keras": ("Keras 2 for TensorFlow", lambda: _pip("tf_keras")),
    "tf_agents": ("tf-agents imports", lambda: _pip("--no-deps", "tf-agents==0.19.0")),
}


def _probed(report: Mapping[str, Any]) -> Iterator[Check]:
    if isinstance(report.get("error"), str):
        yield Check("TensorFlow", "problem", f"the test process {report['error']}",
                    _pip("--force-reinstall", "--no-deps", "tensorflow"))
        return
    for key, (name, fix) in _PROBED.items():
        facts = report.get(key, {"error": "not reported"})
        if "error" in facts:
            yield Check(name, "problem", str(facts["error"]), fix())
        elif "seconds" in facts:
            yield Check(name, "ok", f"compiled and ran in {facts['seconds']:g} s")
        else:
            yield Check(name, "ok", str(facts.get("version", "")))
