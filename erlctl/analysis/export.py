"""Runs in the formats of other programs; the runs themselves are only read."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from erlctl.analysis.data import EVALUATION, PROGRESS, Columns, Run
from erlctl.errors import ErlctlError
from erlctl.files import read_regular
from erlctl.runs import layout

_MAX_NAME = 200
_MAX_MONITOR_BYTES = 512 * 2**20
_IDENTITY = ("experiment", "environment", "variant", "algorithm", "seed", "status")


def to_stable_baselines3(runs: Sequence[Run], folder: Path) -> list[Path]:
    """Write <folder>/<variant>/<environment>_<n>/ with evaluations.npz and 0.monitor.csv.

    This is RL-Zoo's layout; its `all_plots` and Stable-Baselines3's `load_results` read it. n is
    the seed + 1, because RL-Zoo counts from 1.

    Returns:
        The folders written.

    Raises:
        ErlctlError: A folder is there already, or two runs have the same name.
    """
    written: list[Path] = []
    for run in runs:
        environment = _file_name(run.environment.partition("(")[0])
        number = (run.seed if run.seed is not None else len(written)) + 1
        target = folder / _file_name(run.variant) / f"{environment}_{number}"
        _make(target)
        arrays = _rectangular(run.table(EVALUATION))
        if arrays:
            np.savez(target / "evaluations.npz", **dict[str, Any](arrays))
        _write_monitor(run, target / "0.monitor.csv")
        settings = target / environment
        settings.mkdir()
        # What RL-Zoo keeps its arguments in; plain YAML that every loader reads.
        (settings / "args.yml").write_text(
            f"- - algo\n  - {_file_name(run.variant)}\n- - env\n  - {environment}\n"
            + (f"- - seed\n  - {run.seed}\n" if run.seed is not None else ""), "utf-8"
        )
        written.append(target)
    return written


def to_csv(runs: Sequence[Run], folder: Path) -> list[Path]:
    """Write evaluations.csv and progress.csv: the rows of all runs, each with the run's identity.

    One table each for pandas, R or a spreadsheet. Missing values are empty.

    Raises:
        ErlctlError: One of the files is there already.
    """
    _make(folder, is_shared=True)
    paths = {folder / f"{stem}.csv": table
             for stem, table in (("evaluations", EVALUATION), ("progress", PROGRESS))}
    for path in paths:
        if os.path.lexists(path):
            raise _is_there(path)
    for path, table in paths.items():
        columns: dict[str, None] = {}
        for run in runs:
            columns.update(dict.fromkeys(run.table(table)))
        with path.open("x", newline="", encoding="utf-8", errors="backslashreplace") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([*_IDENTITY, *columns])
            for run in runs:
                writer.writerows(_rows(run, run.table(table), columns))
    return list(paths)


def export(runs: Sequence[Run], target: str, folder: Path) -> list[Path]:
    """Write `runs` in the format `target`, a key of `TARGETS`; return what was written.

    Raises:
        ErlctlError: `folder` holds or belongs to runs of ours, or something is there already.
    """
    absolute = folder.absolute()
    inside = [parent for parent in (absolute, *absolute.parents)
              if (parent / "run.json").exists() and (parent / "spec.yaml").exists()]
    if inside or (folder.is_dir() and layout.find_runs([folder]).runs):
        raise ErlctlError(f"{folder} holds runs; nothing was written",
                          fix="name a folder outside of the runs directory with -o")
    return TARGETS[target](runs, folder)


TARGETS: Mapping[str, Callable[[Sequence[Run], Path], list[Path]]] = {
    "sb3": to_stable_baselines3, "csv": to_csv,
}


def _make(folder: Path, *, is_shared: bool = False) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=is_shared)
    except FileExistsError:
        raise _is_there(folder) from None
    except OSError as error:
        raise ErlctlError(f"{folder}: {error.strerror}", fix="name a folder that can be made") \
            from error


def _is_there(path: Path) -> ErlctlError:
    return ErlctlError(f"{path} is there already; nothing was overwritten",
                       fix="name another folder with -o, or move this one away")


def _file_name(text: str) -> str:
    """A name of one folder, never `..`, hidden or longer than a file system takes."""
    return re.sub(r"[^A-Za-z0-9_.,=+-]|^[.-]", "-", text)[:_MAX_NAME] or "-"


def _rectangular(columns: Columns) -> dict[str, NDArray[Any]]:
    """evaluations.npz: timesteps [k], results [k, n], ep_lengths [k, n]; {} without evaluations.

    An evaluation with fewer episodes than the others was cut off, and is left out.
    """
    if not len(columns.get("step", ())):
        return {}
    steps, counts = np.unique(columns["step"], return_counts=True)
    episodes = counts.max()
    kept = np.isin(columns["step"], steps[counts == episodes])
    order = np.argsort(columns["step"][kept], kind="stable")
    shape = (-1, episodes)
    arrays = {
        "timesteps": steps[counts == episodes].astype(np.int64),
        "results": columns["return"][kept][order].reshape(shape),
    }
    if "length" in columns:
        arrays["ep_lengths"] = columns["length"][kept][order].reshape(shape).astype(np.int64)
    return arrays


def _write_monitor(run: Run, path: Path) -> None:
    try:
        original = read_regular(run.path / "monitor.csv", _MAX_MONITOR_BYTES)
    except OSError:
        original = b""  # none, or nothing that is a monitor
    if original:  # ours is in their format already
        path.write_bytes(original)
        return
    columns = run.table(PROGRESS)
    if not {"return_mean", "length_mean", "wall_seconds"} <= set(columns):
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write(f"#{json.dumps({'t_start': 0.0, 'env_id': run.environment})}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["r", "l", "t"])
        for row in zip(*(columns[name] for name in ("return_mean", "length_mean", "wall_seconds")),
                       strict=True):
            if np.isfinite(row).all():
                writer.writerow([float(row[0]), int(row[1]), float(row[2])])


def _rows(run: Run, table: Columns, columns: Iterable[str]) -> Iterable[list[object]]:
    identity = [getattr(run, name) for name in _IDENTITY]
    length = len(next(iter(table.values()), ()))
    values = [table.get(name, np.full(length, np.nan)) for name in columns]
    for row in zip(*values, strict=True):
        yield [*("" if field is None else field for field in identity), *map(_field, row)]


def _field(value: float) -> str | float | int:
    number = float(value)
    if number != number:
        return ""
    return int(number) if number.is_integer() and abs(number) < 2**53 else number
