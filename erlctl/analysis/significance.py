"""Is the difference between two groups of runs real? Exact tests, Holm, further seeds."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence

import numpy as np

from erlctl.analysis.bootstrap import CONFIDENCE, SEED
from erlctl.analysis.intervals import Interval, no_interval
from erlctl.analysis.statistics import Floats, probability_of_improvement

MAX_EXACT_RUNS = 20  # all 184,756 divisions of 10 + 10 runs
MAX_EXACT = 50_000  # or so many divisions of more, but unequal, runs
RANDOM_DIVISIONS = 20_000
MIN_RUNS_TEST = 3


def permutation_test(a: Floats, b: Floats) -> float:
    """Return the two-sided p-value of the difference of means under relabelling of the runs.

    Twice the smaller tail, as in `scipy.stats.permutation_test`. Exact (all C(n + m, n) divisions)
    up to `MAX_EXACT_RUNS` runs; above, `RANDOM_DIVISIONS` random ones with the observed one counted
    in (Phipson and Smyth 2010).

    Args:
        a: One score per run, [n].
        b: One score per run, [m].
    """
    pooled = np.concatenate([a, b])
    scale = np.abs(pooled).max() or 1.0
    observed = np.mean(a) - np.mean(b)
    tolerance = 1e-12 * scale
    members, is_exact = _divisions(a.size, pooled.size)
    sums = members @ pooled
    differences = sums / a.size - (pooled.sum() - sums) / b.size
    tails = np.sum(differences >= observed - tolerance), np.sum(differences <= observed + tolerance)
    extreme = int(min(tails))
    p_one_sided = extreme / len(members) if is_exact else (extreme + 1) / (len(members) + 1)
    return min(1.0, 2 * p_one_sided)


def mann_whitney(a: Floats, b: Floats) -> float:
    """Return the two-sided p-value of the Mann-Whitney test by the permutation of the ranks.

    Exact also with ties (mid-ranks), as far as `permutation_test` is.
    """
    pooled = np.concatenate([a, b])
    ranks = np.mean(
        (pooled[:, None] > pooled[None, :]) + 0.5 * (pooled[:, None] == pooled[None, :]), axis=1
    ) * pooled.size
    return permutation_test(ranks[: a.size], ranks[a.size :])


def smallest_p(num_a: int, num_b: int) -> float:
    """Return the smallest two-sided p-value that so few runs can give (3 + 3: 0.10)."""
    return min(1.0, 2 / math.comb(num_a + num_b, num_a))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values adjusted for several comparisons (Holm 1979); nan stays nan."""
    order = sorted(
        (index for index, p in enumerate(p_values) if not math.isnan(p)), key=p_values.__getitem__
    )
    adjusted = [math.nan] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def improvement_interval(
    pairs: Sequence[tuple[Floats, Floats]], *, confidence: float = CONFIDENCE
) -> Interval:
    """Return the interval of the mean over environments of P(a > b).

    Per environment Newcombe's score interval (2006, "method 5"), which does not shrink to a point
    when all runs of one side are ahead, as every bootstrap does; environments are put together by
    the distances of the ends from the estimate (Zou and Donner 2008).

    Args:
        pairs: Scores ([n], [m]) of both variants, one pair per environment.
        confidence: In (0, 1).
    """
    from scipy.special import ndtri

    smallest = min(min(a.size, b.size) for a, b in pairs)
    if smallest < MIN_RUNS_TEST:
        return no_interval(f"n = {smallest}: no interval below {MIN_RUNS_TEST} runs")
    z = float(ndtri((1 + confidence) / 2))
    centre = below = above = 0.0
    for a, b in pairs:
        estimate = float(probability_of_improvement(a, b))
        low, high = _score_ends(estimate, a.size, b.size, z)
        centre += estimate
        below += (estimate - low) ** 2
        above += (high - estimate) ** 2
    count = len(pairs)
    return Interval(
        (centre - math.sqrt(below)) / count, (centre + math.sqrt(above)) / count, "score"
    )


def further_seeds(
    a: Floats, b: Floats, difference: float, *, significance: float = 0.05, power: float = 0.8
) -> int | None:
    """Return how many more seeds per variant would show `difference` with the given power.

    Two-sided t-test, equal numbers, the spread seen so far:
    n = 2 s^2 (z_{1 - significance/2} + z_power)^2 / difference^2 + z_{1 - significance/2}^2 / 4
    (Guenther 1981). None where it cannot be said (fewer than 2 runs, no difference asked for).
    """
    from scipy.special import ndtri

    if min(a.size, b.size) < 2 or not abs(difference) > 0:
        return None
    degrees = a.size + b.size - 2
    variance = ((a.size - 1) * np.var(a, ddof=1) + (b.size - 1) * np.var(b, ddof=1)) / degrees
    z_alpha, z_power = ndtri(1 - significance / 2), ndtri(power)
    needed = 2 * variance * (z_alpha + z_power) ** 2 / difference**2 + z_alpha**2 / 4
    return max(0, math.ceil(needed) - min(a.size, b.size))


@functools.lru_cache(maxsize=4)
def _divisions(size: int, total: int) -> tuple[Floats, bool]:
    """All (or many random) choices of `size` of `total` runs as rows of 0 and 1, and if all."""
    if total <= MAX_EXACT_RUNS:
        numbers = np.arange(2**total, dtype=np.uint32)
        counts = sum((numbers >> np.uint32(bit)) & 1 for bit in range(total))
        chosen = numbers[counts == size]
        return ((chosen[:, None] >> np.arange(total, dtype=np.uint32)) & 1).astype(float), True
    is_exact = math.comb(total, size) <= MAX_EXACT
    if is_exact:
        members = np.array(list(itertools.combinations(range(total), size)))
    else:
        keys = np.random.default_rng(SEED).random((RANDOM_DIVISIONS, total), dtype=np.float32)
        members = np.argpartition(keys, size - 1, axis=1)[:, :size]
    rows = np.zeros((len(members), total))
    np.put_along_axis(rows, members, 1.0, axis=1)
    return rows, is_exact


def _score_ends(estimate: float, num_a: int, num_b: int, z: float) -> tuple[float, float]:
    """Ends p of |estimate - p| = z sqrt(V(p)), V with (n + m) / 2 - 1 for n - 1 and m - 1."""
    half = (num_a + num_b) / 2 - 1

    def excess(p: float) -> float:
        variance = p * (1 - p) * (1 + half * (1 - p) / (2 - p) + half * p / (1 + p))
        return abs(estimate - p) - z * math.sqrt(variance / (num_a * num_b))

    def root(outer: float) -> float:
        inside, outside = estimate, outer
        for _ in range(60):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if excess(middle) < 0 else (inside, middle)
        return (inside + outside) / 2

    # At an estimate of 0 or 1 the variance vanishes there; start just inside.
    return (root(0.0) if estimate > 0 else 0.0), (root(1.0) if estimate < 1 else 1.0)
