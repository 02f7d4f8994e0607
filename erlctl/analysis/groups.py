"""The runs of one variant, two variants against each other, and blocks of what may be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from erlctl.analysis import significance
from erlctl.analysis.intervals import Interval, no_interval, run_interval
from erlctl.analysis.scores import Score, Scoring
from erlctl.analysis.statistics import (
    STATISTICS,
    Floats,
    probability_of_improvement,
    standard_deviation,
)


@dataclass(frozen=True)
class Group:
    """The runs of one variant in one block.

    Attributes:
        variant: Its name.
        scores: Every run, also those without a score.
        statistics: "mean", "iqm", "median", "std", "best", "area"; nan where too few runs.
        intervals: Interval of "mean", "iqm" and "median".
    """

    variant: str
    scores: tuple[Score, ...]
    statistics: Mapping[str, float]
    intervals: Mapping[str, Interval]

    @property
    def values(self) -> Floats:
        """Scores of the runs that have one, [runs]."""
        return np.array([score.value for score in self.scores if not score.excluded])

    @property
    def num_used(self) -> int:
        """How many runs have a score."""
        return sum(not score.excluded for score in self.scores)

    @property
    def share_never(self) -> float:
        """The share of these runs that never reached the threshold."""
        return float(np.isinf(self.values).mean()) if self.num_used else 0.0


@dataclass(frozen=True)
class Pair:
    """Two variants of one block.

    Attributes:
        variant: The one that the probability is about.
        other: The one it is compared with.
        num_runs: Runs used of both.
        difference: Difference of the means, positive where `variant` has more.
        probability: P(a run of `variant` is better than one of `other`), ties half; where neither
            direction is better: P(it is higher).
        interval: Its interval.
        p_value: Permutation test of the means, corrected for what was tried, see `corrected`.
        mann_whitney: The same of the ranks.
        smallest_p: The smallest p-value that so few runs can give.
        correction: What the p-values are corrected for, in words; "" for a single comparison.
        asked: The difference that `further_seeds` is for where the user gave one, else None.
        further_seeds: More seeds per variant to show that difference, or else the one seen, with
            power 0.8; None where it cannot be said.
        verdict: "better", "worse", "higher", "lower", "unclear" or "too few runs".
    """

    variant: str
    other: str
    num_runs: tuple[int, int]
    difference: float
    probability: float
    interval: Interval
    p_value: float
    mann_whitney: float
    smallest_p: float
    correction: str
    asked: float | None
    further_seeds: int | None
    verdict: str


def rank_value(group: Group) -> float:
    """Return what groups are sorted by: the mean, or the median where a run never got there."""
    value = group.statistics["mean"]
    if np.isinf(value):
        value = group.statistics["median"]
    return 0.0 if np.isnan(value) else value


def make_group(variant: str, scores: Sequence[Score]) -> Group:
    """Return the statistics of the runs of one variant."""
    used = [score for score in scores if not score.excluded]
    values = np.array([score.value for score in used])
    if not used:
        names = (*STATISTICS, "std", "best", "area")
        missing = no_interval("no run with a score")
        return Group(variant, tuple(scores), dict.fromkeys(names, np.nan),
                     dict.fromkeys(STATISTICS, missing))
    statistics = {name: float(function(values)) for name, function in STATISTICS.items()}
    is_finite = bool(np.isfinite(values).all())
    statistics["std"] = float(standard_deviation(values)) if is_finite else np.nan
    statistics["best"] = float(np.mean([score.best for score in used]))
    statistics["area"] = float(np.mean([score.area for score in used]))
    unreached = no_interval("a run never got there")
    intervals = {
        name: run_interval(values, name) if is_finite else unreached for name in STATISTICS
    }
    return Group(variant, tuple(scores), statistics, intervals)


@dataclass(frozen=True)
class Block:
    """Runs that may be compared: one environment, one protocol, one amount of training.

    Attributes:
        environment: Id.
        protocol: How it was evaluated.
        step: Step at which the scores are taken, None where runs differ (forced).
        groups: One per variant, best mean first.
        pairs: The comparisons that are made.
    """

    environment: str
    protocol: str
    step: int | None
    groups: tuple[Group, ...]
    pairs: tuple[Pair, ...]


def make_pairs(
    groups: Sequence[Group], scoring: Scoring, baseline: str | None, asked: float | None = None
) -> tuple[Pair, ...]:
    """Every variant against the baseline, or the best against every other one; both with scores."""
    usable = [group for group in groups if group.num_used]
    names = [group.variant for group in usable]
    if len(usable) < 2 or baseline not in (None, *names):
        return ()
    first = 0 if baseline is None else names.index(baseline)
    values = [group.values for group in usable]
    ranks = np.split(significance.mid_ranks(np.concatenate(values)),
                     np.cumsum([scores.size for scores in values])[:-1])
    of_means, of_ranks = (
        significance.corrected([scores], first, is_chosen=baseline is None)
        for scores in (values, ranks)
    )
    correction = correction_for(len(usable), baseline)
    return tuple(
        _pair(*((usable[0], other) if baseline is None else (other, usable[first])), scoring,
              (of_means[i], of_ranks[i]), correction, asked)
        for i, other in enumerate(usable) if i != first
    )


def correction_for(num_variants: int, baseline: str | None) -> str:
    """Return what p-values are corrected for, in words."""
    if num_variants < 3:
        return ""
    return f"best of {num_variants}" if baseline is None else f"{num_variants - 1} comparisons"


def _pair(
    a: Group, b: Group, scoring: Scoring, p_values: tuple[float, float], correction: str,
    asked: float | None,
) -> Pair:
    x, y = a.values, b.values
    if scoring.better < 0:
        x, y = -x, -y
    probability = float(probability_of_improvement(x, y))
    is_finite = bool(np.isfinite(x).all() and np.isfinite(y).all())
    difference = float(np.mean(a.values) - np.mean(b.values)) if is_finite else np.nan
    sought = difference if asked is None else asked
    return Pair(
        variant=a.variant, other=b.variant, num_runs=(x.size, y.size), difference=difference,
        probability=probability, interval=significance.improvement_interval([(x, y)]),
        p_value=p_values[0], mann_whitney=p_values[1], asked=asked,
        smallest_p=significance.smallest_p(x.size, y.size), correction=correction,
        further_seeds=significance.further_seeds(x, y, sought) if is_finite else None,
        verdict=significance.verdict(p_values[0], probability, scoring.better),
    )
