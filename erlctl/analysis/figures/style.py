"""Looks shared by all figures: sizes, colours, lines, panels, legend, caption.

Colours are those of Okabe and Ito without the yellow, which is invisible on white; dashes and
markers change with every variant, so that a print in grey can be read too.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
_SMALL_PRINT = 1.75  # characters of an average sentence that fit into one em
MANY = 6  # from here on the legend stands in a column of its own


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
    "paper": Look(panel=(3.6, 2.6), font=9, line=1.4, dpi=200),
    "slides": Look(panel=(5.4, 3.7), font=15, line=2.6, dpi=160),
}


@dataclass(frozen=True)
class Pen:
    """How one variant is drawn."""

    color: str
    dashes: Any
    marker: str


def pens(variants: Sequence[str]) -> dict[str, Pen]:
    """Return how each variant is drawn; different for up to 252 of them."""
    return {
        variant: Pen(COLORS[i % len(COLORS)], DASHES[i % len(DASHES)], MARKERS[i % len(MARKERS)])
        for i, variant in enumerate(variants)
    }


@contextmanager
def drawing(style: str) -> Iterator[Look]:
    """Apply a style while a figure is made: real fonts, no date, the same bytes every time."""
    import matplotlib as mpl

    look = LOOKS[style]
    settings = {
        "font.size": look.font, "axes.titlesize": look.font * 1.05, "axes.labelsize": look.font,
        "xtick.labelsize": look.font * 0.9, "ytick.labelsize": look.font * 0.9,
        "legend.fontsize": look.font * 0.9, "lines.linewidth": look.line,
        "lines.markersize": look.font * 0.5, "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"], "axes.spines.top": False, "axes.spines.right": False,
        "axes.grid": True, "grid.alpha": 0.25, "grid.linewidth": 0.6, "axes.axisbelow": True,
        "axes.formatter.useoffset": False, "legend.frameon": False, "figure.dpi": look.dpi,
        "savefig.dpi": look.dpi, "svg.fonttype": "none", "pdf.fonttype": 42,
        "svg.hashsalt": "erlctl", "axes.unicode_minus": True, "text.usetex": False,
        "text.parse_math": False,
    }
    with mpl.rc_context(settings):
        yield look


def panels(
    count: int, look: Look, *, size: tuple[float, float] | None, entries: Sequence[str] = (),
    columns: int | None = None, height: float | None = None, row_names: Sequence[str] = (),
) -> tuple[Any, list[Any]]:
    """Return a figure with `count` axes.

    Args:
        count: Number of panels.
        look: Sizes.
        size: Width and height of the figure in inches; None: as many panels need.
        entries: Names in the legend, which needs room of its own when they are many.
        columns: Panels side by side; None: nearly square.
        height: Height of a panel in inches; None: that of the look.
        row_names: Long names beside the panels of the first column, which need room of their own.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = columns or min(count, max(1, math.ceil(math.sqrt(count))))
    rows = math.ceil(count / columns)
    panel_width, panel_height = look.panel
    if columns > 4:  # a page is not wider
        panel_width, panel_height = panel_width * 0.8, panel_height * 0.8
    if count == 1:
        panel_width, panel_height = panel_width * 1.35, panel_height * 1.25
    if size is None:
        wanted = columns * panel_width, rows * (height or panel_height) + 0.5
        names = max(map(len, row_names), default=0) * 0.5 * look.font / 72
        size = wanted[0] + _legend_width(entries, look, wanted[0]) + names, wanted[1]
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False)
    axes = list(grid.flat)
    for unused in axes[count:]:
        unused.set_visible(False)
    return figure, axes[:count]


def finish(
    figure: Any, look: Look, *, title: str, caption: str, handles: Mapping[str, Any] | None = None
) -> None:
    """Add title, legend (outside, so that it never hides data) and the caption line."""
    handles = handles or {}
    figure.set_label(title)
    if handles and not _needs_column(list(handles), look, figure.get_figwidth()):
        # As the title of the legend: the layout would put a heading of its own on top of it.
        figure.legend(
            list(handles.values()), list(handles), title=title, loc="outside upper center",
            title_fontsize=look.font * 1.15, ncols=len(handles), handlelength=3.2,
            borderaxespad=0.2, columnspacing=1.4,
        )
    else:
        figure.suptitle(title, fontsize=look.font * 1.15, x=0.01, ha="left")
        if handles:
            figure.legend(
                list(handles.values()), list(handles), loc="outside right center",
                handlelength=3.2, fontsize=look.font * (0.9 if len(handles) <= 16 else 0.75),
            )
    characters = max(30, int(figure.get_figwidth() * 72 / (look.font * 0.8) * _SMALL_PRINT))
    figure.supxlabel(
        "\n".join(textwrap.wrap(caption, characters)), fontsize=look.font * 0.8, x=0.01, ha="left",
        color="0.25",
    )


def _needs_column(entries: Sequence[str], look: Look, width: float) -> bool:
    """Whether the legend is too long for one line above panels of `width` inches."""
    ems = sum(len(name) * 0.6 + 5.5 for name in entries)
    return len(entries) >= MANY or ems * look.font * 0.9 > width * 72


def _legend_width(entries: Sequence[str], look: Look, width: float) -> float:
    """Inches of a legend beside the panels; 0 where it stands above them."""
    if not _needs_column(entries, look, width):
        return 0.0
    return (max(map(len, entries)) * 0.58 + 5.5) * look.font * 0.9 / 72


def steps_axis(axis: Any, *, by_wall_time: bool = False) -> None:
    """Name the x axis and write 50,000 as 50k."""
    from matplotlib.ticker import EngFormatter, MaxNLocator

    axis.xaxis.set_major_locator(MaxNLocator(6))
    if by_wall_time:
        axis.set_xlabel("training time (s)")
    else:
        axis.set_xlabel("environment steps")
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))


def plain_numbers(axis: Any) -> None:
    """Write the ticks of a logarithmic axis as 0.001, not as a formula: text stays text."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

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
