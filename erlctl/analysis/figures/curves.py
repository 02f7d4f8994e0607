"""Learning curves: one line per variant with its interval over runs, one panel per environment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from erlctl.analysis.data import RETURN, Metric, Run
from erlctl.analysis.figures import style as look_of
from erlctl.analysis.grid import Aligned, align
from erlctl.analysis.intervals import MIN_RUNS_BOOTSTRAP, MIN_RUNS_INTERVAL
from erlctl.analysis.numbers import natural

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NAMES = {"mean": "mean", "iqm": "interquartile mean", "median": "median"}
_FEW_LINES = 4
_MANY_LINES = 8


def curves(
    runs: Sequence[Run], metric: Metric = RETURN, *, statistic: str = "mean",
    by_wall_time: bool = False, show_seeds: bool = False, smooth: int = 1, style: str = "paper",
    size: tuple[float, float] | None = None, title: str | None = None,
) -> Figure:
    """Draw a metric against steps or training time.

    Args:
        runs: Runs of any variants and environments, also unfinished ones.
        metric: What is drawn.
        statistic: "mean", "iqm" or "median" over runs; the band is its 95 % interval.
        by_wall_time: Whether x is training time in seconds.
        show_seeds: Whether every run is drawn faintly.
        smooth: Points of the trailing moving average; 1 for none. Said in the caption.
        style: "paper" or "slides".
        size: Width and height in inches.
        title: Heading; None: the metric and what it is drawn over.
    """
    environments = sorted({run.environment for run in runs})
    variants = sorted({run.variant for run in runs}, key=natural)
    pens = look_of.pens(variants)
    handles: dict[str, Any] = {}
    counts: set[int] = set()
    with look_of.drawing(style) as look:
        figure, panels = look_of.panels(
            len(environments), look, size=size, entries=variants
        )
        for environment, panel in zip(environments, panels, strict=True):
            for variant in variants:
                members = [
                    run for run in runs
                    if run.variant == variant and run.environment == environment
                ]
                aligned = align(members, metric, by_wall_time=by_wall_time, smooth=smooth)
                if not aligned.x.size:
                    continue
                counts |= aligned.runs_shown
                handles[variant] = draw_line(
                    panel, aligned, pens[variant], statistic, show_seeds=show_seeds,
                    num_lines=len(variants),
                )
            _make_room_for_n(panel)
            panel.set_title(environment)
            panel.set_ylabel(metric.label)
            look_of.steps_axis(panel, by_wall_time=by_wall_time)
        over = "training time" if by_wall_time else "steps"
        look_of.finish(
            figure, look, handles={name: handles[name] for name in variants if name in handles},
            title=title or f"{metric.label} over {over}",
            caption=caption(counts, statistic, smooth=smooth, show_seeds=show_seeds),
        )
    return figure


def draw_line(
    panel: Any, aligned: Aligned, pen: look_of.Pen, statistic: str, *, show_seeds: bool = False,
    num_lines: int = 1, say_n: bool = True,
) -> Any:
    """Draw one variant into a panel; return the handle for the legend.

    Below `MIN_RUNS_BOOTSTRAP` runs the runs themselves are drawn too, and they set the scale: an
    honest band is far wider than all of them and would press the curves flat.
    """
    x, centre = aligned.x, aligned.centre(statistic)
    low, high = aligned.interval(statistic)
    every = max(1, int(np.ceil(x.size / 10)))
    (line,) = panel.plot(
        x, centre, color=pen.color, linestyle=pen.dashes, marker=pen.marker, markevery=every,
        markeredgecolor="white", markeredgewidth=0.4, zorder=3,
    )
    opacity = 0.18 if num_lines <= _MANY_LINES else 0.07
    panel.fill_between(x, low, high, color=pen.color, alpha=opacity, linewidth=0)
    num_runs = len(aligned.values)
    is_few = 1 < num_runs < MIN_RUNS_BOOTSTRAP and num_lines <= _MANY_LINES
    if show_seeds or is_few:
        faint = min(0.35, max(0.1, 4 / num_runs))
        for row in aligned.values:
            panel.plot(x, row, color=pen.color, alpha=faint, zorder=1.5,
                       linewidth=line.get_linewidth() * 0.4)
    if is_few:
        panel.relim()  # lines only: the bands are left out
        panel.autoscale_view()
    if say_n and num_lines <= _FEW_LINES:
        _say_n(panel, aligned, pen)
    return line


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


def caption(counts: set[int], statistic: str, *, smooth: int, show_seeds: bool) -> str:
    """Return what lines and bands are, for runs per line `counts`."""
    numbers = sorted(counts)
    if not numbers:
        return "No run has a value."
    parts = [f"Lines: {_NAMES[statistic]} over {look_of.runs(numbers)}."]
    least = MIN_RUNS_INTERVAL if statistic == "mean" else MIN_RUNS_BOOTSTRAP
    if numbers[-1] >= least:
        parts.append(f"Bands: pointwise 95% interval over runs ({_method(numbers, statistic)}).")
    has_few = numbers[0] < MIN_RUNS_BOOTSTRAP
    if numbers[0] < least:
        parts.append(f"No band below {least} runs.")
    if show_seeds or (has_few and numbers[-1] > 1):
        parts.append("Faint lines: single runs.")
    parts.append(f"Smoothed: moving average of {smooth} points." if smooth > 1 else "Not smoothed.")
    return " ".join(parts)


def _method(numbers: list[int], statistic: str) -> str:
    """Return how the bands were made, for lines of `numbers` runs in ascending order."""
    if statistic != "mean":
        return "BCa bootstrap"
    methods = []
    if any(MIN_RUNS_INTERVAL <= n < MIN_RUNS_BOOTSTRAP for n in numbers):
        methods.append("Student t, wide with so few runs")
    if numbers[-1] >= MIN_RUNS_BOOTSTRAP:
        methods.append("studentised bootstrap")
    return "; ".join(methods)
