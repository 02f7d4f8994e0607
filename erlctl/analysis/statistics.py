"""Numbers that summarise the scores of runs. Pure functions, vectorised over leading axes.

`scores` has shape [..., runs]: one score per run, never one per episode, because runs are what is
repeated. Functions of several environments take one such array per environment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]

MIN_RUNS_IQM = 4  # below, a quarter of the runs is less than one run: nothing would be trimmed


def mean(scores: Floats) -> Floats:
    """Return the mean over runs, [..., runs] -> [...]."""
    return np.mean(scores, axis=-1)


def median(scores: Floats) -> Floats:
    """Return the median over runs, [..., runs] -> [...]."""
    return np.median(scores, axis=-1)


def iqm(scores: Floats) -> Floats:
    """Return the interquartile mean: the mean of the middle half of the runs.

    floor(n / 4) runs are cut off at each end (Agarwal et al. 2021, arXiv:2108.13264; the same as
    `scipy.stats.trim_mean(scores, 0.25)`). Below `MIN_RUNS_IQM` runs it would be the plain mean,
    so nothing may be called by this name there: the result is nan.
    """
    num_runs = scores.shape[-1]
    if num_runs < MIN_RUNS_IQM:
        return np.full(scores.shape[:-1], np.nan)
    cut = num_runs // 4
    return np.mean(np.sort(scores, axis=-1)[..., cut : num_runs - cut], axis=-1)


def standard_deviation(scores: Floats) -> Floats:
    """Return the sample standard deviation (n - 1) over runs; nan below two runs."""
    if scores.shape[-1] < 2:
        return np.full(scores.shape[:-1], np.nan)
    in_units, exponent = in_powers_of_two(scores, axis=-1)
    return np.ldexp(np.std(in_units, axis=-1, ddof=1), exponent)


def in_powers_of_two(values: Floats, axis: int) -> tuple[Floats, NDArray[np.int32]]:
    """Return `values` over the power of two that brings them into [-1, 1], and its exponent.

    Their squares and cubes neither vanish nor overflow, and the division is exact: that of a power
    of two, undone by `np.ldexp(result, exponent)`.

    Args:
        values: Finite.
        axis: Along which values share an exponent; the exponents lack this axis.
    """
    _, exponent = np.frexp(np.max(np.abs(values), axis=axis))
    return np.ldexp(values, -np.expand_dims(exponent, axis)), exponent


def optimality_gap(scores: Floats, target: float = 1.0) -> Floats:
    """Return by how much the runs miss `target` on average; what exceeds it does not count.

    Args:
        scores: Normalised scores, [..., runs].
        target: The score that counts as solved, in the same units.
    """
    return target - np.mean(np.minimum(scores, target), axis=-1)


STATISTICS: Mapping[str, Statistic] = {"mean": mean, "iqm": iqm, "median": median}


def aggregate_mean(strata: Sequence[Floats]) -> Floats:
    """Return the mean over environments of the mean over runs."""
    return np.mean([mean(scores) for scores in strata], axis=0)


def aggregate_median(strata: Sequence[Floats]) -> Floats:
    """Return the median over environments of the mean over runs."""
    return np.median([mean(scores) for scores in strata], axis=0)


def aggregate_iqm(strata: Sequence[Floats]) -> Floats:
    """Return the interquartile mean over all runs of all environments together."""
    return iqm(np.concatenate(strata, axis=-1))


def aggregate_optimality_gap(strata: Sequence[Floats]) -> Floats:
    """Return the optimality gap over all runs of all environments together."""
    return optimality_gap(np.concatenate(strata, axis=-1))


AGGREGATES: Mapping[str, Callable[[Sequence[Floats]], Floats]] = {
    "mean": aggregate_mean,
    "iqm": aggregate_iqm,
    "median": aggregate_median,
    "optimality_gap": aggregate_optimality_gap,
}


def probability_of_improvement(a: Floats, b: Floats) -> Floats:
    """Return P(a run of `a` scores more than a run of `b`), ties counted half.

    The Mann-Whitney U statistic divided by the number of pairs.

    Args:
        a: Scores, [..., n].
        b: Scores, [..., m], same leading axes.
    """
    x, y = a[..., :, None], b[..., None, :]  # compared, not subtracted: inf - inf is nan, no tie
    return np.mean((x > y) + 0.5 * (x == y), axis=(-2, -1))


def performance_profile(scores: Floats, thresholds: Floats) -> Floats:
    """Return the fraction of runs that score more than each threshold.

    Args:
        scores: [..., runs].
        thresholds: [thresholds].

    Returns:
        [..., thresholds]; falls from 1 to 0.
    """
    return np.mean(scores[..., None, :] > thresholds[:, None], axis=-1)


def area_under_curve(steps: Floats, values: Floats) -> float:
    """Return the time average of a curve: trapezoids, divided by the length of the axis.

    In units of `values`, so that curves of different length can be read; nan below two points.
    Points that are not finite are left out, a gap is bridged by a straight line.
    """
    known = np.isfinite(values)
    x, y = steps[known], values[known]
    if x.size < 2 or x[-1] <= x[0]:
        return float("nan")
    # Neither np.trapz nor np.trapezoid is in every NumPy from 1.24 to 2.x.
    return float(np.sum(np.diff(x) * (y[1:] + y[:-1])) / 2 / (x[-1] - x[0]))


def steps_to_threshold(steps: Floats, values: Floats, threshold: float) -> float:
    """Return the first step at which the curve is at or above `threshold`; inf if it never is."""
    reached = np.flatnonzero(values >= threshold)
    return float(steps[reached[0]]) if reached.size else float("inf")
