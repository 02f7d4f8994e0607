"""Entropy, gap, KL, largest preference and loss side by side: how the algorithms behave inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from erlctl.analysis.data import METRICS, PROGRESS, Run
from erlctl.analysis.figures import style as look_of
from erlctl.analysis.figures.curves import caption, draw_line
from erlctl.analysis.grid import align
from erlctl.analysis.numbers import natural

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = ("entropy", "action_gap", "kl_to_target", "preference_max", "clipped_fraction", "loss")
_LOG_RATIO = 100.0  # preferences of some algorithms grow without bound


def diagnostics(
    runs: Sequence[Run], columns: Sequence[str] = COLUMNS, *, statistic: str = "mean",
    smooth: int = 1, by_wall_time: bool = False, show_seeds: bool = False, style: str = "paper",
    size: tuple[float, float] | None = None, title: str | None = None,
) -> Figure:
    """Draw columns of progress.csv: one panel per column, one row of panels per environment.

    Args:
        runs: Runs of any variants and environments.
        columns: Names of the columns; those that no run has are left out.
        statistic: "mean", "iqm" or "median" over runs; the band is its 95 % interval.
        smooth: Points of the trailing moving average; 1 for none.
        by_wall_time: Whether x is training time in seconds.
        show_seeds: Whether every run is drawn faintly.
        style: "paper" or "slides".
        size: Width and height in inches.
        title: Heading.
    """
    environments = sorted({run.environment for run in runs})
    variants = sorted({run.variant for run in runs}, key=natural)
    tables = [run.table(PROGRESS) for run in runs]  # all columns at once: most will be drawn
    shown = [n for n in columns if any(np.isfinite(t.get(n, np.nan)).any() for t in tables)]
    pens = look_of.pens(variants)
    handles: dict[str, Any] = {}
    counts: set[int] = set()
    per_row = min(len(shown), 3) if len(environments) == 1 else max(1, len(shown))
    with look_of.drawing(style) as look:
        figure, panels = look_of.panels(
            max(1, len(environments) * len(shown)), look, size=size, entries=variants,
            columns=max(1, per_row),
        )
        wanted = [(environment, name) for environment in environments for name in shown]
        for panel, (environment, name) in zip(panels, wanted, strict=False):
            for variant in variants:
                members = [r for r in runs if (r.variant, r.environment) == (variant, environment)]
                aligned = align(members, METRICS[name], by_wall_time=by_wall_time, smooth=smooth)
                if aligned.x.size:
                    counts |= aligned.runs_shown
                    handles[variant] = draw_line(
                        panel, aligned, pens[variant], statistic, show_seeds=show_seeds,
                        num_lines=len(variants), say_n=False,
                    )
            _scale(panel)
            heading = METRICS[name].label.partition(" (")[0]
            panel.set_title(heading if len(environments) == 1 else environment)
            panel.set_ylabel(METRICS[name].label)
            look_of.steps_axis(panel, by_wall_time=by_wall_time)
        look_of.finish(
            figure, look, title=title or _heading(environments),
            handles={name: handles[name] for name in variants if name in handles},
            caption=caption(counts, statistic, smooth=smooth, show_seeds=show_seeds),
        )
    return figure


def _heading(environments: Sequence[str]) -> str:
    return f"diagnostics: {environments[0]}" if len(environments) == 1 else "diagnostics"


def _scale(panel: Any) -> None:
    """Take a logarithmic axis where positive values span orders of magnitude."""
    values = np.concatenate([line.get_ydata() for line in panel.get_lines()] or [np.empty(0)])
    values = values[np.isfinite(values)]
    if values.size and values.min() > 0 and values.max() / values.min() > _LOG_RATIO:
        panel.set_yscale("log")
        look_of.plain_numbers(panel.yaxis)
