"""Several environments together: normalised scores, and who wins over all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from erlctl.analysis import significance
from erlctl.analysis.intervals import Interval, aggregate_interval
from erlctl.analysis.numbers import natural
from erlctl.analysis.references import Reference
from erlctl.analysis.statistics import AGGREGATES, Floats, probability_of_improvement

if TYPE_CHECKING:
    from erlctl.analysis.comparison import Block

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
    """Two variants over all environments where both have runs.

    Attributes:
        variant: The one that the probability is about.
        other: The one it is compared with.
        num_environments: Over how many.
        probability: Mean over environments of P(a run of `variant` is better).
        interval: Its interval.
    """

    variant: str
    other: str
    num_environments: int
    probability: float
    interval: Interval


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
        groups = _groups(single, references, remarks)
    used = {b.environment: references[b.environment] for b in single} if groups else {}
    return Aggregate(
        environments=tuple(block.environment for block in single), references=used,
        groups=tuple(groups), remarks=tuple(remarks),
        pairs=tuple(_pairs(single, better, baseline, [group.variant for group in groups])),
    )


def _scores(block: Block) -> dict[str, Floats]:
    return {group.variant: group.values for group in block.groups if group.num_used}


def _groups(
    blocks: Sequence[Block], references: Mapping[str, Reference], remarks: list[str]
) -> list[AggregateGroup]:
    by_block = [_scores(block) for block in blocks]
    variants = sorted({variant for scores in by_block for variant in scores}, key=natural)
    groups = []
    for variant in variants:
        lacking = [
            block.environment
            for block, scores in zip(blocks, by_block, strict=True) if variant not in scores
        ]
        if lacking:
            remarks.append(f"{variant} is left out: no usable run in {', '.join(lacking)}.")
            continue
        strata = [
            references[block.environment].normalise(scores[variant])
            for block, scores in zip(blocks, by_block, strict=True)
        ]
        groups.append(AggregateGroup(
            variant, tuple(strata),
            {name: float(function(strata)) for name, function in AGGREGATES.items()},
            {name: aggregate_interval(strata, function) for name, function in AGGREGATES.items()},
        ))
    return sorted(groups, key=lambda group: -group.statistics["mean"])


def _pairs(
    blocks: Sequence[Block], better: int, baseline: str | None, order: Sequence[str]
) -> list[AggregatePair]:
    """All variants against the baseline, or the best against all others."""
    sign = -1.0 if better < 0 else 1.0
    by_block = [_scores(block) for block in blocks]
    variants = sorted({variant for scores in by_block for variant in scores}, key=natural)
    wins = {variant: _mean_improvement(variant, by_block, sign) for variant in variants}
    ranked = list(order) or sorted(variants, key=lambda variant: -wins[variant])
    ranked += [variant for variant in variants if variant not in ranked]
    if len(ranked) < 2:
        return []
    if baseline is None:
        couples = [(ranked[0], other) for other in ranked[1:]]
    else:
        couples = [(variant, baseline) for variant in ranked if variant != baseline]
    pairs = []
    for first, second in couples:
        shared = [
            (sign * scores[first], sign * scores[second])
            for scores in by_block if first in scores and second in scores
        ]
        if len(shared) > 1:
            probability = np.mean([float(probability_of_improvement(a, b)) for a, b in shared])
            pairs.append(AggregatePair(
                first, second, len(shared), float(probability),
                significance.improvement_interval(shared),
            ))
    return pairs


def _mean_improvement(variant: str, by_block: Sequence[dict[str, Floats]], sign: float) -> float:
    """P(a run of `variant` is better than one of another variant), over environments and others."""
    found = [
        float(probability_of_improvement(sign * scores[variant], sign * scores[other]))
        for scores in by_block if variant in scores for other in scores if other != variant
    ]
    return float(np.mean(found)) if found else 0.0
