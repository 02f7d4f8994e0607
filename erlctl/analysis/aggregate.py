"""Several environments together: normalised scores, and who wins over all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from erlctl.analysis import significance
from erlctl.analysis.groups import Block, correction_for
from erlctl.analysis.intervals import Interval, aggregate_interval
from erlctl.analysis.numbers import natural
from erlctl.analysis.references import Reference
from erlctl.analysis.statistics import AGGREGATES, Floats, probability_of_improvement

RETURN_COLUMNS = ("return", "return_mean")


@dataclass(frozen=True)
class AggregateGroup:
    """One variant over all environments.

    Attributes:
        variant: Its name.
        strata: Normalised scores, one array [runs] per environment.
        statistics: "mean", "iqm", "median", "optimality_gap".
        intervals: Their intervals; runs are resampled inside each environment.
    """

    variant: str
    strata: tuple[Floats, ...]
    statistics: Mapping[str, float]
    intervals: Mapping[str, Interval]


@dataclass(frozen=True)
class AggregatePair:
    """Two variants over all environments.

    Attributes:
        variant: The one that the probability is about.
        other: The one it is compared with.
        num_environments: Over how many.
        probability: Mean over environments of P(a run of `variant` is better).
        interval: Its interval.
        p_value: As in one environment, each in units of its own spread.
        correction: What it is corrected for, in words; "" for a single comparison.
        verdict: "better", "worse", "higher", "lower", "unclear" or "too few runs".
    """

    variant: str
    other: str
    num_environments: int
    probability: float
    interval: Interval
    p_value: float
    correction: str
    verdict: str


@dataclass(frozen=True)
class Aggregate:
    """Several environments together.

    Attributes:
        environments: Which.
        references: What scores are normalised by; empty where they are not.
        groups: One per variant that has runs in every environment; best first.
        pairs: The comparisons.
        remarks: What is missing, in sentences.
    """

    environments: tuple[str, ...]
    references: Mapping[str, Reference]
    groups: tuple[AggregateGroup, ...]
    pairs: tuple[AggregatePair, ...]
    remarks: tuple[str, ...]


def aggregate(
    blocks: Sequence[Block], references: Mapping[str, Reference], *, column: str, better: int,
    baseline: str | None,
) -> Aggregate | None:
    """Put the environments together; None where there is only one.

    An environment whose runs fall into several protocols is left out, with a remark.

    Args:
        blocks: From `comparison.compare`.
        references: Reference scores by environment.
        column: Which column was compared; only returns can be normalised.
        better: +1 more is better, -1 less, 0 neither.
        baseline: Variant that all others are compared with.
    """
    environments = [block.environment for block in blocks]
    single = [block for block in blocks if environments.count(block.environment) == 1]
    if len(single) < 2:
        return None
    remarks = [
        f"{name} is left out of the aggregate: its runs have different protocols."
        for name in sorted(set(environments) - {block.environment for block in single})
    ]
    strata = _complete(single, remarks)
    groups: list[AggregateGroup] = []
    missing = [b.environment for b in single if b.environment not in references]
    if column not in RETURN_COLUMNS:
        remarks.append("Only returns are normalised, so there is no aggregate score.")
    elif missing:
        remarks.append(
            f"No aggregate score: no reference scores for {', '.join(missing)} "
            "(give them with --reference ENVIRONMENT=LOW,HIGH)."
        )
    else:
        groups = _groups(strata, [references[b.environment] for b in single])
    used = {b.environment: references[b.environment] for b in single} if groups else {}
    order = [group.variant for group in groups]
    return Aggregate(
        environments=tuple(block.environment for block in single), references=used,
        groups=tuple(groups), remarks=tuple(remarks),
        pairs=tuple(_pairs(strata, better, baseline, order)),
    )


def _complete(blocks: Sequence[Block], remarks: list[str]) -> dict[str, list[Floats]]:
    """Scores by variant, one array [runs] per environment, of the variants that have them all."""
    by_block = [
        {group.variant: group.values for group in block.groups if group.num_used}
        for block in blocks
    ]
    complete = {}
    for variant in sorted({variant for scores in by_block for variant in scores}, key=natural):
        lacking = [b.environment for b, s in zip(blocks, by_block, strict=True) if variant not in s]
        if lacking:
            remarks.append(f"{variant} is left out: no usable run in {', '.join(lacking)}.")
        else:
            complete[variant] = [scores[variant] for scores in by_block]
    return complete


def _groups(
    scores: Mapping[str, Sequence[Floats]], references: Sequence[Reference]
) -> list[AggregateGroup]:
    groups = []
    for variant, returns in scores.items():
        strata = [r.normalise(found) for r, found in zip(references, returns, strict=True)]
        groups.append(AggregateGroup(
            variant, tuple(strata),
            {name: float(function(strata)) for name, function in AGGREGATES.items()},
            {name: aggregate_interval(strata, function) for name, function in AGGREGATES.items()},
        ))
    return sorted(groups, key=lambda group: -group.statistics["mean"])


def _pairs(
    scores: Mapping[str, Sequence[Floats]], better: int, baseline: str | None,
    order: Sequence[str],
) -> list[AggregatePair]:
    """All variants against the baseline, or the best against all others."""
    if len(scores) < 2 or baseline not in (None, *scores):
        return []
    sign = -1.0 if better < 0 else 1.0
    improvement = {
        (a, b): [float(probability_of_improvement(sign * x, sign * y))
                 for x, y in zip(scores[a], scores[b], strict=True)]
        for a in scores for b in scores if a != b
    }
    wins = {a: np.mean([p for (x, _), p in improvement.items() if x == a]) for a in scores}
    ranked = list(order) or sorted(scores, key=lambda variant: -wins[variant])
    first = 0 if baseline is None else ranked.index(baseline)
    strata = [list(found) for found in zip(*(scores[name] for name in ranked), strict=True)]
    p_values = significance.corrected(strata, first, is_chosen=baseline is None)
    pairs = []
    for other, p_value in zip(ranked, p_values, strict=True):
        if other == ranked[first]:
            continue
        a, b = (ranked[first], other) if baseline is None else (other, baseline)
        probability = float(np.mean(improvement[a, b]))
        oriented = [(sign * x, sign * y) for x, y in zip(scores[a], scores[b], strict=True)]
        pairs.append(AggregatePair(
            a, b, len(strata), probability, significance.improvement_interval(oriented), p_value,
            correction_for(len(ranked), baseline),
            significance.verdict(p_value, probability, better),
        ))
    return pairs
