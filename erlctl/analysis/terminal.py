"""Learning curves in the terminal, one picture per environment and seven variants."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence

import numpy as np

from erlctl.analysis import labels
from erlctl.analysis.data import RETURN, Metric, Run, step_units
from erlctl.analysis.grid import align
from erlctl.analysis.numbers import natural

_COLORS = ("blue", "red", "green", "magenta", "cyan", "orange", "white")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def curves(
    runs: Sequence[Run], metric: Metric = RETURN, *, statistic: str = "mean",
    width: int | None = None, height: int = 20, color: bool | None = None,
    renamed: Mapping[str, str] | None = None,
) -> str:
    """Return pictures of a metric against steps.

    Args:
        runs: Runs of any variants and environments.
        metric: What is drawn.
        statistic: "mean", "iqm" or "median" over runs.
        width: Columns; None: those of the terminal, at most 120.
        height: Lines of a picture.
        color: Lines in colours; None: on a terminal unless NO_COLOR is set. Without colours every
            variant is drawn with a letter of its own.
        renamed: Variant to its label; others are shortened.
    """
    if color is None:
        color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    width = width or min(120, shutil.get_terminal_size().columns)
    variants = sorted({run.variant for run in runs}, key=natural)
    names = labels.cut(labels.labels(variants, renamed), max(12, width // 2 - 12))
    pictures = []
    for environment in sorted({run.environment for run in runs}):
        members = [run for run in runs if run.environment == environment]
        present = [name for name in variants if any(run.variant == name for run in members)]
        for at in range(0, len(present), len(_COLORS)):
            part = {name: names[name] for name in present[at : at + len(_COLORS)]}
            pictures.append(
                _picture(environment, members, part, metric, statistic, width, height, color))
    return "\n\n".join(pictures)


def _picture(
    environment: str, runs: Sequence[Run], names: Mapping[str, str], metric: Metric,
    statistic: str, width: int, height: int, color: bool,
) -> str:
    import plotext

    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plotsize(width, height)
    legend = []
    for letter, pen, (variant, name) in zip(_LETTERS, _COLORS, names.items(), strict=False):
        members = [run for run in runs if run.variant == variant]
        aligned = align(members, metric)
        centre = aligned.centre(statistic)
        known = np.isfinite(centre)
        if not known.any():
            continue
        plotext.plot(
            aligned.x[known].tolist(), centre[known].tolist(),
            marker="braille" if color else letter, color=pen if color else "default",
            label=f"{name} (n = {len(members)})" if color else None,
        )
        legend.append(f"  {letter} {name} (n = {len(members)})")
    plotext.title(f"{environment}: {metric.label}, {statistic} over runs")
    plotext.xlabel(step_units(runs))
    text = plotext.build() if color else plotext.uncolorize(plotext.build())
    lines = [line.rstrip() for line in text.splitlines()]
    return "\n".join(lines if color else [*lines, *legend])
