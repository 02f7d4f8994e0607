"""One self-contained HTML page: comparison, figures, spec differences, provenance, runs."""

from __future__ import annotations

import base64
import html
import os
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from erlctl import __version__
from erlctl.analysis import numbers, sentences, tables
from erlctl.analysis.comparison import Block, Comparison
from erlctl.analysis.data import EVALUATION, PROGRESS, Run
from erlctl.analysis.report_template import TEMPLATE
from erlctl.analysis.scores import Score
from erlctl.analysis.tables import TextTable
from erlctl.errors import ErlctlError

if TYPE_CHECKING:
    from erlctl.analysis.figures.figure import Figure

_NARROW_INCHES = 3.9  # a phone's width at which letters can be read

def report(
    comparison: Comparison, *, title: str, link_from: Path | None = None, style: str = "paper",
    labels: Mapping[str, str] | None = None,
) -> str:
    """Return the page; it needs no network and no other file.

    Args:
        comparison: From `comparison.compare`.
        title: Heading.
        link_from: Folder of the page, so that runs can be linked relative to it; None: no links.
        style: Style of the figures.
        labels: Variant to its name in the figures; others are shortened.
    """
    runs = [score.run for score in _scores(comparison)]
    contents = {
        "Comparison": _comparison(comparison),
        "Figures": _figures(comparison, runs, style, labels or {}),
        "Differences between the specs": _table(tables.spec_table(comparison), heading=False),
        "Provenance": _provenance(runs),
        "Runs": _runs(comparison, link_from),
    }
    sections = {name: content for name, content in contents.items() if content}
    body = "\n".join(
        f'<section id="{_anchor(name)}"><h2>{name}</h2>\n{content}\n</section>'
        for name, content in sections.items()
    )
    links = "".join(f'<li><a href="#{_anchor(name)}">{name}</a></li>' for name in sections)
    page = TEMPLATE
    for mark, text in (("TITLE", _text(title)), ("SUMMARY", _summary(comparison)),
                       ("VERSION", __version__), ("CONTENTS", links), ("BODY", body)):
        page = page.replace(f"@@{mark}@@", text)
    return page


def _anchor(name: str) -> str:
    return name.lower().replace(" ", "-")


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


def _table(table: TextTable, *, heading: bool = True) -> str:
    if not table.rows:
        return ""
    kind = "numbers" if table.header[0] == "variant" else "words"
    cells = "".join(_row(row) for row in table.rows)
    title = f"<h3>{_text(table.title)}</h3>" if heading else ""
    return title + _scrolling(table.header, cells, kind)


def _row(fields: Iterable[object]) -> str:
    return "<tr>" + "".join(f"<td>{_text(field)}</td>" for field in fields) + "</tr>"


def _scrolling(header: Iterable[str], rows: str, kind: str) -> str:
    """A table in a box of its own, which scrolls where the page is narrower than the table."""
    head = "".join(f"<th>{_text(name)}</th>" for name in header)
    return (f'<div class="scroll" tabindex="0"><table class="{kind}"><thead><tr>{head}</tr></thead>'
            f"<tbody>{rows}</tbody></table></div>")


def _figures(
    comparison: Comparison, runs: Sequence[Run], style: str, labels: Mapping[str, str]
) -> str:
    """Every figure that these runs allow, as SVG inside an image: nothing of it can run."""
    from erlctl.analysis.figures import curves, diagnostics, profile, summary

    drawings: list[Callable[..., Figure]] = [
        lambda **page: curves.curves(runs, comparison.scoring.metric, **page),
        lambda **page: summary.aggregate(comparison, **page),
        lambda **page: summary.improvement(comparison, **page),
        lambda **page: profile.profile(comparison, **page),
        lambda **page: diagnostics.diagnostics(runs, **page),
    ]
    images = []
    for draw in drawings:
        try:
            wide = draw(style=style, labels=labels)
        except ErlctlError:  # nothing to draw: one variant has no pairs, no run has a score
            continue
        narrow = draw(style="paper", labels=labels, size=(_NARROW_INCHES, None))
        label = _text(wide.get_label() or "figure")
        images.append(
            f'<figure><picture><source media="(max-width: 40rem)" srcset="{_data(narrow)}">'
            f'<img alt="{label}" src="{_data(wide)}"></picture></figure>'
        )
    return "\n".join(images)


def _data(figure: Figure) -> str:
    # Shapes instead of letters: a phone has other fonts, and images cannot load any.
    data = base64.b64encode(figure.render("svg", text_as_shapes=True))
    return f"data:image/svg+xml;base64,{data.decode()}"


def _provenance(runs: Sequence[Run]) -> str:
    """What run.json says; where runs differ, every value with the number of its runs."""
    rows = []
    for name, read in _PROVENANCE.items():
        counted = Counter(read(run) for run in runs)
        counted.pop("", None)
        for value, count in counted.most_common(5):
            rows.append((name, value, str(count)))
    seconds = [found for run in runs if (found := _training_seconds(run)) is not None]
    if seconds:
        total = f"{_duration(sum(seconds))} in all, {_duration(float(np.median(seconds)))} per run"
        rows.append(("training time", f"{total} (median)", str(len(seconds))))
    table = TextTable("", ("what", "value", "runs"), tuple(rows))
    return _table(table, heading=False)


def _fact(run: Run, path: str) -> Any:
    value: Any = run.facts
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _said(path: str) -> Callable[[Run], str]:
    """A reader of one fact, as text; "" where the run does not say."""
    def read(run: Run) -> str:
        value = _fact(run, path)
        return "" if value is None else _shortened(str(value))
    return read


def _shortened(text: str) -> str:
    return text if len(text) <= 300 else text[:299] + "…"


def _commit(path: str) -> Callable[[Run], str]:
    def read(run: Run) -> str:
        commit = _fact(run, f"{path}.commit")
        dirty = " with uncommitted changes" if _fact(run, f"{path}.dirty") is True else ""
        return f"{commit}{dirty}" if commit else ""
    return read


def _command(run: Run) -> str:
    """The command as it can be typed again."""
    command = _fact(run, "command")
    parts = command if isinstance(command, list) else None
    return _shortened(shlex.join(map(str, parts)) if parts is not None else str(command or ""))


def _host(run: Run) -> str:
    parts = (_fact(run, f"host.{key}") for key in ("name", "cpu", "platform"))
    return ", ".join(str(part) for part in parts if part)


def _day(path: str) -> Callable[[Run], str]:
    return lambda run: str(_fact(run, path) or "")[:10]


def _training_seconds(run: Run) -> float | None:
    """Wall time of the training itself, from the tables; None where the run does not say."""
    for name in (PROGRESS, EVALUATION):
        seconds = run.table(name, ("step", "wall_seconds")).get("wall_seconds", np.empty(0))
        if np.isfinite(seconds).any():
            return float(np.nanmax(np.where(np.isfinite(seconds), seconds, np.nan)))
    return None


def _duration(seconds: float) -> str:
    """1234.0 -> "20 min 34 s"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.3g} s"


_PROVENANCE: Mapping[str, Callable[[Run], str]] = {
    "started on": _day("created"), "last written on": _day("updated"), "host": _host,
    "commit": _commit("git"), "commit of erlctl": _commit("git.erlctl"), "command": _command,
    "compiled by": _said("compile"), "erlctl": _said("versions.erlctl"),
    "TensorFlow": _said("versions.tensorflow"), "TF-Agents": _said("versions.tf_agents"),
    "Gym": _said("versions.gym"), "Python": _said("versions.python"),
}


def _runs(comparison: Comparison, link_from: Path | None) -> str:
    rows = []
    for block in comparison.blocks:
        for group in block.groups:
            rows += [_run_row(group.variant, score, link_from) for score in group.scores]
    names = ("run", "environment", "variant", "seed", "status", "step", "score", "remark")
    skipped = _list((f"{path}: {reason}" for path, reason in comparison.skipped), "caveat")
    return _scrolling(names, "".join(rows), "words runs") + skipped


def _run_row(variant: str, score: Score, link_from: Path | None) -> str:
    run = score.run
    name = _text(run.path)
    if link_from is not None:
        relative = Path(os.path.relpath(run.path, link_from)).as_posix()
        name = f'<a href="{_text(_quoted(relative))}/">{name}</a>'
    step = f"{run.step:,}" + (f" of {run.total_steps:,}" if run.total_steps else "")
    value = "" if score.excluded else numbers.number(score.value)
    step = step.replace(" ", "\N{NO-BREAK SPACE}")
    fields = (run.environment, variant, "" if run.seed is None else run.seed, run.status, step,
              value, score.excluded or score.note)
    cells = "".join(f"<td>{_text(field)}</td>" for field in fields)
    return f'<tr class="{_text(run.status)}"><td>{name}</td>{cells}</tr>'


def _quoted(path: str) -> str:
    from urllib.parse import quote

    return quote(path)
