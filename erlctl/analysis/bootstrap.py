"""The bootstrap over runs, vectorised; same numbers in, same interval out.

Mean, interquartile mean and median are weighted sums of the sorted scores, so a resample is a row
of weights, and all resamples of all points of a curve are one matrix product.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np

from erlctl.analysis.statistics import STATISTICS, Floats

SEED = 20_210_826  # any fixed number: results must not change from one call to the next
RESAMPLES = 10_000
CONFIDENCE = 0.95

StrataStatistic = Callable[[Sequence[Floats]], Floats]


def studentised_mean(
    values: Floats, *, confidence: float = CONFIDENCE, resamples: int = RESAMPLES
) -> tuple[Floats, Floats]:
    """Return the bootstrap-t interval of the mean (Efron and Tibshirani 1993, section 12.5).

    Args:
        values: [runs, points], finite.
        confidence: In (0, 1).
        resamples: Number of bootstrap samples.

    Returns:
        Lower and upper ends, [points]; infinite where too many resamples are one run repeated,
        which happens with many ties, and nan where the runs differ by less than about 1e-162.
    """
    num_runs = len(values)
    centred = values - values.mean(axis=0)
    weights = _resampled_weights("mean", num_runs, resamples)
    in_order = np.sort(centred, axis=0)
    deviation = weights @ in_order
    variance = np.maximum(weights @ in_order**2 - deviation**2, 0.0)
    spread = np.sqrt(np.mean(centred**2, axis=0))
    is_flat = np.sqrt(variance) <= 1e-9 * spread  # rounding makes the spread of ties tiny, not 0
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(is_flat, np.sign(deviation) * np.inf, deviation / np.sqrt(variance))
    t = np.sort(np.nan_to_num(t, nan=0.0, posinf=np.inf, neginf=-np.inf), axis=0)
    tail = (1 - confidence) / 2 * (resamples - 1)
    # No interpolation between order statistics: it would mix infinities.
    low_t, high_t = t[int(np.floor(tail))], t[int(np.ceil(resamples - 1 - tail))]
    centre = values.mean(axis=0)
    with np.errstate(invalid="ignore"):  # nan where squares of tiny deviations all become 0
        return centre - high_t * spread, centre - low_t * spread


def bca(
    values: Floats, statistic: str, *, confidence: float = CONFIDENCE, resamples: int = RESAMPLES
) -> tuple[Floats, Floats]:
    """Return the bias-corrected and accelerated interval (Efron 1987) of one environment.

    Args:
        values: [runs, points], finite.
        statistic: A key of `statistics.STATISTICS`.
        confidence: In (0, 1).
        resamples: Number of bootstrap samples.

    Returns:
        Lower and upper ends, [points].
    """
    num_runs = len(values)
    in_order = np.sort(values, axis=0)
    estimates = _resampled_weights(statistic, num_runs, resamples) @ in_order
    # Sums of equal numbers differ by rounding; such ties would look like a bias.
    centre = _weights(statistic, num_runs) @ in_order
    left_out = _left_out_weights(statistic, num_runs) @ in_order
    influence = (num_runs - 1) * (left_out.mean(axis=0) - left_out)
    return _bca_ends(estimates, centre, _acceleration([influence]), confidence)


def stratified_bca(
    strata: Sequence[Floats], statistic: StrataStatistic, *, confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """Return the BCa interval of a statistic of several environments.

    Runs are resampled inside each environment; the acceleration is that of the jackknife over all
    runs.

    Args:
        strata: One array [runs] per environment.
        statistic: Maps arrays [..., runs] to [...].
        confidence: In (0, 1).
        resamples: Number of bootstrap samples.
    """
    estimates = stratified_estimates(strata, statistic, resamples=resamples)
    influences = []
    for position, scores in enumerate(strata):
        num_runs = scores.size
        if num_runs < 2:
            continue
        others = [np.broadcast_to(other, (num_runs, other.size)) for other in strata]
        kept = ~np.eye(num_runs, dtype=bool)
        others[position] = others[position][kept].reshape(num_runs, num_runs - 1)
        left_out = statistic(others)
        influences.append(((num_runs - 1) * (left_out.mean() - left_out))[:, None])
    centre = np.atleast_1d(statistic(strata))
    low, high = _bca_ends(estimates[:, None], centre, _acceleration(influences), confidence)
    return float(low[0]), float(high[0])


def stratified_estimates(
    strata: Sequence[Floats], statistic: StrataStatistic, *, resamples: int = RESAMPLES
) -> Floats:
    """Return the statistic of `resamples` samples, runs resampled inside each environment."""
    generator = np.random.default_rng(SEED)
    return statistic(
        [scores[generator.integers(0, scores.size, (resamples, scores.size))] for scores in strata]
    )


def _bca_ends(
    estimates: Floats, centre: Floats, acceleration: Floats, confidence: float
) -> tuple[Floats, Floats]:
    """Ends from resampled `estimates` [resamples, points] around `centre` [points]."""
    from scipy.special import ndtr, ndtri

    resamples = len(estimates)
    slack = 1e-12 * np.abs(centre)
    below = np.mean(estimates < centre - slack, axis=0)
    below = below + np.mean(estimates <= centre + slack, axis=0)
    bias = ndtri(np.clip(below / 2, 1 / resamples, 1 - 1 / resamples))
    z = ndtri(np.array([[(1 - confidence) / 2], [(1 + confidence) / 2]]))
    levels = ndtr(bias + (bias + z) / (1 - acceleration * (bias + z)))  # [2, points]
    position = levels * (resamples - 1)
    lower = np.floor(position).astype(int)
    ordered = np.sort(estimates, axis=0)
    points = np.arange(ordered.shape[1])
    first = ordered[lower, points]
    second = ordered[np.minimum(lower + 1, resamples - 1), points]
    low, high = first + (position - lower) * (second - first)
    return low, high


def _acceleration(influences: Sequence[Floats]) -> Floats:
    """Skewness of the jackknife influences [runs, points] over all strata, divided by six."""
    # In units of a power of two, which is exact: cubes of tiny influences would all become 0.
    _, exponents = np.frexp(np.max([np.abs(u).max(axis=0) for u in influences], axis=0))
    influences = [np.ldexp(u, -exponents) for u in influences]
    cubes = sum(np.sum(u**3, axis=0) / len(u) ** 3 for u in influences)
    squares = np.asarray(sum(np.sum(u**2, axis=0) / len(u) ** 2 for u in influences))
    safe = np.where(squares > 0, squares, 1.0)
    return np.where(squares > 0, cubes / (6 * safe**1.5), 0.0)


@functools.lru_cache(maxsize=64)
def _weights(statistic: str, num_runs: int) -> Floats:
    """Weights of the sorted scores, [runs]: the statistic of unit vectors in sorted order."""
    ramps = np.tri(num_runs)  # row i is (1, ..., 1, 0, ..., 0): sorted descending already
    of_ramps = STATISTICS[statistic](ramps)  # sums of the i + 1 largest scores' weights
    weights: Floats = np.diff(of_ramps, prepend=0.0)[::-1]
    return weights


@functools.lru_cache(maxsize=16)
def _resampled_weights(statistic: str, num_runs: int, resamples: int) -> Floats:
    """Weights of the sorted original scores in each resample, [resamples, runs]."""
    generator = np.random.default_rng(SEED)
    drawn = np.sort(generator.integers(0, num_runs, (resamples, num_runs)), axis=1)
    cells = drawn + num_runs * np.arange(resamples)[:, None]
    weights = np.tile(_weights(statistic, num_runs), resamples)
    total = np.bincount(cells.ravel(), weights=weights, minlength=resamples * num_runs)
    return total.astype(float).reshape(resamples, num_runs)


@functools.lru_cache(maxsize=64)
def _left_out_weights(statistic: str, num_runs: int) -> Floats:
    """Weights of the sorted scores when each run in turn is left out, [runs, runs]."""
    result = np.zeros((num_runs, num_runs))
    result[~np.eye(num_runs, dtype=bool)] = np.tile(_weights(statistic, num_runs - 1), num_runs)
    return result
