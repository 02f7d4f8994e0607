"""Checks everything in a run directory and says what would fix it. Reads only; no TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from erlctl import spec
from erlctl.errors import ErlctlError
from erlctl.runs import catalogue
from erlctl.runs.layout import RunPaths, load_object, read_run_json
from erlctl.runs.lock import is_held
from erlctl.runs.manifest import Damage
from erlctl.runs.store import leftovers
from erlctl.runs.tables import read_table

_RESUME = "rerun the train line: it uses the checkpoint before and sets this one aside"
_FRESH = "restore it from a copy, or begin again with --fresh (which keeps this folder)"


@dataclass(frozen=True)
class Finding:
    """Something that is not as it was written.

    Attributes:
        path: What it is about.
        message: What is wrong.
        fix: What to do; "" if nothing need be done.
        is_damage: Whether data were lost, as against leftovers that the next start clears up.
    """

    path: Path
    message: str
    fix: str = ""
    is_damage: bool = True


def check(paths: RunPaths) -> list[Finding]:
    """Return everything that is wrong with a run directory; empty if it is sound.

    A run that a process is writing to may show leftovers and torn last lines: no damage.
    """
    return [*_spec(paths), *_run_json(paths), *_checkpoints(paths), *_tables(paths),
            *_leftovers(paths)]


def _spec(paths: RunPaths) -> Iterator[Finding]:
    if not paths.spec.exists() and not paths.run_json.exists():
        return  # killed before it began
    try:
        spec.load_run(paths.spec)
    except (ErlctlError, OSError) as error:
        yield Finding(paths.spec, str(error), _FRESH)


def _run_json(paths: RunPaths) -> Iterator[Finding]:
    try:
        load_object(paths.run_json)
    except FileNotFoundError:
        return  # pending
    except (OSError, ValueError, RecursionError) as error:
        yield Finding(paths.run_json, f"cannot be read: {error}",
                      "rerun the train line: it sets the file aside and writes a new one")
        return
    problem = read_run_json(paths).get("problem")
    if problem:
        yield Finding(paths.run_json, str(problem), "rerun the train line")


def _checkpoints(paths: RunPaths) -> Iterator[Finding]:
    full = catalogue.list_checkpoints(paths)
    bad = dict(_damaged(full))
    for folder, reason in bad.items():
        is_last = len(bad) == len(full)
        yield Finding(folder, reason, _FRESH if is_last else _RESUME)
    for folder, reason in _damaged(catalogue.list_checkpoints(paths, resumable=False)):
        yield Finding(folder, reason, "use another checkpoint for evaluation")
    for folder in catalogue.damaged_before(paths):
        yield Finding(folder, "was set aside by a resume", "remove it when nobody needs it",
                      is_damage=False)
    if not full and read_run_json(paths).get("checkpoint") is not None:
        yield Finding(paths.checkpoints, "run.json tells of a checkpoint, there is none", _FRESH)


def _damaged(folders: list[Path]) -> Iterator[tuple[Path, str]]:
    for folder in folders:
        try:
            catalogue.read_verified(folder)
        except (Damage, ErlctlError) as error:
            yield folder, str(error)


def _tables(paths: RunPaths) -> Iterator[Finding]:
    is_written = is_held(paths.lock)
    for path in (paths.progress, paths.evaluations, paths.monitor):
        if not path.exists() and not path.is_symlink():
            continue
        table = read_table(path)
        for problem in table.problems:
            is_torn_only = "torn last line" in problem
            yield Finding(path, problem, "rerun the train line: rows since the last checkpoint are "
                          "written again", is_damage=not (is_torn_only or is_written))
        steps = table.columns.get("step")
        if steps is not None and np.any(np.diff(steps) < 0):
            yield Finding(path, "steps go back", _FRESH)


def _leftovers(paths: RunPaths) -> Iterator[Finding]:
    if is_held(paths.lock):
        return
    for path in leftovers(paths.root, paths.checkpoints):
        yield Finding(path, "left by a process that died or could not remove it",
                      "the next start removes it", is_damage=False)
