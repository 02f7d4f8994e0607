"""Variants against each other: blocks that may be compared, statistics, verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from erlctl.analysis import caveats, specs
from erlctl.analysis.aggregate import Aggregate, aggregate
from erlctl.analysis.data import EVALUATION, METRICS, RETURN, Metric, Run
from erlctl.analysis.groups import Block as Block  # noqa: PLC0414 - of a comparison
from erlctl.analysis.groups import make_group, make_pairs, rank_value
from erlctl.analysis.load import Loaded
from erlctl.analysis.numbers import natural
from erlctl.analysis.references import REFERENCES, Reference
from erlctl.analysis.scores import STEPS, Score, Scoring, score
from erlctl.errors import DamagedError, ErlctlError, UnknownNameError
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
    """
    if not loaded.runs:
        raise nothing_usable(loaded)
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
            blocks, references if scoring.kind != STEPS else {}, column=scoring.metric.column,
            better=scoring.better, baseline=baseline,
        ),
    )


def nothing_usable(loaded: Loaded, metric: Metric = RETURN) -> ErlctlError:
    """Return the error for paths that hold no usable run, with what was found instead."""
    if not loaded.runs:
        return no_run(loaded.skipped)
    other = METRICS["return_mean"]
    has_training_returns = metric.table == EVALUATION and any(
        run.curve(other)[0].size for run in loaded.runs)
    # Nothing is damaged where a program that never evaluates has written all of it.
    is_foreign = all(run.source != "erlctl" for run in loaded.runs)
    kind = ErlctlError if has_training_returns and is_foreign else DamagedError
    count = len(loaded.runs)
    return kind(
        f"none of the {count} runs has a score" if count > 1 else "the run has no score",
        fix=f"there are training returns, which --metric {other.name} compares"
        if has_training_returns else
        "the reasons are in the table; --include-unfinished or --at STEP use unfinished runs",
    )


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
    groups.sort(key=lambda group: (group.num_used == 0, -sign * rank_value(group), group.variant))
    environment, protocol, step = key
    pairs = make_pairs(groups, scoring, baseline, difference)
    return Block(environment, protocol, step, tuple(groups), pairs)
