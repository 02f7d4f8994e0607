"""Curves of several runs on one axis; gaps stay gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from erlctl.analysis.data import Metric, Run
from erlctl.analysis.intervals import curve_interval
from erlctl.analysis.statistics import STATISTICS, Floats

MAX_POINTS = 200
_SPARSE = 0.5


@dataclass(frozen=True)
class Aligned:
    """Curves of the runs of one variant on common x values.

    Attributes:
        x: Steps or seconds, [points].
        values: [runs, points]; nan before the first and after the last value of a run, and in gaps.
        has_infinite: Whether infinite values are among the gaps.
    """

    x: Floats
    values: Floats
    has_infinite: bool = False

    @property
    def counts(self) -> Floats:
        """How many runs have a value, [points]."""
        return np.isfinite(self.values).sum(axis=0)

    @property
    def runs_shown(self) -> set[int]:
        """The largest and the smallest number of runs that a point of the line stands for."""
        counts = self.counts[self.counts > 0]
        return {int(counts.min()), int(counts.max())} if counts.size else set()

    def centre(self, statistic: str) -> Floats:
        """Return the statistic over the runs that have a value, [points]; nan where none has.

        Below `MIN_RUNS_IQM` runs the IQM does not exist: there it is nan.
        """
        result = np.full(self.x.shape, np.nan)
        ordered = np.sort(self.values, axis=0)  # nan last
        for count in np.unique(self.counts[self.counts > 0]):
            points = np.flatnonzero(self.counts == count)
            result[points] = STATISTICS[statistic](ordered[:count, points].T)
        return result

    def interval(self, statistic: str) -> tuple[Floats, Floats]:
        """Return the 95 % interval over runs at every point; nan where runs are too few."""
        return curve_interval(self.values, statistic)


def align(
    runs: Sequence[Run], metric: Metric, *, by_wall_time: bool = False, smooth: int = 1
) -> Aligned:
    """Return the curves of `runs` on the union of their steps, or on a grid where steps differ.

    Evaluations of equal specs share their steps: then every value is a measured one. Otherwise
    (wall time, other programs) values are interpolated linearly, never beyond the ends of a run
    and never over a value that is not finite.

    Args:
        runs: Runs of one variant.
        metric: What is drawn.
        by_wall_time: Use the training time in seconds as x.
        smooth: Number of points of the trailing moving average; 1 for none.
    """
    curves, has_infinite = [], False
    for run in runs:
        steps, values = run.curve(metric)
        x = run.wall_seconds_at(steps) if by_wall_time else steps
        known = np.isfinite(x)
        has_infinite |= bool(np.isinf(values[known]).any())
        x, values = x[known], np.where(np.isfinite(values), values, np.nan)[known]
        if x.size:
            curves.append((x, moving_average(values, smooth)))
    if not curves:
        return Aligned(np.empty(0), np.empty((0, 0)))
    union = np.unique(np.concatenate([x for x, _ in curves]))
    is_shared = sum(x.size for x, _ in curves) >= _SPARSE * union.size * len(curves)
    if is_shared and not by_wall_time:
        placed = np.stack([_placed(x, values, union) for x, values in curves])
        return Aligned(union, placed, has_infinite)
    points = min(MAX_POINTS, max(x.size for x, _ in curves))
    grid = np.linspace(union[0], union[-1], max(points, 2)) if union.size > 1 else union
    interpolated = np.stack([_interpolated(x, values, grid) for x, values in curves])
    return Aligned(grid, interpolated, has_infinite)


def moving_average(values: Floats, points: int) -> Floats:
    """Return the mean of each value and those before it, `points` in all; nan are left out."""
    if points <= 1:
        return values
    known = np.isfinite(values)
    sums = np.cumsum(np.where(known, values, 0.0))
    counts = np.cumsum(known).astype(float)
    sums[points:] = sums[points:] - sums[:-points]
    counts[points:] = counts[points:] - counts[:-points]
    return np.where(known, sums / np.maximum(counts, 1.0), np.nan)


def _placed(x: Floats, values: Floats, union: Floats) -> Floats:
    row = np.full(union.shape, np.nan)
    row[np.searchsorted(union, x)] = values
    return row


def _interpolated(x: Floats, values: Floats, grid: Floats) -> Floats:
    return np.interp(grid, x, values, left=np.nan, right=np.nan)  # nan spreads to its neighbours
