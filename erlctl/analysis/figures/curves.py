"""Learning curves: one line per variant with its interval over runs, one panel per environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from erlctl.analysis.data import METRICS, RETURN, Metric, Run, step_units
from erlctl.analysis.figures import limits
from erlctl.analysis.figures import style as look_of
from erlctl.analysis.figures.fit import readable
from erlctl.analysis.figures.sheet import Page, new_sheet
from erlctl.analysis.grid import Aligned, align
from erlctl.analysis.intervals import MIN_RUNS_BOOTSTRAP, MIN_RUNS_INTERVAL
from erlctl.analysis.numbers import natural
from erlctl.analysis.statistics import Floats

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from erlctl.analysis.figures.figure import Figure

_NAMES = {"mean": "mean", "iqm": "interquartile mean", "median": "median"}
_FEW_LINES = 4
_LOG_RATIO = 100.0
# Losses against the optimum, which fall by orders of magnitude.
_LOSSES = ("suboptimality_sup", "suboptimality_l1", "optimality_gap", "bound")


@dataclass
class Drawn:
    """What has been drawn so far, so that the caption says that and nothing else.

    Attributes:
        statistic: "mean", "iqm" or "median" over runs.
        band: "auto": from `MIN_RUNS_BOOTSTRAP` runs on, below that the runs themselves; "always":
            wherever there is an interval; "none".
        show_seeds: Whether every run is drawn faintly.
        counts: Runs per line.
        with_band: Runs of the lines with a band.
        has_runs: Whether single runs were drawn.
        is_cut: Whether a band was cut at the possible values.
        has_others: Whether variants of other panels were drawn in grey.
        has_bounds: Whether bounds were drawn.
        hides_zeros: Whether values of 0 lie below a logarithmic axis.
        has_infinite: Whether some values are infinite.
    """

    statistic: str = "mean"
    band: str = "auto"
    show_seeds: bool = False
    counts: set[int] = field(default_factory=set)
    with_band: set[int] = field(default_factory=set)
    has_runs: bool = False
    is_cut: bool = False
    has_others: bool = False
    has_bounds: bool = False
    hides_zeros: bool = False
    has_infinite: bool = False

    def caption(self, smooth: int) -> str:
        """Return what lines and bands are."""
        if not self.counts:
            return "No run has a value."
        parts = [f"Lines: {_NAMES[self.statistic]} over {look_of.runs(self.counts)}."]
        if self.with_band:
            cut = ", cut at the possible values" if self.is_cut else ""
            method = _method(sorted(self.with_band), self.statistic)
            parts.append(f"Bands: pointwise 95% interval over runs ({method}{cut}).")
        if self.band != "none" and (least := min(self.counts)) < self._least():
            which = "No bands" if not self.with_band else "No band for some"
            parts.append(f"{which}: below {self._least()} runs (here {least}).")
        if self.has_runs:
            parts.append("Faint lines: single runs.")
        if self.has_others:
            parts.append("Grey: the variants of the other panels.")
        if self.hides_zeros:
            parts.append("Values of 0 lie below the axis.")
        if self.has_infinite:
            parts.append("Infinite values are left out, also of means.")
        if self.has_bounds:
            parts.append("Thin dashes: what theory bounds the line of that colour by.")
        parts.append(
            f"Smoothed: moving average of {smooth} points." if smooth > 1 else "Not smoothed.")
        return " ".join(parts)

    def _least(self) -> int:
        is_student = self.band == "always" and self.statistic == "mean"
        return MIN_RUNS_INTERVAL if is_student else MIN_RUNS_BOOTSTRAP

    def line(
        self, panel: Any, aligned: Aligned, pen: look_of.Pen, known: limits.Range
    ) -> Any:
        """Draw one variant into a panel; return the handle for the legend.

        With few runs the runs themselves are drawn: their honest band is far wider than all of
        them and says less.
        """
        x, centre = aligned.x, aligned.centre(self.statistic)
        self.counts |= aligned.runs_shown
        self.has_infinite |= aligned.has_infinite
        (line,) = panel.plot(
            x, centre, color=pen.color, linestyle=pen.dashes, marker=pen.marker,
            markevery=max(1, int(np.ceil(x.size / 10))), markeredgecolor="white",
            markeredgewidth=0.4, zorder=3,
        )
        num_runs = len(aligned.values)
        if self.band != "none" and num_runs >= self._least():
            low, high = aligned.interval(self.statistic)
            enough = aligned.counts >= self._least()
            low, high = np.where(enough, low, np.nan), np.where(enough, high, np.nan)
            floor, ceiling = limits.with_data(known, aligned.values)
            self.is_cut |= bool(np.any(low < floor) or np.any(high > ceiling))
            panel.fill_between(
                x, np.maximum(low, floor), np.minimum(high, ceiling), color=pen.color,
                alpha=0.18 if num_runs >= MIN_RUNS_BOOTSTRAP else 0.08, linewidth=0,
            )
            self.with_band |= {n for n in aligned.runs_shown if n >= self._least()}
        if num_runs > 1 and (
            self.show_seeds or (self.band == "auto" and num_runs < MIN_RUNS_BOOTSTRAP)
        ):
            self.has_runs = True
            for row in aligned.values:
                panel.plot(x, row, color=pen.color, alpha=min(0.4, max(0.1, 4 / num_runs)),
                           zorder=1.5, linewidth=line.get_linewidth() * 0.4)
        return line

    def bound(self, panel: Any, aligned: Aligned, pen: look_of.Pen) -> None:
        """Draw what a variant's line cannot exceed."""
        self.has_bounds = True
        panel.plot(aligned.x, aligned.centre(self.statistic), color=pen.color, linestyle="--",
                   linewidth=0.7, zorder=1)

    def others(self, panel: Any, lines: Mapping[str, Aligned], members: Sequence[str]) -> None:
        """Draw the lines of the variants that are not in this panel in grey, to compare with."""
        for variant, aligned in lines.items():
            if variant not in members and aligned.x.size:
                self.has_others = True
                panel.plot(aligned.x, aligned.centre(self.statistic), color="0.82", linewidth=0.7,
                           zorder=0.5)


@readable
def curves(
    runs: Sequence[Run], metric: Metric = RETURN, *, statistic: str = "mean",
    by_wall_time: bool = False, show_seeds: bool = False, smooth: int = 1, band: str = "auto",
    **page: Unpack[Page],
) -> Figure:
    """Draw a metric against steps or training time.

    Args:
        runs: Runs of any variants and environments, also unfinished ones.
        metric: What is drawn.
        statistic: "mean", "iqm" or "median" over runs; the band is its 95 % interval.
        by_wall_time: Whether x is training time in seconds.
        show_seeds: Whether every run is drawn faintly.
        smooth: Points of the trailing moving average; 1 for none. Said in the caption.
        band: "auto" (the runs themselves in place of a band of fewer than five), "always", "none".
        **page: See `sheet.Page`.
    """
    environments = sorted({run.environment for run in runs})
    variants = sorted({run.variant for run in runs}, key=natural)
    parts = look_of.chunks(variants)
    drawn = Drawn(statistic, band, show_seeds)
    with new_sheet(page, variants) as sheet:
        blocks = sheet.grid(
            len(environments), parts=[[sheet.labels[name] for name in part] for part in parts])
        for at, environment in enumerate(environments):
            here = [run for run in runs if run.environment == environment]
            lines = lines_of(here, environment, variants, metric, by_wall_time, smooth)
            bounds = {}
            if metric.name == "suboptimality_sup":
                bounds = lines_of(
                    runs, environment, variants, METRICS["bound"], by_wall_time, smooth)
            known = limits.possible(environment, metric)
            column = [block[at] for block in blocks]
            for panel, part, handles in zip(column, parts, sheet.handles, strict=True):
                for variant in (name for name in part if name in lines):
                    handles[sheet.labels[variant]] = drawn.line(
                        panel, lines[variant], sheet.pens[variant], known)
                    if variant in bounds:
                        drawn.bound(panel, bounds[variant], sheet.pens[variant])
                    if len(part) <= _FEW_LINES:
                        _say_n(panel, lines[variant], sheet.pens[variant])
                drawn.others(panel, lines, part)
                sheet.heading(panel, environment)
                panel.set_ylabel(metric.label)
                look_of.steps_axis(panel, here, by_wall_time=by_wall_time)
            same_limits(column, [aligned.values for aligned in lines.values()])
            for panel in column:
                _make_room_for_n(panel)
            if metric.name in _LOSSES and logarithmic(column):
                drawn.hides_zeros |= any((each.values <= 0.0).any() for each in lines.values())
        over = "training time" if by_wall_time else step_units(runs).replace("environment ", "")
        return sheet.finish(title=f"{metric.label} over {over}", caption=drawn.caption(smooth))


def lines_of(
    runs: Sequence[Run], environment: str, variants: Sequence[str], metric: Metric,
    by_wall_time: bool, smooth: int,
) -> dict[str, Aligned]:
    """Return the curves of every variant that has values in an environment."""
    found = {}
    for variant in variants:
        members = [run for run in runs if (run.variant, run.environment) == (variant, environment)]
        aligned = align(members, metric, by_wall_time=by_wall_time, smooth=smooth)
        if aligned.x.size and np.isfinite(aligned.values).any():
            found[variant] = aligned
    return found


def same_limits(panels: Sequence[Any], runs: Sequence[Floats] = ()) -> None:
    """Give panels of one quantity the same limits: those of the lines, and of intervals near them.

    Args:
        panels: With lines, and intervals as collections.
        runs: Values of the runs where they are not drawn, to judge which interval is near.
    """
    drawn = np.concatenate(
        [line.get_ydata() for panel in panels for line in panel.get_lines()] or [np.empty(0)])
    ends = [
        path.vertices[:, 1] for panel in panels for band in panel.collections
        for path in band.get_paths()
    ]
    found = limits.reaching(drawn, np.concatenate([*ends, np.empty(0)]),
                            np.concatenate([drawn, *[values.ravel() for values in runs]]))
    if found is not None:
        for panel in panels:
            panel.set_ylim(*found)


def logarithmic(panels: Sequence[Any]) -> bool:
    """Take a logarithmic axis where the positive values of the lines span orders of magnitude.

    Its lower end follows the bulk of the values: a single difference that rounds to 1e-16 would
    press everything else into the top.

    Returns:
        Whether it was taken.
    """
    values = np.concatenate([line.get_ydata() for p in panels for line in p.get_lines()])
    values = values[np.isfinite(values) & (values > 0.0)]
    if not values.size:
        return False
    low, high = float(np.quantile(values, 0.02)) / 2, float(values.max()) * 1.5
    if high / max(low, float(values.min())) <= _LOG_RATIO:
        return False
    for panel in panels:
        panel.set_yscale("log")
        panel.set_ylim(max(low, float(values.min()) / 1.5), high)
        look_of.plain_numbers(panel.yaxis)
    return True


def _say_n(panel: Any, aligned: Aligned, pen: look_of.Pen) -> None:
    """Write how many runs there are where their number changes, in a line of its own.

    Else the rest of a curve would be taken for all runs after some of them have ended.
    """
    counts = aligned.counts
    changes = np.flatnonzero(np.diff(counts)) + 1
    if not changes.size:
        return
    row = sum(text.get_gid() == "n" for text in panel.texts)
    apart = 0.09 * np.ptp(aligned.x)
    shown: list[float] = []
    label: list[str] = []
    for point in [0, *changes]:
        if not shown or aligned.x[point] - shown[-1] >= apart or point == changes[-1]:
            if shown and len(shown) > 1 and aligned.x[point] - shown[-1] < apart:
                shown.pop(), label.pop()
            shown.append(float(aligned.x[point]))
            label.append(f"n={counts[point]}")
    for index, (x, text) in enumerate(zip(shown, label, strict=True)):
        panel.text(
            x, 0.02 + 0.06 * row, text, transform=panel.get_xaxis_transform(), fontsize="x-small",
            color=pen.color, ha="left" if index == 0 else "center",
            gid="n" if index == 0 else None,
        )


def _make_room_for_n(panel: Any) -> None:
    rows = sum(text.get_gid() == "n" for text in panel.texts)
    low, high = panel.get_ylim()
    panel.set_ylim(low - 0.07 * rows * (high - low), high)


def _method(numbers: list[int], statistic: str) -> str:
    """Return how the bands were made, for lines of `numbers` runs in ascending order."""
    if statistic != "mean":
        return "BCa bootstrap"
    methods = []
    if numbers[0] < MIN_RUNS_BOOTSTRAP:
        methods.append("Student t, wide with so few runs")
    if numbers[-1] >= MIN_RUNS_BOOTSTRAP:
        methods.append("studentised bootstrap")
    return "; ".join(methods)
