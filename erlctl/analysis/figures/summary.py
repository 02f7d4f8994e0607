"""Points with intervals: scores of the variants, and who improves on whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from erlctl.analysis.aggregate import AggregateGroup, AggregatePair
from erlctl.analysis.comparison import Block, Comparison
from erlctl.analysis.figures import limits
from erlctl.analysis.figures import style as look_of
from erlctl.analysis.figures.fit import readable
from erlctl.analysis.figures.sheet import Page, Sheet, new_sheet
from erlctl.analysis.groups import Group, Pair
from erlctl.analysis.intervals import ALL_EQUAL, MIN_RUNS_BOOTSTRAP, Interval
from erlctl.analysis.numbers import natural
from erlctl.analysis.statistics import MIN_RUNS_IQM, Floats
from erlctl.errors import ErlctlError

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from erlctl.analysis.figures.figure import Figure

Couple = tuple[str, str, float, Interval]  # first, second, P(first is better), its interval
_NAMES = {"mean": "mean", "iqm": "IQM", "median": "median", "optimality_gap": "optimality gap"}
_TOGETHER = ("mean", "iqm", "optimality_gap")
_SAME_UNIT = ("mean", "iqm", "median")
_LINES_OF_TEXT = 1.9  # height of a row


@readable
def aggregate(
    comparison: Comparison, *, statistics: Sequence[str] = ("mean", "iqm", "median"),
    **page: Unpack[Page],
) -> Figure:
    """Draw one point with its interval per variant: rows are variants, panels are statistics.

    With several environments there is one row of panels each, and one for all together where
    scores can be normalised.

    Args:
        comparison: From `comparison.compare`.
        statistics: Of "mean", "iqm", "median".
        **page: See `sheet.Page`.

    Raises:
        ErlctlError: No run has a score, or `ylim` is given: the y axis holds names.
    """
    blocks = [block for block in comparison.blocks if any(group.num_used for group in block.groups)]
    if not blocks:
        raise ErlctlError("no run has a score", fix="`erlctl compare` says why")
    variants = _variants(blocks)
    together = comparison.together
    groups = sorted(together.groups if together else (), key=lambda group: natural(group.variant))
    all_groups = [group for block in blocks for group in block.groups]
    absent = [name for name in statistics
              if not any(np.isfinite(group.statistics[name]) for group in all_groups)]
    missing = "".join(f" No {_NAMES[name]}: it needs {MIN_RUNS_IQM} runs." for name in absent)
    statistics = [name for name in statistics if name not in absent]
    lengths = [len(statistics)] * len(blocks) + [len(_TOGETHER)] * bool(groups)
    columns = max(lengths)
    tallest = max(len(_variants([block])) for block in blocks)
    marks = _Marks()
    with new_sheet(page, variants, rows=True) as sheet:
        # One colour where there are more rows than colours: the rows have names.
        pens = sheet.pens if len(variants) <= len(look_of.COLORS) else dict.fromkeys(
            variants, next(iter(sheet.pens.values())))
        sheet.grid(
            columns * len(lengths), columns=columns, height=_height(tallest, sheet.look),
            row_names=list(sheet.labels.values()), share_names=True, lengths=lengths,
        )
        lines = sheet.lines(lengths)
        for line, block in zip(lines, blocks, strict=False):
            by_name = {group.variant: group for group in block.groups if group.num_used}
            known = limits.possible(block.environment, comparison.scoring.metric)
            _rows(sheet, line, by_name, statistics, pens, marks, known, block.environment,
                  comparison.scoring.unit_label)
        if groups:
            _rows(sheet, lines[-1], {g.variant: g for g in groups}, _TOGETHER,
                  pens, marks, limits.ANY, f"all {len(together.environments) if together else 0}",
                  "normalised score")
        return sheet.finish(title=comparison.scoring.unit_label, rows=True,
                            caption=f"{_runs_used(blocks)} {marks.caption()}{missing}")


class _Marks:
    """Draws points and whiskers, and notes what it drew for the caption."""

    def __init__(self) -> None:
        self.methods: set[str] = set()
        self.has_runs = self.is_light = self.is_cut = self.goes_on = False

    def draw(
        self, panel: Any, position: int, centre: float, interval: Interval, pen: look_of.Pen,
        *, num_runs: int, possible: limits.Range, axis: limits.Range,
    ) -> None:
        """Draw a point and its interval; an arrow where the interval leaves the axis."""
        if interval:
            self.methods |= {interval.method} - {ALL_EQUAL}
            is_light = num_runs < MIN_RUNS_BOOTSTRAP
            self.is_light |= is_light
            ends = max(interval.low, possible[0]), min(interval.high, possible[1])
            self.is_cut |= ends != (interval.low, interval.high)
            low, high = max(ends[0], axis[0]), min(ends[1], axis[1])
            panel.plot(
                [low, high], [position] * 2, color=pen.color, solid_capstyle="butt",
                linewidth=1.0 if is_light else 2.5, alpha=0.55 if is_light else 1.0,
            )
            for end, cut, marker in ((ends[0], low, "<"), (ends[1], high, ">")):
                if end != cut:
                    self.goes_on = True
                    panel.plot([cut], [position], marker=marker, color=pen.color, linestyle="",
                               markersize=5, clip_on=False)
        if np.isfinite(centre):
            panel.plot([centre], [position], marker=pen.marker, color=pen.color, linestyle="",
                       markeredgecolor="white", markeredgewidth=0.5, markersize=6, zorder=3)

    def caption(self) -> str:
        """Return what dots, whiskers and arrows are."""
        parts = ["Small dots: single runs"] if self.has_runs else []
        if self.methods:
            light = ", thin below 5 runs" if self.is_light else ""
            light += ", cut at the possible values" if self.is_cut else ""
            parts.append(
                f"whiskers: 95% interval over runs ({', '.join(sorted(self.methods))}{light})")
        if self.goes_on:
            parts.append("arrows: the interval goes on")
        text = "; ".join(parts)
        return text[:1].upper() + text[1:] + "." if text else ""


def _rows(
    sheet: Sheet, panels: Sequence[Any], groups: Mapping[str, Group | AggregateGroup],
    statistics: Sequence[str], pens: Mapping[str, look_of.Pen], marks: _Marks,
    known: limits.Range, name: str, unit: str,
) -> None:
    """Fill a row of panels, one per statistic; those in the same unit share their limits."""
    variants = sorted(groups, key=natural)
    runs = [_runs(group) for group in groups.values()]
    values = np.concatenate(runs)
    for index, (panel, statistic) in enumerate(zip(panels, statistics, strict=True)):
        centres = np.array([group.statistics[statistic] for group in groups.values()])
        shown = centres if statistic == "optimality_gap" else values
        possible = limits.with_data(known, shown)
        limit = _limit(groups.values(), statistic, shown, possible)
        panel.set_xlim(*limit)
        for position, variant in enumerate(variants):
            group = groups[variant]
            scores = _runs(group)
            marks.draw(panel, position, group.statistics[statistic], group.intervals[statistic],
                       pens[variant], num_runs=scores.size,
                       possible=possible, axis=limit)
            if isinstance(group, Group):
                marks.has_runs = True
                panel.plot(scores, position + _spread(scores.size), marker=".", linestyle="",
                           color=pens[variant].color, alpha=0.5, markersize=5, markeredgewidth=0)
        if not np.isfinite(centres).any():
            why = f"{_NAMES[statistic]} needs {MIN_RUNS_IQM} runs"
            panel.text(0.5, 0.5, why, transform=panel.transAxes, ha="center", color="0.35",
                       bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8})
        sheet.heading(panel, f"{name}: {_NAMES[statistic]}")
        panel.set_xlabel(unit)
        names = [sheet.labels[variant] for variant in variants]
        is_first = index % sheet.num_columns == 0
        panel.set_yticks(range(len(names)), names if is_first else [""] * len(names))
        panel.set_ylim(len(variants) - 0.4, -0.6)
        panel.grid(axis="y", visible=False)


def _limit(
    groups: Iterable[Group | AggregateGroup], statistic: str, shown: Floats,
    possible: limits.Range,
) -> limits.Range:
    """Limits of a value axis; the gap has one of its own, the others are in the same unit."""
    together = [statistic] if statistic == "optimality_gap" else _SAME_UNIT
    ends = [end for group in groups for name in together
            if (found := group.intervals[name]) for end in (found.low, found.high)]
    return limits.reaching(shown, np.clip(np.array(ends), *possible), shown) or (0.0, 1.0)


def _runs(group: Group | AggregateGroup) -> Floats:
    return group.values if isinstance(group, Group) else np.concatenate(group.strata)


@readable
def improvement(comparison: Comparison, **page: Unpack[Page]) -> Figure:
    """Draw the probability of improvement of every compared pair, one panel per environment.

    Args:
        comparison: From `comparison.compare`; its baseline decides which pairs there are.
        **page: See `sheet.Page`.

    Raises:
        ErlctlError: There is no pair, or `ylim` is given: the y axis holds names.
    """
    compared: list[tuple[str, Sequence[Pair | AggregatePair]]] = [
        (block.environment, block.pairs) for block in comparison.blocks]
    if comparison.together:
        compared.append(("all environments", comparison.together.pairs))
    wanted: list[tuple[str, list[Couple]]] = [
        (name, [(p.variant, p.other, p.probability, p.interval) for p in pairs])
        for name, pairs in compared if pairs
    ]
    if not wanted:
        raise ErlctlError("no two variants have runs with a score in the same environment",
                          fix="`erlctl compare` says which runs have none, and why")
    blocks = [block for block in comparison.blocks if block.pairs]
    found = {name for _, pairs in wanted for first, second, *_ in pairs for name in (first, second)}
    with new_sheet(page, sorted(found, key=natural), rows=True) as sheet:
        named = [_names(pairs, sheet.labels) for _, pairs in wanted]
        lines = max(sum(1 + label.count("\n") for label in labels) for labels, _ in named)
        (panels,) = sheet.grid(
            len(wanted), height=_height(lines, sheet.look),
            row_names=[label for labels, _ in named for label in labels],
        )
        has_whiskers = False
        for panel, (name, pairs), (labels, axis) in zip(panels, wanted, named, strict=True):
            _draw_pairs(panel, pairs, labels)
            is_long = len(axis) * 0.55 * sheet.look.font / 72 > sheet.panel_inches
            panel.set_xlabel(axis, loc="right" if is_long else "center")
            has_whiskers |= any(interval for *_, interval in pairs)
            sheet.heading(panel, name)
        whiskers = "Whiskers: 95% score interval over runs. " if has_whiskers else ""
        counts = [n for block in blocks for pair in block.pairs for n in pair.num_runs]
        return sheet.finish(
            title="probability of improvement", rows=True,
            caption=f"{whiskers}Dashed: no difference. {look_of.runs(counts)} per variant.",
        )


def _draw_pairs(panel: Any, pairs: Sequence[Couple], labels: Sequence[str]) -> None:
    panel.axvline(0.5, color="0.4", linestyle="--", linewidth=1)
    for position, (_, _, probability, interval) in enumerate(pairs):
        if interval:
            panel.plot([interval.low, interval.high], [position] * 2, color=look_of.COLORS[0],
                       solid_capstyle="butt", linewidth=2.5)
        panel.plot([probability], [position], marker="o", color="black", linestyle="")
    panel.set_yticks(range(len(pairs)), labels)
    panel.set_ylim(len(pairs) - 0.4, -0.6)
    panel.set_xlim(-0.02, 1.02)
    panel.set_xticks([0.0, 0.5, 1.0], ["0", "0.5", "1"])
    panel.grid(axis="y", visible=False)


def _names(pairs: Sequence[Couple], named: Mapping[str, str]) -> tuple[list[str], str]:
    """Labels of the rows, and what the probability is; a name that all share stands only once."""
    firsts, seconds = {first for first, *_ in pairs}, {second for _, second, *_ in pairs}
    if len(firsts) == 1:
        text = f"P({named[firsts.pop()]} is better)"
        return [named[second] for _, second, *_ in pairs], text
    if len(seconds) == 1:
        return [named[first] for first, *_ in pairs], f"P(better than {named[seconds.pop()]})"
    return ([f"{named[first]}\n> {named[second]}" for first, second, *_ in pairs],
            "P(first is better)")


def _spread(num_runs: int) -> Floats:
    """Small vertical offsets so that equal runs do not hide each other; always the same."""
    return np.asarray(0.22 + 0.08 * ((np.arange(num_runs) % 3) - 1), np.float64)


def _variants(blocks: Sequence[Block]) -> list[str]:
    found = {group.variant for block in blocks for group in block.groups if group.num_used}
    return sorted(found, key=natural)


def _height(num_rows: int, look: look_of.Look) -> float:
    """Inches that a panel of rows of text needs."""
    return max(1.1, 0.8 + num_rows * look.font / 72 * _LINES_OF_TEXT)


def _runs_used(blocks: Sequence[Block]) -> str:
    counts = [group.num_used for block in blocks for group in block.groups if group.num_used]
    lost = sum(len(g.scores) - g.num_used for block in blocks for g in block.groups)
    return f"{look_of.runs(counts)} per variant" + (f", {lost} without a score." if lost else ".")
