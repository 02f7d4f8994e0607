"""A comparison as text: for people, JSON, CSV, Markdown, LaTeX."""

from __future__ import annotations

import csv
import io
import json
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from erlctl.analysis import sentences, tables, text
from erlctl.analysis.comparison import Block, Comparison
from erlctl.analysis.groups import Group, Pair
from erlctl.analysis.scores import Score
from erlctl.analysis.tables import TextTable, finite

SCHEMA = 1


@dataclass(frozen=True)
class Layout:
    """What of a comparison is shown.

    Attributes:
        by: "variant" (one table per environment) or "environment" (one table, one row each).
        spec_differences: Whether the differences of the specs are shown.
        width: Columns of the terminal, None: as wide as it needs.
        color: Whether headings are bold.
    """

    by: str = "variant"
    spec_differences: bool = True
    width: int | None = None
    color: bool = False


def for_people(comparison: Comparison, layout: Layout) -> str:
    """Return tables and sentences for a terminal."""
    parts = []
    for table, block in _with_blocks(comparison, layout):
        parts.append(_boxed(table, layout))
        parts += [_filled(f"  {line}", layout) for line in _verdicts(block, comparison)]
        parts.append("")
    together = _together(comparison, lambda table: _boxed(table, layout), "  {}")
    parts += [_filled(part, layout) if part.startswith("  ") else part for part in together]
    footnotes = [_filled(f"note: {sentence}", layout) for sentence in comparison.warnings]
    if footnotes:
        parts += [*footnotes, ""]
    for table in _appendix(comparison, layout):
        parts += [_boxed(table, layout), ""]
    return "\n".join(parts).rstrip() + "\n"


def as_json(comparison: Comparison, layout: Layout) -> str:
    """Return one document with everything, schema 1."""
    document = {
        "schema": SCHEMA,
        "score": {
            "label": comparison.scoring.unit_label, "metric": comparison.scoring.metric.name,
            "kind": comparison.scoring.kind, "at": comparison.scoring.at,
            "last": comparison.scoring.last, "threshold": comparison.scoring.threshold,
        },
        "baseline": comparison.baseline,
        "blocks": [_block_document(block, comparison) for block in comparison.blocks],
        "together": _together_document(comparison),
        "skipped": [{"path": path, "reason": reason} for path, reason in comparison.skipped],
        "warnings": list(comparison.warnings),
    }
    if layout.spec_differences:
        document["spec_differences"] = comparison.spec_differences
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _block_document(block: Block, comparison: Comparison) -> dict[str, Any]:
    return {
        "environment": block.environment, "protocol": block.protocol, "step": block.step,
        "variants": [_group_document(group) for group in block.groups],
        "pairs": [_pair_document(pair, comparison) for pair in block.pairs],
    }


def _together_document(comparison: Comparison) -> dict[str, Any] | None:
    together = comparison.together
    if together is None:
        return None
    return {
        "environments": list(together.environments),
        "references": {name: asdict(found) for name, found in together.references.items()},
        "variants": [
            {"variant": group.variant, **tables.with_intervals(group.statistics, group.intervals)}
            for group in together.groups
        ],
        "pairs": [
            {"variant": pair.variant, "other": pair.other, "environments": pair.num_environments,
             "probability": pair.probability, "probability_low": finite(pair.interval.low),
             "probability_high": finite(pair.interval.high), "p_value": finite(pair.p_value),
             "correction": pair.correction, "verdict": pair.verdict,
             "sentence": sentences.overall(pair, comparison.scoring)}
            for pair in together.pairs
        ],
        "remarks": list(together.remarks),
    }


def _group_document(group: Group) -> dict[str, Any]:
    return {
        "variant": group.variant, "runs_used": group.num_used, "runs_total": len(group.scores),
        **tables.group_numbers(group),
        "runs": [_score_document(score) for score in group.scores],
    }


def _score_document(score: Score) -> dict[str, Any]:
    return {
        "path": str(score.run.path), "source": score.run.source, "seed": score.run.seed,
        "status": score.run.status, "step": score.run.step, "score": finite(score.value),
        "best": finite(score.best), "area": finite(score.area),
        "excluded": score.excluded or None, "note": score.note or None,
    }


def _pair_document(pair: Pair, comparison: Comparison) -> dict[str, Any]:
    document = {
        key: finite(value) if isinstance(value, float) else value
        for key, value in asdict(pair).items() if key != "interval"
    }
    document["probability_low"] = finite(pair.interval.low)
    document["probability_high"] = finite(pair.interval.high)
    document["sentence"] = sentences.verdict(pair, comparison.scoring)
    return document


def as_csv(comparison: Comparison, layout: Layout) -> str:
    """Return one row per environment and variant, numbers in full precision."""
    del layout
    rows = tables.csv_rows(comparison)
    stream = io.StringIO()
    if rows:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return stream.getvalue()


def as_markdown(comparison: Comparison, layout: Layout) -> str:
    """Return Markdown tables and sentences."""
    parts = []
    for table, block in _with_blocks(comparison, layout):
        parts += [text.markdown_table(table), ""]
        parts += [f"- {text.markdown(line)}" for line in _verdicts(block, comparison)]
        parts.append("")
    parts += _together(
        comparison, lambda table: f"{text.markdown_table(table)}\n", "- {}", text.markdown,
    )
    parts += [f"> {text.markdown(sentence)}\n" for sentence in comparison.warnings]
    for table in _appendix(comparison, layout):
        parts += [text.markdown_table(table), ""]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).strip() + "\n"


def as_latex(comparison: Comparison, layout: Layout) -> str:
    """Return tables for a paper; needs \\usepackage{booktabs}."""
    parts = []
    for table, block in _with_blocks(comparison, layout):
        parts.append(_latex_table(table))
        parts += [f"% {line}" for line in _verdicts(block, comparison)]
        parts.append("")
    parts += _together(comparison, _latex_table, "% {}")
    parts += [f"% note: {sentence}" for sentence in comparison.warnings]
    parts += [f"% not used: {path}: {reason}"
              for path, _, reason in tables.excluded_table(comparison).rows]
    return "\n".join(parts).rstrip() + "\n"


FORMATS: Mapping[str, Callable[[Comparison, Layout], str]] = {
    "table": for_people, "json": as_json, "csv": as_csv, "markdown": as_markdown,
    "latex": as_latex,
}


def _with_blocks(
    comparison: Comparison, layout: Layout
) -> list[tuple[TextTable, tuple[Block, ...]]]:
    """The tables of scores, each with the blocks whose sentences follow it."""
    found = tables.main_tables(comparison, layout.by)
    if layout.by == "environment":
        return [(found[0], comparison.blocks)]
    return [(table, (block,)) for table, block in zip(found, comparison.blocks, strict=True)]


def _together(
    comparison: Comparison, show: Callable[[TextTable], str], bullet: str,
    escape: Callable[[str], str] = str,
) -> list[str]:
    """The environments together: table and sentences."""
    together = comparison.together
    if together is None:
        return []
    parts = [show(tables.aggregate_table(together))] if together.groups else []
    lines = sentences.overalls(together.pairs, comparison.scoring)
    return [*parts, *(bullet.format(escape(line)) for line in [*lines, *together.remarks]), ""]


def _verdicts(blocks: tuple[Block, ...], comparison: Comparison) -> list[str]:
    return [
        (f"{block.environment}: " if len(blocks) > 1 else "")
        + line
        for block in blocks for line in sentences.verdicts(block.pairs, comparison.scoring)
    ]


def _appendix(comparison: Comparison, layout: Layout) -> list[TextTable]:
    found = [tables.excluded_table(comparison)]
    if layout.spec_differences:
        found.append(tables.spec_table(comparison))
    return [table for table in found if table.rows]


def _filled(line: str, layout: Layout) -> str:
    """Break a sentence at the width of the terminal; off a terminal lines stay whole."""
    if layout.width is None:
        return line
    return textwrap.fill(line, layout.width, subsequent_indent="    ", break_on_hyphens=False)


def _boxed(table: TextTable, layout: Layout) -> str:
    return text.boxed(table, width=layout.width, color=layout.color)


def _latex_table(table: TextTable) -> str:
    return text.latex_table(table, r" Intervals: 95\,\% over runs.")
