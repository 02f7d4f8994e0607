"""Variants against each other: blocks that may be compared, statistics, verdicts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from erlctl.analysis import caveats, specs
from erlctl.analysis.aggregate import Aggregate, aggregate
from erlctl.analysis.data import EVALUATION, METRICS, Run
from erlctl.analysis.groups import Block as Block  # noqa: PLC0414 - of a comparison
from erlctl.analysis.groups import make_group, make_pairs, rank_value
from erlctl.analysis.load import Loaded
from erlctl.analysis.numbers import natural
from erlctl.analysis.references import REFERENCES, Reference
from erlctl.analysis.scores import STEPS, Score, Scoring, score
from erlctl.errors import DamagedError, DomainError, ErlctlError, UnknownNameError
from erlctl.runs.layout import no_run

EVERYTHING = "everything (forced)"


@dataclass(frozen=True)
class Comparison:
    """Everything that `compare` says.

    Attributes:
        scoring: What is compared.
        blocks: What may be compared among itself.
        baseline: The variant that all others are compared with, None: the best one.
        skipped: Paths that hold no readable run.
        spec_differences: Path to {variant: value}.
        warnings: Sentences.
        together: The environments together; None where there is only one.
    """

    scoring: Scoring
    blocks: tuple[Block, ...]
    baseline: str | None
    skipped: tuple[tuple[str, str], ...]
    spec_differences: Mapping[str, Mapping[str, str]]
    warnings: tuple[str, ...] = ()
    together: Aggregate | None = None

    @property
    def num_used(self) -> int:
        """How many runs have a score."""
        return sum(group.num_used for block in self.blocks for group in block.groups)


def compare(
    loaded: Loaded, scoring: Scoring, *, baseline: str | None = None, force: bool = False,
    references: Mapping[str, Reference] = REFERENCES, difference: float | None = None,
) -> Comparison:
    """Compare the variants of the loaded runs.

    Args:
        loaded: The runs.
        scoring: How a run becomes a number.
        baseline: Variant that all others are compared with; None: the best against each other one.
        force: Put different environments and protocols together.
        references: Scores by environment that returns are normalised by.
        difference: The difference of means to say the number of further seeds for; None: that seen.

    Raises:
        ErlctlError: Not one run was found.
        UnknownNameError: No variant is called like the baseline.
        DomainError: The difference is not above 0.
    """
    if difference is not None and not 0 < difference < math.inf:
        raise DomainError("difference", difference, "greater than 0",
                          fix="give the size of a difference; it has no direction")
    if not loaded.runs:
        raise nothing_usable(loaded, scoring)
    runs = with_distinct_variants(loaded.runs)
    variants = sorted({run.variant for run in runs}, key=natural)
    if baseline is not None and baseline not in variants:
        raise UnknownNameError("variant", baseline, variants)
    by_block: dict[tuple[str, str, int | None], list[Run]] = {}
    for run in runs:
        key = (EVERYTHING, "mixed", None) if force else block_key(run, scoring)
        by_block.setdefault(key, []).append(run)
    blocks = tuple(
        _block(key, members, scoring, baseline, difference)
        for key, members in sorted(by_block.items(), key=str)
    )
    return Comparison(
        scoring=scoring,
        blocks=blocks,
        baseline=baseline,
        skipped=tuple((str(path), reason) for path, reason in loaded.skipped),
        spec_differences=specs.differences(runs),
        warnings=tuple(caveats.caveats(blocks, force=force)),
        together=aggregate(
            blocks, references, column=STEPS if scoring.kind == STEPS else scoring.metric.column,
            better=scoring.better, baseline=baseline,
        ),
    )


def nothing_usable(loaded: Loaded, scoring: Scoring) -> ErlctlError:
    """Return the error for paths that hold no usable run: exit 1, or 5 where data are hurt.

    Every remedy that it names was tried: with it at least one run has a score.
    """
    if not loaded.runs:
        return no_run(loaded.skipped)
    unfinished = replace(scoring, include_unfinished=True)
    remedies = [
        ("--include-unfinished uses unfinished runs as far as they came, --at STEP those that got "
         "to a step", unfinished),
        ("choose another --at STEP; the table says why not this one", replace(unfinished, at=None)),
    ]
    if scoring.metric.table == EVALUATION:
        training = METRICS["return_mean"]
        there = f"there are training returns, which --metric {training.name}"
        remedies += [
            (f"{there} compares", replace(scoring, metric=training)),
            (f"{there} --include-unfinished compares", replace(unfinished, metric=training)),
        ]
    helps = (fix for fix, changed in remedies
             if any(not score(run, changed).excluded for run in loaded.runs))
    is_damaged = any(_is_damaged(run, scoring.metric.table) for run in loaded.runs)
    count = len(loaded.runs)
    return (DamagedError if is_damaged else ErlctlError)(
        f"none of the {count} runs has a score" if count > 1 else "the run has no score",
        fix=next(helps, "the reasons are in the table"),
    )


def _is_damaged(run: Run, table: str) -> bool:
    """Whether data of a run were lost: an unfinished one lacks what it has not written yet."""
    is_lost = bool(run.table_problems(table)) or (
        run.source == "erlctl" and not len(run.table(table).get("step", ())))
    return "problem" in run.facts or (run.status == "complete" and is_lost)


def block_key(run: Run, scoring: Scoring) -> tuple[str, str, int | None]:
    """Return what must be equal for runs to be comparable: environment, protocol, step."""
    step = scoring.at if scoring.at is not None else run.total_steps
    protocol = run.protocol if scoring.metric.table == "evaluation" else "during training"
    return run.environment, protocol, step


def with_distinct_variants(runs: Sequence[Run]) -> list[Run]:
    """Return the runs with their origin in the variant's name where two origins share it.

    Only within an environment: over several, the same name means the same variant.
    """
    origins: dict[tuple[str, str], set[str]] = {}
    for run in runs:
        origins.setdefault((run.environment, run.variant), set()).add(run.experiment or run.source)
    return [
        replace(run, variant=f"{run.experiment or run.source}/{run.variant}")
        if len(origins[run.environment, run.variant]) > 1 else run
        for run in runs
    ]


def _block(
    key: tuple[str, str, int | None], runs: Sequence[Run], scoring: Scoring, baseline: str | None,
    difference: float | None,
) -> Block:
    members: dict[str, list[Score]] = {}
    for run in runs:
        members.setdefault(run.variant, []).append(score(run, scoring))
    groups = [make_group(variant, scores) for variant, scores in members.items()]
    sign = -1 if scoring.better < 0 else 1
    groups.sort(key=lambda group: (group.num_used == 0, -sign * rank_value(group),
                                   group.share_never, group.variant))
    environment, protocol, step = key
    pairs = make_pairs(groups, scoring, baseline, difference)
    return Block(environment, protocol, step, tuple(groups), pairs)
