"""Is a difference between groups of runs real? What "better" means, wherever it is said.

A variant is compared with every other one: the variant that the user named (`baseline`), or the
best, which the same data chose. The p-values are corrected for just that (`corrected`), in one
environment and over several; `verdict` turns them into a word. The error rate of whole families
under the null hypothesis is simulated in tests/analysis/test_calibration.py.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from erlctl.analysis.bootstrap import CONFIDENCE, SEED
from erlctl.analysis.intervals import Interval, no_interval
from erlctl.analysis.statistics import (
    Floats,
    in_powers_of_two,
    probability_of_improvement,
    standard_deviation,
)

MAX_EXACT_RUNS = 20  # all 184,756 divisions of 10 + 10 runs
MAX_EXACT = 50_000  # or so many divisions of more, but unequal, runs
RANDOM_DIVISIONS = 20_000
MIN_RUNS_TEST = 3
RESAMPLES = 9_999
_LEAST_VARIANCE = 1e-12  # of scores whose variance is 1: all runs of each variant are equal
SIGNIFICANCE = 0.05


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
    ranks = mid_ranks(np.concatenate([a, b]))
    return permutation_test(ranks[: a.size], ranks[a.size :])


def smallest_p(num_a: int, num_b: int) -> float:
    """Return the smallest two-sided p-value that so few runs can give (3 + 3: 0.10)."""
    return min(1.0, 2 / math.comb(num_a + num_b, num_a))


def corrected(
    strata: Sequence[Sequence[Floats]], first: int, *, is_chosen: bool, resamples: int = RESAMPLES
) -> list[float]:
    """Return the p-value of one variant against each other one, corrected for all that was tried.

    The statistic is the difference of mean scores, each environment in units of its own spread and
    environments averaged, divided by the spread within variants. Its null distribution is found by
    handing the runs of an environment out to the variants anew. A chosen best is judged by the
    range over all variants, because any of them might have come out best: Tukey's range test,
    stepping down from the most distant variant with the levels of Einot and Gabriel (1975) and
    Welsch (1977). A baseline that was named beforehand is judged by the largest distance from it,
    stepping down (Dunnett and Tamhane 1991).
    No p-value is smaller than that of the two variants alone, so that quiet variants do not lend
    their precision to noisy ones.

    Args:
        strata: One list per environment with the scores of every variant, [runs] each. A score
            that is not finite (never got there) makes ranks of all scores of that environment.
        first: Which variant is compared with all others.
        is_chosen: Whether these scores chose it.
        resamples: Number of random divisions, where not all can be tried.

    Returns:
        One p-value per variant; nan for `first` and where it or the other has fewer than
        `MIN_RUNS_TEST` runs in an environment.
    """
    count = len(strata[0])
    tested = [v for v in range(count) if min(s[v].size for s in strata) >= MIN_RUNS_TEST]
    p_values, total, so_far = [math.nan] * count, len(tested), 0.0
    while first in tested and (size := len(tested)) > 1:
        p, farthest = _of_the_farthest(strata, tested, first, is_chosen, resamples)
        if is_chosen and size < total - 1:
            p = 1 - (1 - p) ** (total / size)
        so_far = max(so_far, p)
        alone, _ = _of_the_farthest(strata, [first, farthest], first, is_chosen, resamples)
        p_values[farthest] = max(so_far, alone)
        tested.remove(farthest)
    return p_values


def _of_the_farthest(
    strata: Sequence[Sequence[Floats]], members: Sequence[int], first: int, is_chosen: bool,
    resamples: int,
) -> tuple[float, int]:
    """The p-value of the member that lies farthest from `first`, and which it is."""
    one, many = np.zeros((1, len(members))), np.zeros((resamples, len(members)))
    within_one, within_many = np.zeros((1, 1)), np.zeros((resamples, 1))
    for number, scores in enumerate(strata):
        values, sizes = _in_spreads([scores[member] for member in members])
        starts, weight = np.cumsum([0, *sizes[:-1]]), 1 / len(strata)
        parts = [(values[None, :], one, within_one)]
        if len(strata) > 1 or len(members) > 2:
            shuffled = values[_shuffles(values.size, resamples, number)]
            parts.append((shuffled, many, within_many))
        for drawn, means, within in parts:
            found = np.add.reduceat(drawn, starts, axis=1) / sizes
            squares = values @ values - (found**2) @ np.array(sizes)[:, None]
            means += weight * found
            within += weight * squares / (values.size - len(members))
    position = members.index(first)
    distances = np.abs(one[0] - one[0, position])
    farthest = max(set(members) - {first}, key=lambda member: distances[members.index(member)])
    if len(strata) == 1 and len(members) == 2:
        return permutation_test(values[: sizes[0]], values[sizes[0]:]), farthest
    # In units of the spread within variants, or real differences among the others would hide this.
    observed = distances.max() / np.sqrt(np.maximum(within_one[0, 0], _LEAST_VARIANCE))
    null = many / np.sqrt(np.maximum(within_many, _LEAST_VARIANCE))
    largest = np.ptp(null, axis=1) if is_chosen else np.abs(null - null[:, [position]]).max(axis=1)
    extreme = int(np.sum(largest >= observed * (1 - 1e-9)))
    return (extreme + 1) / (resamples + 1), farthest


def _in_spreads(scores: Sequence[Floats]) -> tuple[Floats, list[int]]:
    """All scores of an environment around 0 in units of their spread, and how many of each."""
    pooled = np.concatenate(scores)
    if not np.isfinite(pooled).all():
        pooled = mid_ranks(pooled)
    pooled, _ = in_powers_of_two(pooled, axis=0)
    spread = np.std(pooled)
    centred = pooled - np.mean(pooled)
    is_flat = spread <= 1e-12 * np.abs(pooled).max()
    return (np.zeros_like(centred) if is_flat else centred / spread), [s.size for s in scores]


def mid_ranks(scores: Floats) -> Floats:
    """Return the ranks of scores [runs], smallest first; equal ones share the mean of theirs."""
    above = scores[:, None] > scores[None, :]
    return np.sum(above + 0.5 * (scores[:, None] == scores[None, :]), axis=1)


def verdict(p_value: float, probability: float, better: int) -> str:
    """Return the one word for a pair: "better", "worse", "unclear" or "too few runs".

    Args:
        p_value: From `corrected`.
        probability: P(a run of the first is better), or higher where neither is better.
        better: 0 makes it "higher" and "lower", because neither direction is better.
    """
    if math.isnan(p_value):
        return "too few runs"
    if p_value >= SIGNIFICANCE or probability == 0.5:
        return "unclear"
    words = ("better", "worse") if better else ("higher", "lower")
    return words[0] if probability > 0.5 else words[1]


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
    (Guenther 1981). None where it cannot be said (fewer than 2 runs, no difference asked for or
    one too small to be ever seen).
    """
    from scipy.special import ndtri

    if min(a.size, b.size) < 2 or not abs(difference) > 0:
        return None
    degrees = a.size + b.size - 2
    # In units of the difference: the square of a tiny one would be 0.
    x, y = (float(standard_deviation(scores)) / difference for scores in (a, b))
    variance = ((a.size - 1) * x * x + (b.size - 1) * y * y) / degrees
    z_alpha, z_power = ndtri(1 - significance / 2), ndtri(power)
    needed = 2 * variance * (z_alpha + z_power) ** 2 + z_alpha**2 / 4
    return max(0, math.ceil(needed) - min(a.size, b.size)) if math.isfinite(needed) else None


@functools.lru_cache(maxsize=16)
def _shuffles(total: int, resamples: int, stream: int) -> NDArray[np.int32]:
    """Random orders of `total` runs, [resamples, total]; independent for every stream."""
    in_order = np.tile(np.arange(total, dtype=np.int32), (resamples, 1))
    return np.random.default_rng((SEED, stream)).permuted(in_order, axis=1)


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
