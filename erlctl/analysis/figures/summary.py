"""Points with intervals: scores of the variants, and who improves on whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from erlctl.analysis.comparison import Block, Comparison
from erlctl.analysis.figures import style as look_of
from erlctl.analysis.groups import Group
from erlctl.analysis.intervals import Interval
from erlctl.analysis.numbers import natural
from erlctl.analysis.statistics import Floats
from erlctl.errors import ErlctlError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Couple = tuple[str, str, float, Interval]  # first, second, P(first is better), its interval
_NAMES = {"mean": "mean", "iqm": "IQM", "median": "median", "optimality_gap": "optimality gap"}
_TOGETHER = ("mean", "iqm", "optimality_gap")
_WHISKERS = (
    "whiskers: 95% interval over runs (mean: studentised bootstrap, Student t below 5 runs; IQM, "
    "median: BCa bootstrap)."
)


def aggregate(
    comparison: Comparison, *, statistics: Sequence[str] = ("mean", "iqm", "median"),
    style: str = "paper", size: tuple[float, float] | None = None, title: str | None = None,
) -> Figure:
    """Draw one point with its interval per variant: rows are variants, panels are statistics.

    With several environments there is one row of panels each, and one for all together where
    scores can be normalised.

    Args:
        comparison: From `comparison.compare`.
        statistics: Of "mean", "iqm", "median".
        style: "paper" or "slides".
        size: Width and height in inches.
        title: Heading; None: the score.

    Raises:
        ErlctlError: No run has a score.
    """
    blocks = [block for block in comparison.blocks if any(group.num_used for group in block.groups)]
    if not blocks:
        raise ErlctlError("no run has a score", fix="`erlctl compare` says why")
    variants = _variants(blocks)
    pens = look_of.pens(variants)
    together = comparison.together
    has_together = together is not None and bool(together.groups)
    columns = max(len(statistics), len(_TOGETHER) if has_together else 0)
    tallest = max(len(_variants([block])) for block in blocks)
    with look_of.drawing(style) as look:
        figure, panels = look_of.panels(
            columns * (len(blocks) + has_together), look, size=size, columns=columns,
            height=_height(tallest, look), row_names=variants,
        )
        for row, block in enumerate(blocks):
            line = panels[row * columns : (row + 1) * columns]
            names = _variants([block])
            groups = {group.variant: group for group in block.groups}
            for panel, statistic in zip(line, statistics, strict=False):
                for position, variant in enumerate(names):
                    _point(panel, position, groups[variant], statistic, pens[variant])
                panel.set_title(f"{block.environment}: {_NAMES[statistic]}")
                panel.set_xlabel(comparison.scoring.unit_label)
            _name_rows(line[: len(statistics)], names)
            for unused in line[len(statistics) :]:
                unused.set_visible(False)
        if has_together:
            _draw_together(comparison, panels[len(blocks) * columns :], pens)
        look_of.finish(
            figure, look, title=title or comparison.scoring.unit_label,
            caption=f"{_runs_used(blocks)} Small dots: single runs; {_WHISKERS}"
        )
    return figure


def improvement(
    comparison: Comparison, *, style: str = "paper", size: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw the probability of improvement of every compared pair, one panel per environment.

    Args:
        comparison: From `comparison.compare`; its baseline decides which pairs there are.
        style: "paper" or "slides".
        size: Width and height in inches.
        title: Heading.

    Raises:
        ErlctlError: There is no pair.
    """
    blocks = [block for block in comparison.blocks if block.pairs]
    overall = comparison.together.pairs if comparison.together else ()
    wanted: list[tuple[str, list[Couple]]] = [
        (block.environment, [(p.variant, p.other, p.probability, p.interval) for p in block.pairs])
        for block in blocks
    ]
    if overall:
        wanted.append(
            ("all environments", [(p.variant, p.other, p.probability, p.interval) for p in overall])
        )
    if not wanted:
        raise ErlctlError("no two variants have runs with a score in the same environment",
                          fix="`erlctl compare` says which runs have none, and why")
    num_rows = max(len(pairs) for _, pairs in wanted)
    named = [_names(pairs) for _, pairs in wanted]
    with look_of.drawing(style) as look:
        figure, panels = look_of.panels(
            len(wanted), look, size=size, height=_height(num_rows, look),
            row_names=[label for labels, _ in named for label in labels],
        )
        for panel, (name, pairs), (labels, axis) in zip(panels, wanted, named, strict=True):
            _draw_pairs(panel, pairs, labels, axis)
            panel.set_title(name)
        look_of.finish(
            figure, look, title=title or "probability of improvement",
            caption=f"Whiskers: 95% score interval over runs; dashed: no difference. "
            f"{_runs_used(blocks)}",
        )
    return figure


def _draw_pairs(panel: Any, pairs: Sequence[Couple], labels: Sequence[str], axis: str) -> None:
    panel.axvline(0.5, color="0.4", linestyle="--", linewidth=1)
    for position, (_, _, probability, interval) in enumerate(pairs):
        if interval:
            panel.plot([interval.low, interval.high], [position] * 2, color=look_of.COLORS[0],
                       solid_capstyle="butt", linewidth=2.5)
        panel.plot([probability], [position], marker="o", color="black", linestyle="")
    panel.set_yticks(range(len(pairs)), labels)
    panel.set_ylim(len(pairs) - 0.4, -0.6)
    panel.set_xlim(-0.02, 1.02)
    panel.grid(axis="y", visible=False)
    panel.set_xlabel(axis)


def _names(pairs: Sequence[Couple]) -> tuple[list[str], str]:
    """Labels of the rows, and what the probability is; a name that all share stands only once."""
    firsts, seconds = {first for first, *_ in pairs}, {second for _, second, *_ in pairs}
    if len(seconds) == 1:
        return [first for first, *_ in pairs], f"P(better than {seconds.pop()})"
    if len(firsts) == 1:
        return [second for _, second, *_ in pairs], f"P({firsts.pop()} is better)"
    return [f"{first}\n> {second}" for first, second, *_ in pairs], "P(first is better)"


def _point(panel: Any, position: int, group: Group, statistic: str, pen: look_of.Pen) -> None:
    values = group.values
    centre, interval = group.statistics[statistic], group.intervals[statistic]
    _mark(panel, position, centre, interval, pen)
    spread = _spread(values.size)
    panel.plot(values, position + spread, marker=".", linestyle="", color=pen.color, alpha=0.5,
               markersize=6, markeredgewidth=0)


def _mark(panel: Any, position: int, centre: float, interval: Interval, pen: look_of.Pen) -> None:
    if interval:
        panel.plot([interval.low, interval.high], [position] * 2, color=pen.color, linewidth=2.5,
                   solid_capstyle="butt")
    if np.isfinite(centre):
        panel.plot([centre], [position], marker=pen.marker, color=pen.color, linestyle="",
                   markeredgecolor="white", markeredgewidth=0.5, markersize=7)


def _spread(num_runs: int) -> Floats:
    """Small vertical offsets so that equal runs do not hide each other; always the same."""
    return 0.22 + 0.08 * ((np.arange(num_runs) % 3) - 1)


def _name_rows(panels: Sequence[Any], variants: Sequence[str]) -> None:
    for index, panel in enumerate(panels):
        panel.set_yticks(range(len(variants)), variants if index == 0 else [""] * len(variants))
        panel.set_ylim(len(variants) - 0.4, -0.6)
        panel.grid(axis="y", visible=False)


def _draw_together(
    comparison: Comparison, panels: Sequence[Any], pens: dict[str, look_of.Pen]
) -> None:
    together = comparison.together
    if together is None:
        return
    groups = sorted(together.groups, key=lambda group: natural(group.variant))
    for panel, statistic in zip(panels, _TOGETHER, strict=False):
        for position, group in enumerate(groups):
            _mark(panel, position, group.statistics[statistic], group.intervals[statistic],
                  pens[group.variant])
        panel.set_title(f"all {len(together.environments)}: {_NAMES[statistic]}")
        panel.set_xlabel("normalised score")
    _name_rows(panels[: len(_TOGETHER)], [group.variant for group in groups])


def _variants(blocks: Sequence[Block]) -> list[str]:
    found = {group.variant for block in blocks for group in block.groups if group.num_used}
    return sorted(found, key=natural)


def _height(num_rows: int, look: look_of.Look) -> float:
    """Inches that a panel of rows of text needs."""
    return max(1.3, 0.9 + num_rows * look.font / 72 * 2.4)


def _runs_used(blocks: Sequence[Block]) -> str:
    counts = [group.num_used for block in blocks for group in block.groups if group.num_used]
    lost = sum(len(g.scores) - g.num_used for block in blocks for g in block.groups)
    return f"{look_of.runs(counts)} per variant" + (f", {lost} without a score." if lost else ".")
