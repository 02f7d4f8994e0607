"""`erlctl.compare`: the command of that name, from Python."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from erlctl.analysis import comparison as comparing
from erlctl.analysis import references as reference_scores
from erlctl.analysis import render
from erlctl.analysis.data import find_metric
from erlctl.analysis.scores import STEPS, Scoring
from erlctl.api.results import Paths, Runs, load
from erlctl.errors import DomainError


@dataclass(frozen=True)
class Compared:
    """What `erlctl compare` says; printed as its table, shown by a notebook as a table.

    Attributes:
        comparison: Everything as objects: blocks, groups, pairs.
        layout: How it is shown.
    """

    comparison: comparing.Comparison
    layout: render.Layout

    def to_dict(self) -> dict[str, Any]:
        """Return the document of `erlctl compare --format json`."""
        document: dict[str, Any] = json.loads(self.render("json"))
        return document

    def render(self, file_format: str) -> str:
        """Return the text of a `--format`: table, json, csv, markdown or latex."""
        if file_format not in render.FORMATS:
            raise DomainError("format", file_format, f"one of {', '.join(render.FORMATS)}")
        return render.FORMATS[file_format](self.comparison, self.layout)

    def __str__(self) -> str:
        return self.render("table")

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        return self.render("markdown")

    def _repr_html_(self) -> str:
        return _html(self.render("markdown"))


def compare(
    paths: Paths | Runs, *, metric: str = "return", score: str = "final", at: int | None = None,
    last: int = 1, threshold: float | None = None, baseline: str | None = None,
    references: Sequence[str] = (), difference: float | None = None, by: str = "variant",
    include_unfinished: bool = False, force: bool = False, spec_diff: bool = True,
) -> Compared:
    """Say which variant is better, and how sure that is; `erlctl compare --help` explains.

    Args:
        paths: As for `erlctl.load`, or what it returned.
        metric: Column to compare.
        score: "final", "best", "area" or "steps" (to `threshold`).
        at: Compare as it was at this step.
        last: Final score = mean of the last so many evaluations or rows.
        threshold: For "steps", in units of the metric.
        baseline: Variant that all others are compared with; None: the best with each other one.
        references: Texts ENV=LOW,HIGH: returns that become 0 and 1.
        difference: Say how many more seeds would show a true difference of this size.
        by: "variant" or "environment": rows of the table.
        include_unfinished: Use unfinished runs as far as they came.
        force: Put different environments and evaluation protocols together.
        spec_diff: Whether the differences of the specs are shown.

    Raises:
        ErlctlError: There is no run, or none has a score.
        UnknownNameError: There is no such metric or variant, or no run of a referenced environment.
        DomainError: The threshold is missing or too many, or the difference is not above 0.
    """
    if (score == STEPS) != (threshold is not None):
        raise DomainError("threshold", threshold, "given with score='steps' and only then")
    loaded = (paths if isinstance(paths, Runs) else load(paths)).loaded
    scoring = Scoring(metric=find_metric(metric, loaded.runs), kind=score, at=at, last=last,
                      threshold=threshold, include_unfinished=include_unfinished)
    compared = comparing.compare(
        loaded, scoring, baseline=baseline, force=force,
        references=reference_scores.parse(references, loaded.runs), difference=difference)
    if not compared.num_used:
        raise comparing.nothing_usable(loaded, scoring)
    return Compared(compared, render.Layout(by=by, spec_differences=spec_diff))


def _html(markdown: str) -> str:
    """Return the HTML of the Markdown that `render` writes: titles, tables, lists and notes."""
    parts: list[str] = []
    for block in markdown.strip().split("\n\n"):
        lines = block.split("\n")
        if lines[0].startswith("| "):
            parts.append(_html_table([re.split(r"(?<!\\) \| ", line[2:-2]) for line in lines]))
        elif lines[0].startswith("- "):
            parts.append(f"<ul>{''.join(f'<li>{_text(line[2:])}</li>' for line in lines)}</ul>")
        elif lines[0].startswith("**"):
            parts.append(f"<p><b>{_text(block.removeprefix('**').removesuffix('**'))}</b></p>")
        else:
            parts.append(f"<p>{_text(block.removeprefix('> '))}</p>")
    return "\n".join(parts)


def _html_table(rows: list[list[str]]) -> str:
    header, rule, *body = rows
    aligns = ["right" if cell.endswith(":") else "left" for cell in rule]

    def line(cells: list[str], tag: str) -> str:
        return "<tr>" + "".join(
            f'<{tag} style="text-align: {align}">{_text(cell)}</{tag}>'
            for cell, align in zip(cells, aligns, strict=True)) + "</tr>"

    return (f"<table><thead>{line(header, 'th')}</thead>"
            f"<tbody>{''.join(line(row, 'td') for row in body)}</tbody></table>")


def _text(markdown: str) -> str:
    return html.escape(re.sub(r"\\(.)", r"\1", markdown.strip()))
