"""Where the files of a run are, and which runs lie below a path. No TensorFlow.

    <runs-dir>/<name>/<variant>/seed-<n>/
        spec.yaml  run.json  progress.csv  evaluations.csv  monitor.csv  log.txt  .lock
        tensorboard/  checkpoints/<step>/  checkpoints/latest  checkpoints/best  policy/

Everything is found by name and relative to the run's own folder, so a run can be moved or copied.
"""

from __future__ import annotations

import glob
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from erlctl.runs.lock import is_held

STATUSES = ("pending", "running", "complete", "failed", "interrupted", "diverged")
RUN_JSON_SCHEMA = 1

_SEED_FOLDER = re.compile(r"seed-(\d+)")
_MOVED_ASIDE = re.compile(r"seed-\d+\.\d{8}T\d{6}Z.*")
_LEVELS_BELOW_RUNS_DIR = 3  # name / variant / seed
_MAX_RUN_JSON_BYTES = 16 * 2**20  # ours are a few KB; a colleague's folder may hold anything


class NamedRun(Protocol):
    """The part of a resolved spec that names its folder."""

    @property
    def name(self) -> str:
        """Folder below the runs directory."""

    @property
    def variant(self) -> str:
        """Folder below the name."""

    @property
    def seed(self) -> int:
        """Number of the folder below the variant."""


def label_of(run: NamedRun) -> str:
    """Return how a run is called in messages: its folder below the runs directory."""
    return f"{run.name}/{run.variant}/seed-{run.seed}"


@dataclass(frozen=True)
class RunPaths:
    """The files of one run.

    Attributes:
        root: `<runs-dir>/<name>/<variant>/seed-<n>`.
    """

    root: Path

    @classmethod
    def of(cls, runs_dir: Path, run: NamedRun) -> RunPaths:
        """Return where `run` lives below `runs_dir`."""
        return cls(Path(runs_dir) / label_of(run))

    @property
    def spec(self) -> Path:
        """The resolved spec of this run."""
        return self.root / "spec.yaml"

    @property
    def run_json(self) -> Path:
        """Identity, status and history."""
        return self.root / "run.json"

    @property
    def progress(self) -> Path:
        """One row per logging interval."""
        return self.root / "progress.csv"

    @property
    def evaluations(self) -> Path:
        """One row per evaluated episode."""
        return self.root / "evaluations.csv"

    @property
    def monitor(self) -> Path:
        """One row per training episode, in stable-baselines3's monitor format."""
        return self.root / "monitor.csv"

    @property
    def tensorboard(self) -> Path:
        """Folder of the one event file."""
        return self.root / "tensorboard"

    @property
    def log(self) -> Path:
        """What the run said."""
        return self.root / "log.txt"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.root / "checkpoints"

    @property
    def policy(self) -> Path:
        """The greedy policy as a SavedModel."""
        return self.root / "policy"

    @property
    def lock(self) -> Path:
        """Held while a process writes here."""
        return self.root / ".lock"

    @property
    def latest(self) -> Path:
        """Text file with the newest checkpoint's step; a hint, readers verify."""
        return self.checkpoints / "latest"

    @property
    def best(self) -> Path:
        """Text file with the step of the best evaluated checkpoint; a hint, readers verify."""
        return self.checkpoints / "best"

    def checkpoint(self, step: int, resumable: bool = True) -> Path:
        """Return a checkpoint's folder; weights alone may share a step with a full one."""
        return self.checkpoints / (f"{step:09d}" if resumable else f"{step:09d}.weights")

    def __str__(self) -> str:
        return str(self.root)


@dataclass(frozen=True)
class FoundRuns:
    """What lies below some paths.

    Attributes:
        runs: Run directories, each once, in the order of the paths, then by name and seed.
        skipped: Folders that are no run directory, each with the reason.
    """

    runs: list[RunPaths] = field(default_factory=list)
    skipped: list[tuple[Path, str]] = field(default_factory=list)


def find_runs(paths: Iterable[str | Path]) -> FoundRuns:
    """Return the runs at or below `paths`.

    Args:
        paths: Each a run, a variant, an experiment, a runs directory or a glob of those.

    Returns:
        The runs and what was passed over; a path that does not exist is in `skipped`.
    """
    found = FoundRuns()
    seen: set[str] = set()
    for path in _expand(paths, found):
        fresh: list[RunPaths] = []
        if not _collect(path, _LEVELS_BELOW_RUNS_DIR, fresh, found, is_given=True):
            found.skipped.append((path, "no run directory here"))
        for run in fresh:
            real = os.path.realpath(run.root)
            if real not in seen:
                seen.add(real)
                found.runs.append(run)
    return found


def _expand(paths: Iterable[str | Path], found: FoundRuns) -> Iterator[Path]:
    for path in paths:
        text = os.fspath(path)
        if os.path.lexists(text):
            yield Path(text)
        elif glob.has_magic(text):
            matches = sorted(glob.glob(text), key=_natural)  # noqa: PTH207 - may be absolute
            if not matches:
                found.skipped.append((Path(text), "nothing matches"))
            yield from map(Path, matches)
        else:
            found.skipped.append((Path(text), "no such file or directory"))


def _collect(
    path: Path, levels: int, runs: list[RunPaths], found: FoundRuns, *, is_given: bool = False
) -> bool:
    """Add the runs at or below `path` to `runs`; return whether `path` is accounted for."""
    name = path.resolve().name if is_given else path.name  # "." is a path as well
    if _is_run(path, name, is_given=is_given):
        runs.append(RunPaths(path))
        return True
    if _SEED_FOLDER.fullmatch(name) and not is_given:
        found.skipped.append((path, "neither run.json nor spec.yaml"))
        return True
    if levels == 0:
        return False
    try:
        with os.scandir(path) as entries:
            children = sorted(entries, key=lambda entry: _natural(entry.name))
    except OSError as error:
        found.skipped.append((path, error.strerror or str(error)))
        return True
    return _collect_children(path, children, levels, runs, found)


def _collect_children(
    path: Path, children: list[os.DirEntry[str]], levels: int, runs: list[RunPaths],
    found: FoundRuns,
) -> bool:
    has_any = False
    foreign: list[Path] = []
    for entry in children:
        child = path / entry.name
        if _MOVED_ASIDE.fullmatch(entry.name):
            found.skipped.append((child, "moved aside by --fresh"))
            has_any = True
        elif entry.is_symlink():
            if entry.is_dir():  # may point anywhere: only what was named by the user is followed
                found.skipped.append((child, "symbolic link; name its target itself"))
                has_any = True
        elif entry.is_dir():
            if _collect(child, levels - 1, runs, found):
                has_any = True
            else:
                foreign.append(child)
    if has_any:  # else the folder as a whole is reported, by whoever looked into it
        found.skipped.extend((child, "no run directory here") for child in foreign)
    return has_any


def _is_run(path: Path, name: str, *, is_given: bool) -> bool:
    """A run directory named by the user may have been renamed; one that is found may not."""
    has_run_json, has_spec = ((path / each).is_file() for each in ("run.json", "spec.yaml"))
    if _SEED_FOLDER.fullmatch(name):
        return has_run_json or has_spec
    return is_given and has_run_json and has_spec


def _natural(text: str) -> list[tuple[int, int | str]]:
    """Sort key that puts seed-2 before seed-10."""
    parts = re.split(r"(\d+)", text)
    return [(0, int(part)) if part.isdigit() else (1, part) for part in parts if part]


def read_run_json(paths: RunPaths) -> dict[str, Any]:
    """Return run.json with a status that is true now.

    Returns:
        The keys of the file. `status` is one of `STATUSES`: "running" without a held lock is
        "interrupted" (the process died), no run.json is "pending". `name`, `variant` and `seed`
        are taken from the folder names where the file lacks them; `problem` says what is wrong
        with a file that cannot be read. Never raises for what the file holds.
    """
    problem: str | None = None
    facts: dict[str, Any] = {}
    try:
        facts = load_object(paths.run_json)
    except FileNotFoundError:
        facts = {"status": "pending", "reason": None, "step": 0}
    except (OSError, ValueError, RecursionError) as error:
        problem = f"run.json cannot be read: {error}"
    status = facts.get("status")
    if problem is None and status not in STATUSES:
        problem = f"run.json: status is {status!r}, expected one of {', '.join(STATUSES)}"
    if problem is not None:
        facts.update(status="interrupted", reason=problem, problem=problem)
    if facts["status"] == "running" and not is_held(paths.lock):
        facts.update(status="interrupted", reason="the process ended without saying why")
    for key, value in _names_from_folders(paths.root).items():
        facts.setdefault(key, value)
    return facts


def load_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a regular file of reasonable size.

    Raises:
        OSError: It is not there or cannot be read.
        ValueError: It holds something else.
    """
    status = os.lstat(path)
    if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_RUN_JSON_BYTES:
        raise ValueError(f"expected a regular file of at most {_MAX_RUN_JSON_BYTES} bytes")
    loaded = json.loads(path.read_bytes())
    if not isinstance(loaded, dict):
        raise ValueError(f"expected an object, got {type(loaded).__name__}")
    return loaded


def _names_from_folders(root: Path) -> dict[str, Any]:
    absolute = root.absolute()
    match = _SEED_FOLDER.match(absolute.name)
    return {
        "name": absolute.parent.parent.name,
        "variant": absolute.parent.name,
        "seed": int(match.group(1)) if match else None,
    }
