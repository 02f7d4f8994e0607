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
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from erlctl.errors import DamagedError, ErlctlError
from erlctl.files import NOT_REGULAR, read_regular
from erlctl.runs.lock import is_held

STATUSES = ("pending", "running", "complete", "failed", "interrupted", "diverged")
RUN_JSON_SCHEMA = 1
TUNING_FILE = "tuning.json"  # of a variant's folder; see `runs.tuning_file`
NOT_THERE, NOTHING_MATCHES, NO_RUN_HERE, A_FILE, MOVED_ASIDE, A_LINK = NO_DAMAGE = (
    "no such file or directory", "nothing matches", "no run directory here",
    "a file, no run directory", "moved aside by --fresh", "symbolic link; name its target itself",
)
_MAX_LISTED = 5

_SEED_FOLDER = re.compile(r"seed-(\d+)")
_MOVED_ASIDE = re.compile(r"seed-\d+\.\d{8}T\d{6}Z.*")
_LEVELS_BELOW_RUNS_DIR = 3  # name / variant / seed
_NUMBER = re.compile(r"(\d+(?:\.\d+)?(?:e[-+]?\d+)?)", re.IGNORECASE)
_MAX_NAME_LETTERS = 255  # of a folder: a longer name in run.json is not that of a run
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
        """The evaluation policy: a SavedModel, of a planner `policy.npz`."""
        return self.root / "policy"

    @property
    def notes(self) -> Path:
        """What people said about the run; see `runs.notes`."""
        return self.root / "notes.json"

    @property
    def tuning(self) -> Path:
        """What a search tried in the variant's folder; see `runs.tuning_file`."""
        return self.root.absolute().parent / TUNING_FILE

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
            found.skipped.append((path, NO_RUN_HERE))
        for run in fresh:
            real = os.path.realpath(run.root)
            if real not in seen:
                seen.add(real)
                found.runs.append(run)
    return found


def no_run(skipped: Sequence[tuple[Path, str]]) -> ErlctlError:
    """Return the error for paths below which no run was found: exit 1, or 5 where data are hurt."""
    lines = [f"  {path}: {reason}" for path, reason in skipped[:_MAX_LISTED]]
    if len(skipped) > _MAX_LISTED:
        lines.append(f"  ... and {len(skipped) - _MAX_LISTED} more")
    kind = ErlctlError if all(reason in NO_DAMAGE for _, reason in skipped) else DamagedError
    return kind("\n".join(["no run found", *lines]),
                fix="name a run, a variant, an experiment or a runs directory")


def _expand(paths: Iterable[str | Path], found: FoundRuns) -> Iterator[Path]:
    for path in paths:
        text = os.fspath(path)
        if os.path.lexists(text):
            yield Path(text)
        elif glob.has_magic(text):
            matches = sorted(glob.glob(text), key=natural)  # noqa: PTH207 - may be absolute
            if not matches:
                found.skipped.append((Path(text), NOTHING_MATCHES))
            yield from map(Path, matches)
        else:
            found.skipped.append((Path(text), NOT_THERE))


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
            children = sorted(entries, key=lambda entry: natural(entry.name))
    except NotADirectoryError:
        found.skipped.append((path, A_FILE))
        return True
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
        if entry.name.startswith("."):  # no name of a run: what launchers keep
            continue
        if _MOVED_ASIDE.fullmatch(entry.name):
            found.skipped.append((child, MOVED_ASIDE))
            has_any = True
        elif entry.is_symlink():
            if entry.is_dir():  # may point anywhere: only what was named by the user is followed
                found.skipped.append((child, A_LINK))
                has_any = True
        elif entry.is_dir():
            if _collect(child, levels - 1, runs, found):
                has_any = True
            else:
                foreign.append(child)
    if has_any:  # else the folder as a whole is reported, by whoever looked into it
        found.skipped.extend((child, NO_RUN_HERE) for child in foreign)
    return has_any


def _is_run(path: Path, name: str, *, is_given: bool) -> bool:
    """A run directory named by the user may have been renamed; one that is found may not."""
    has_run_json, has_spec = ((path / each).is_file() for each in ("run.json", "spec.yaml"))
    if _SEED_FOLDER.fullmatch(name):
        return has_run_json or has_spec
    return is_given and has_run_json and has_spec


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
    for key, (value, is_sound) in _names_from_folders(paths.root).items():
        if not is_sound(facts.get(key)):
            facts[key] = value
    return facts


def load_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a regular file of reasonable size, as text that can be printed.

    Raises:
        OSError: It is not there or cannot be read.
        ValueError: It holds something else.
    """
    try:
        loaded = json.loads(read_regular(path, _MAX_RUN_JSON_BYTES))
    except OSError as error:
        if error.errno not in NOT_REGULAR:
            raise
        raise ValueError(error.strerror) from error
    if not isinstance(loaded, dict):
        raise ValueError(f"expected an object, got {type(loaded).__name__}")
    return {str(_printable(key)): _printable(value) for key, value in loaded.items()}


def _printable(value: Any) -> Any:
    """Half a surrogate pair, which JSON can hold and no output can take, becomes its escape."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [_printable(item) for item in value]
    if isinstance(value, dict):
        return {str(_printable(key)): _printable(item) for key, item in value.items()}
    return value


def _names_from_folders(root: Path) -> dict[str, tuple[Any, Callable[[object], bool]]]:
    """What the folders say, and whether a value in run.json may stand in its place."""
    absolute = Path(os.fsencode(root.absolute()).decode("utf-8", "backslashreplace"))
    match = _SEED_FOLDER.match(absolute.name)
    return {
        "name": (absolute.parent.parent.name, _is_name),
        "variant": (absolute.parent.name, _is_name),
        "seed": (int(match.group(1)) if match else None, lambda seed: whole(seed) is not None),
    }


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _MAX_NAME_LETTERS


def whole(value: object) -> int | None:
    """Return a count or a seed, None for all that damaged or foreign files hold in its place."""
    is_whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    return value if is_whole else None  # type: ignore[return-value]


def natural(text: str) -> list[tuple[int, float, str]]:
    """Return a sort key that puts seed-2 before seed-10, 0.03 before 0.1 and 1e-05 before both."""
    parts = enumerate(_NUMBER.split(text))
    return [(0, float(part), "") if i % 2 else (1, 0.0, part) for i, part in parts if part]
