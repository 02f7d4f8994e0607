"""Looks shared by all figures: sizes, colours, lines, ticks.

Colours are those of Okabe and Ito without the yellow, which is invisible on white; dashes and
markers change with every variant, so that a print in grey can be read too. No panel holds more
variants than there are colours: more of them are drawn in several rows of panels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from erlctl.analysis.data import Run, step_units

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


@dataclass(frozen=True)
class Look:
    """Sizes of one style.

    Attributes:
        panel: Width and height of a panel in inches.
        font: Font size in points.
        line: Width of lines in points.
        dpi: Dots per inch of pixel files.
    """

    panel: tuple[float, float]
    font: float
    line: float
    dpi: int


LOOKS: Mapping[str, Look] = {
    "paper": Look(panel=(3.2, 2.3), font=9, line=1.4, dpi=200),
    "slides": Look(panel=(5.0, 3.4), font=15, line=2.6, dpi=160),
}


@dataclass(frozen=True)
class Pen:
    """How one variant is drawn."""

    color: str
    dashes: Any
    marker: str


def chunks(variants: Sequence[str]) -> list[list[str]]:
    """Return the variants in parts of nearly equal size, none larger than there are colours."""
    count = max(1, math.ceil(len(variants) / len(COLORS)))
    size = max(1, math.ceil(len(variants) / count))
    return [list(variants[at : at + size]) for at in range(0, len(variants), size)]


def pens(variants: Sequence[str]) -> dict[str, Pen]:
    """Return how each variant is drawn; different within a chunk."""
    return {
        variant: Pen(COLORS[i], DASHES[i % len(DASHES)], MARKERS[i])
        for chunk in chunks(variants) for i, variant in enumerate(chunk)
    }


@contextmanager
def settings(style: str, *, text_as_shapes: bool = False) -> Iterator[Look]:
    """Apply a style while a figure is made: real fonts, no date, the same bytes every time."""
    import matplotlib as mpl

    look = LOOKS[style]
    with mpl.rc_context({
        "font.size": look.font, "axes.titlesize": look.font * 1.05, "axes.labelsize": look.font,
        "xtick.labelsize": look.font * 0.9, "ytick.labelsize": look.font * 0.9,
        "legend.fontsize": look.font * 0.9, "lines.linewidth": look.line,
        "lines.markersize": look.font * 0.5, "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"], "axes.spines.top": False, "axes.spines.right": False,
        "axes.grid": True, "grid.alpha": 0.25, "grid.linewidth": 0.6, "axes.axisbelow": True,
        "axes.titlelocation": "left", "axes.formatter.useoffset": False,
        "axes.formatter.limits": (-5, 6), "legend.frameon": False, "figure.dpi": look.dpi,
        "savefig.dpi": look.dpi, "svg.fonttype": "path" if text_as_shapes else "none",
        "pdf.fonttype": 42, "svg.hashsalt": "erlctl", "axes.unicode_minus": True,
        "text.usetex": False, "text.parse_math": False,
    }):
        yield look


def even_ticks(axis: Any, count: int) -> None:
    """Put at most `count` ticks at 1, 2 and 5 times powers of ten."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(max(1, min(count, 6)), steps=[1, 2, 5, 10]))


def steps_axis(axis: Any, runs: Iterable[Run], *, by_wall_time: bool = False) -> None:
    """Name the x axis after the steps of `runs` and write its ticks in one unit: 0, 50k, 100k."""
    from matplotlib.ticker import FuncFormatter

    if by_wall_time:
        axis.set_xlabel("training time (s)")
        return
    axis.set_xlabel(step_units(runs))
    axis.set_xlim(left=0)

    def write(value: float, _: object) -> str:
        largest = max(map(abs, axis.get_xlim()))
        unit, name = (1e6, "M") if largest >= 2e6 else (1e3, "k") if largest >= 2e3 else (1.0, "")
        return f"{value / unit:g}{name}" if value else "0"

    axis.xaxis.set_major_formatter(FuncFormatter(write))


def plain_numbers(axis: Any) -> None:
    """Write the ticks of a logarithmic axis as 0.001, not as a formula: text stays text."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(numticks=6))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def runs(counts: Iterable[int]) -> str:
    """Return "n = 5 runs", "n = 3 to 5 runs"."""
    numbers = sorted(set(counts))
    if not numbers:
        return "no runs"
    if len(numbers) > 1:
        return f"n = {numbers[0]} to {numbers[-1]} runs"
    return f"n = {numbers[0]} run{'s' * (numbers[0] != 1)}"
