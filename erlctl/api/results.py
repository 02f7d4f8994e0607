"""`erlctl.load`: runs on the disk as tables of pandas."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from erlctl.analysis import load as loading
from erlctl.analysis.data import EVALUATION, PROGRESS, Run, find_metric
from erlctl.analysis.scores import Scoring, score
from erlctl.analysis.selection import Selection
from erlctl.errors import ErlctlError
from erlctl.runs.layout import RunPaths, no_run
from erlctl.runs.tables import read_table

if TYPE_CHECKING:
    import pandas as pd

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]
_COUNTS = ("step", "episode", "length", "updates", "episodes")


def load(paths: Paths = "runs", *, variant: str | Sequence[str] = (),
         where: Mapping[str, Any] | Sequence[str] = ()) -> Runs:
    """Return the runs at or below `paths`, those of Stable-Baselines3 and CleanRL too.

    Args:
        paths: One or more: a run, a variant, an experiment, a runs directory or a glob.
        variant: Names or globs; only these.
        where: {"agent.gamma": 0.95} or ["agent.gamma=0.95"]; only runs whose spec says so.

    Raises:
        ErlctlError: There is none, or none is selected.
    """
    given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    loaded = loading.load([os.fspath(path) for path in given])
    if not loaded.runs:
        raise no_run(loaded.skipped)
    variants = (variant,) if isinstance(variant, str) else variant
    selection = Selection.parse(variants, () if isinstance(where, Mapping) else where)
    if isinstance(where, Mapping):
        selection = replace(selection, conditions=tuple(where.items()))
    return Runs(selection.of(loaded))


@dataclass(frozen=True)
class Runs:
    """Runs on the disk. Their tables are read when they are asked for, and never written.

    Every table begins with what the run is: `name`, `variant`, `seed`, `environment`, `algorithm`.

    Attributes:
        loaded: What was found, as `erlctl.analysis` takes it.
    """

    loaded: loading.Loaded

    @property
    def runs(self) -> list[Run]:
        """The runs: what functions of `erlctl.analysis.figures` take."""
        return self.loaded.runs

    @property
    def paths(self) -> list[Path]:
        """Their directories."""
        return [run.path for run in self.runs]

    @property
    def skipped(self) -> list[tuple[Path, str]]:
        """What lay there and is no run, with the reason."""
        return self.loaded.skipped

    def __len__(self) -> int:
        return len(self.runs)

    def __repr__(self) -> str:
        variants = dict.fromkeys(f"{run.experiment}/{run.variant}" for run in self.runs)
        return f"<{len(self)} runs of {', '.join(variants)}>"

    def evaluations(self) -> pd.DataFrame:
        """Return one row per evaluated episode: step, episode, return, length, wall_seconds.

        Raises:
            ErlctlError: pandas is not installed.
        """
        return _frame((run, run.table(EVALUATION)) for run in self.runs)

    def progress(self) -> pd.DataFrame:
        """Return one row per logging interval: step and the columns of progress.csv.

        Raises:
            ErlctlError: pandas is not installed.
        """
        return _frame((run, run.table(PROGRESS)) for run in self.runs)

    def episodes(self) -> pd.DataFrame:
        """Return one row per training episode: step, episode, return, length, wall_seconds.

        `step` counts the steps of the episodes that have ended: with one environment, the step at
        which the episode ended. Runs of other programs have no rows.

        Raises:
            ErlctlError: pandas is not installed.
        """
        return _frame((run, _episodes(run)) for run in self.runs)

    def table(
        self, *, metric: str = "return", score: str = "final", at: int | None = None, last: int = 1,
        threshold: float | None = None, include_unfinished: bool = False,
    ) -> pd.DataFrame:
        """Return one row per run with its score, as `erlctl compare` makes it.

        Args:
            metric: Column of the tables.
            score: "final", "best", "area" or "steps" (to `threshold`).
            at: Score at this step.
            last: Final score = mean of the last so many evaluations or rows.
            threshold: In units of the metric.
            include_unfinished: Use unfinished runs as far as they came.

        Returns:
            Columns `path`, `status`, `step`, `score`, `best`, `area`, `excluded` (why a run has no
            score) and `note` beside what the run is.

        Raises:
            ErlctlError: pandas is not installed.
            UnknownNameError: No run has such a column.
        """
        scoring = Scoring(metric=find_metric(metric, self.runs), kind=score, at=at, last=last,
                          threshold=threshold, include_unfinished=include_unfinished)
        return _pandas().DataFrame([_score_row(run, scoring) for run in self.runs])


def _score_row(run: Run, scoring: Scoring) -> dict[str, Any]:
    found = score(run, scoring)
    return {
        **_identity(run), "path": str(run.path), "status": run.status, "step": run.step,
        "score": found.value, "best": found.best, "area": found.area,
        "excluded": found.excluded, "note": found.note,
    }


def _episodes(run: Run) -> Mapping[str, Any]:
    if run.source != "erlctl":
        return {}
    columns = read_table(RunPaths(run.path).monitor).columns
    if not {"r", "l", "t"} <= set(columns):
        return {}
    return {
        "step": np.cumsum(columns["l"]), "episode": np.arange(len(columns["l"])),
        "return": columns["r"], "length": columns["l"], "wall_seconds": columns["t"],
    }


def _identity(run: Run) -> dict[str, Any]:
    return {"name": run.experiment, "variant": run.variant, "seed": run.seed,
            "environment": run.environment, "algorithm": run.algorithm}


def _frame(tables: Iterable[tuple[Run, Mapping[str, Any]]]) -> pd.DataFrame:
    """Return the tables below each other, with what each run is; steps and counts are integers."""
    pandas = _pandas()
    frames, columns = [], ["name", "variant", "seed", "environment", "algorithm"]
    for run, table in tables:
        size = len(next(iter(table.values()), ()))
        columns += [name for name in table if name not in columns]
        if size:
            frames.append(pandas.DataFrame({
                **{name: [value] * size for name, value in _identity(run).items()}, **table}))
    if not frames:
        return pandas.DataFrame(columns=columns)
    frame = pandas.concat(frames, ignore_index=True)[columns]
    whole = [name for name in _COUNTS if name in frame and np.isfinite(frame[name]).all()]
    return frame.astype(dict.fromkeys(whole, np.int64))


def _pandas() -> Any:
    try:
        return importlib.import_module("pandas")
    except ImportError as error:
        raise ErlctlError(
            "tables of runs are given as pandas.DataFrame, and pandas is not installed",
            fix="pip install 'erlctl[pandas]'",
        ) from error
