"""One self-contained HTML page: comparison, figures, spec differences, provenance, runs."""

from __future__ import annotations

import base64
import html
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from erlctl import __version__
from erlctl.analysis import numbers, sentences, tables
from erlctl.analysis.comparison import Block, Comparison
from erlctl.analysis.data import Run
from erlctl.analysis.report_template import TEMPLATE
from erlctl.analysis.scores import Score
from erlctl.analysis.tables import TextTable
from erlctl.errors import ErlctlError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PROVENANCE = (
    ("erlctl", "versions.erlctl"), ("TensorFlow", "versions.tensorflow"),
    ("TF-Agents", "versions.tf_agents"), ("Gym", "versions.gym"), ("Python", "versions.python"),
    ("commit", "git.commit"), ("uncommitted changes", "git.dirty"), ("compiled by", "compile"),
    ("command", "command"),
)
_MAX_FIELD = 300
_SMALLEST_PIXELS_PER_INCH = 62  # letters can still be read; wider figures scroll on a phone


def report(
    comparison: Comparison, *, title: str, link_from: Path | None = None, style: str = "paper"
) -> str:
    """Return the page; it needs no network and no other file.

    Args:
        comparison: From `comparison.compare`.
        title: Heading.
        link_from: Folder of the page, so that runs can be linked relative to it; None: no links.
        style: Style of the figures.
    """
    runs = [score.run for score in _scores(comparison)]
    sections = [
        ("Comparison", _comparison(comparison)),
        ("Figures", _figures(comparison, runs, style)),
        ("Differences between the specs", _table(tables.spec_table(comparison))),
        ("Provenance", _provenance(runs)),
        ("Runs", _runs(comparison, link_from)),
    ]
    body = "\n".join(
        f"<section><h2>{name}</h2>\n{content}\n</section>" for name, content in sections if content
    )
    page = TEMPLATE
    for mark, text in (("TITLE", _text(title)), ("SUMMARY", _summary(comparison)),
                       ("VERSION", __version__), ("BODY", body)):
        page = page.replace(f"@@{mark}@@", text)
    return page


def _text(value: object) -> str:
    return html.escape(str(value), quote=True)


def _scores(comparison: Comparison) -> list[Score]:
    return [s for block in comparison.blocks for group in block.groups for s in group.scores]


def _summary(comparison: Comparison) -> str:
    scores = _scores(comparison)
    statuses = Counter(score.run.status for score in scores)
    counted = ", ".join(f"{count} {status}" for status, count in statuses.most_common())
    return (
        f"{len(scores)} runs ({_text(counted)}), {comparison.num_used} of them compared by "
        f"{_text(comparison.scoring.unit_label)}."
    )


def _comparison(comparison: Comparison) -> str:
    parts = []
    for block in comparison.blocks:
        parts.append(_table(tables.score_table(block, comparison)))
        parts.append(_list(_verdicts(block, comparison), "verdict"))
    together = comparison.together
    if together is not None:
        if together.groups:
            parts.append(_table(tables.aggregate_table(together)))
        lines = sentences.overalls(together.pairs, comparison.scoring)
        parts.append(_list([*lines, *together.remarks], "verdict"))
    parts.append(_list(comparison.warnings, "caveat"))
    return "\n".join(part for part in parts if part)


def _verdicts(block: Block, comparison: Comparison) -> list[str]:
    return sentences.verdicts(block.pairs, comparison.scoring)


def _list(lines: Iterable[str], kind: str) -> str:
    items = "".join(f"<li>{_text(line)}</li>" for line in lines)
    return f'<ul class="{kind}">{items}</ul>' if items else ""


def _table(table: TextTable) -> str:
    if not table.rows:
        return ""
    head = "".join(f"<th>{_text(name)}</th>" for name in table.header)
    rows = "".join(
        "<tr>" + "".join(f"<td>{_text(field)}</td>" for field in row) + "</tr>"
        for row in table.rows
    )
    is_numeric = table.header[0] == "variant"
    return (
        f'<h3>{_text(table.title)}</h3><div class="scroll">'
        f'<table class="{"numbers" if is_numeric else "words"}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _figures(comparison: Comparison, runs: Sequence[Run], style: str) -> str:
    """Every figure that these runs allow, as SVG inside an image: nothing of it can run."""
    from erlctl.analysis.figures import curves, diagnostics, profile, save, summary

    drawings: list[Callable[[], Figure]] = [
        lambda: curves.curves(runs, comparison.scoring.metric, style=style),
        lambda: summary.aggregate(comparison, style=style),
        lambda: summary.improvement(comparison, style=style),
        lambda: profile.profile(comparison, style=style),
        lambda: diagnostics.diagnostics(runs, style=style),
    ]
    images = []
    for draw in drawings:
        try:
            figure = draw()
        except ErlctlError:  # nothing to draw: one variant has no pairs, no run has a score
            continue
        # Shapes instead of letters: a phone has other fonts, and images cannot load any.
        data = base64.b64encode(save.render(figure, "svg", style=style, text_as_shapes=True))
        label = _text(figure.get_label() or "figure")
        least = round(figure.get_figwidth() * _SMALLEST_PIXELS_PER_INCH)
        images.append(
            f'<figure><img alt="{label}" style="min-width:{least}px" '
            f'src="data:image/svg+xml;base64,{data.decode()}"></figure>'
        )
    return "\n".join(images)


def _provenance(runs: Sequence[Run]) -> str:
    rows = []
    for name, path in _PROVENANCE:
        counted = Counter(_fact(run, path) for run in runs)
        counted.pop("", None)
        for value, count in counted.most_common(5):
            rows.append((name, value, str(count)))
    return _table(TextTable("as recorded by the runs", ("what", "value", "runs"), tuple(rows)))


def _fact(run: Run, path: str) -> str:
    value: Any = run.facts
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)[:_MAX_FIELD]


def _runs(comparison: Comparison, link_from: Path | None) -> str:
    rows = []
    for block in comparison.blocks:
        for group in block.groups:
            rows += [_run_row(group.variant, score, link_from) for score in group.scores]
    names = ("run", "environment", "variant", "seed", "status", "step", "score", "remark")
    head = "".join(f"<th>{name}</th>" for name in names)
    skipped = _list((f"{path}: {reason}" for path, reason in comparison.skipped), "caveat")
    return (
        f'<div class="scroll"><table class="words"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>{skipped}"
    )


def _run_row(variant: str, score: Score, link_from: Path | None) -> str:
    run = score.run
    name = _text(run.path)
    if link_from is not None:
        relative = Path(os.path.relpath(run.path, link_from)).as_posix()
        name = f'<a href="{_text(_quoted(relative))}/">{name}</a>'
    step = f"{run.step:,}" + (f" of {run.total_steps:,}" if run.total_steps else "")
    value = "" if score.excluded else numbers.number(score.value)
    fields = (run.environment, variant, "" if run.seed is None else run.seed, run.status, step,
              value, score.excluded or score.note)
    cells = "".join(f"<td>{_text(field)}</td>" for field in fields)
    return f'<tr class="{_text(run.status)}"><td>{name}</td>{cells}</tr>'


def _quoted(path: str) -> str:
    from urllib.parse import quote

    return quote(path)
