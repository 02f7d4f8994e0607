"""A comparison as rows: for people, Markdown and LaTeX as text, for CSV as numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from erlctl.analysis import numbers
from erlctl.analysis.aggregate import Aggregate
from erlctl.analysis.comparison import Block, Comparison
from erlctl.analysis.groups import Group
from erlctl.analysis.intervals import ALL_EQUAL, Interval
from erlctl.analysis.numbers import natural
from erlctl.analysis.text import TextTable as TextTable  # noqa: PLC0414 - beside its makers

Number = float | int | str | None


def score_table(block: Block, comparison: Comparison) -> TextTable:
    """Return one row per variant: runs used of all, mean, IQM, intervals, best."""
    header = ("variant", "runs", "mean", "95% interval", "IQM", "95% interval", "best")
    return TextTable(block_title(block, comparison), header, tuple(map(_score_row, block.groups)))


def _score_row(group: Group) -> tuple[str, ...]:
    return (
        group.variant,
        f"{group.num_used}/{len(group.scores)}",
        numbers.number(group.statistics["mean"]),
        _interval(group, "mean"),
        numbers.number(group.statistics["iqm"]),
        _interval(group, "iqm"),
        numbers.number(group.statistics["best"]),
    )


def _interval(group: Group, statistic: str) -> str:
    found = group.intervals[statistic]
    return ALL_EQUAL if found.method == ALL_EQUAL else numbers.interval(found)


def block_title(block: Block, comparison: Comparison) -> str:
    """Return what a block compares: score, environment, protocol, step."""
    step = f", step {block.step:,}" if block.step is not None else ""
    return f"{block.environment}: {comparison.scoring.unit_label} ({block.protocol}{step})"


def environment_table(comparison: Comparison) -> TextTable:
    """Return one row per environment, one column per variant: mean, interval, runs."""
    found = {group.variant for block in comparison.blocks for group in block.groups}
    variants = sorted(found, key=natural)
    rows = []
    for block in comparison.blocks:
        by_variant = {group.variant: group for group in block.groups}
        cells = [_cell(by_variant.get(variant)) for variant in variants]
        rows.append((f"{block.environment} ({block.protocol})", *cells))
    title = f"{comparison.scoring.unit_label}: mean [95% interval], n runs"
    return TextTable(title, ("environment", *variants), tuple(rows))


def _cell(group: Group | None) -> str:
    if group is None or not group.num_used:
        return numbers.MISSING
    found = _interval(group, "mean")
    spread = f" {found}" if found != numbers.MISSING else ""
    return f"{numbers.number(group.statistics['mean'])}{spread}, n = {group.num_used}"


def aggregate_table(together: Aggregate) -> TextTable:
    """Return one row per variant: normalised scores over all environments."""
    names = (("mean", "mean"), ("iqm", "IQM"), ("optimality_gap", "optimality gap"))
    header = ("variant", "runs", *(text for _, label in names for text in (label, "95% interval")))
    rows = [
        (group.variant, str(sum(map(len, group.strata))), *(
            text for name, _ in names for text in (
                numbers.number(group.statistics[name]), numbers.interval(group.intervals[name]))
        ))
        for group in together.groups
    ]
    count = len(together.environments)
    title = f"all {count} environments: normalised score, 0 = random, 1 = solved"
    if any(reference.source == "given" for reference in together.references.values()):
        title = f"all {count} environments: score normalised by the given references"
    return TextTable(title, header, tuple(rows))


def excluded_table(comparison: Comparison) -> TextTable:
    """Return every run without a score, and every remark on one that is used, with the reason."""
    rows = [
        (str(score.run.path), group.variant, score.excluded or f"used; {score.note}")
        for block in comparison.blocks for group in block.groups for score in group.scores
        if score.excluded or score.note
    ]
    rows += [(path, numbers.MISSING, reason) for path, reason in comparison.skipped]
    header = ("run", "variant", "reason")
    return TextTable("not used, or used with a remark", header, tuple(rows), [False] * len(header))


def spec_table(comparison: Comparison) -> TextTable:
    """Return the fields of the specs in which the variants differ, one column per variant."""
    differences = comparison.spec_differences
    variants = list(next(iter(differences.values()))) if differences else []
    rows = tuple(
        (path, *(values[variant] for variant in variants)) for path, values in differences.items()
    )
    header = ("field", *variants)
    return TextTable("differences between the specs", header, rows, [False] * len(header))


def csv_rows(comparison: Comparison) -> list[Mapping[str, Number]]:
    """Return one row of full-precision numbers per block and variant."""
    return [
        {
            "environment": block.environment, "protocol": block.protocol, "step": block.step,
            "score": comparison.scoring.unit_label, "variant": group.variant,
            "runs_used": group.num_used, "runs_total": len(group.scores),
            **group_numbers(group),
        }
        for block in comparison.blocks for group in block.groups
    ]


def group_numbers(group: Group) -> dict[str, Number]:
    """Return the statistics and interval ends of a group; None for what there is not."""
    return with_intervals(group.statistics, group.intervals)


def with_intervals(
    statistics: Mapping[str, float], intervals: Mapping[str, Interval]
) -> dict[str, Number]:
    """Return statistics and interval ends as flat numbers."""
    result: dict[str, Number] = {name: finite(value) for name, value in statistics.items()}
    for name, found in intervals.items():
        result[f"{name}_low"] = finite(found.low)
        result[f"{name}_high"] = finite(found.high)
        result[f"{name}_interval"] = found.method or found.why_not
    return result


def finite(value: float) -> float | str | None:
    """Return a number as JSON and CSV can hold it: None for nan, "inf" for never reached."""
    if value != value:
        return None
    return value if abs(value) != float("inf") else ("inf" if value > 0 else "-inf")


def main_tables(comparison: Comparison, by: str) -> Sequence[TextTable]:
    """Return the tables of scores: one per block, or one over all environments."""
    if by == "environment":
        return [environment_table(comparison)]
    return [score_table(block, comparison) for block in comparison.blocks]
