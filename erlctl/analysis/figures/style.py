"""Looks shared by all figures: sizes, colours, lines, panels, legend, caption.

Colours are those of Okabe and Ito without the yellow, which is invisible on white; dashes and
markers change with every variant, so that a print in grey can be read too.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
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
    import matplotlib

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
    with matplotlib.rc_context(settings):
        yield look


def panels(
    count: int, look: Look, *, size: tuple[float, float] | None, num_entries: int = 0,
    columns: int | None = None, height: float | None = None, share_y: bool = False,
) -> tuple[Any, list[Any]]:
    """Return a figure with `count` axes.

    Args:
        count: Number of panels.
        look: Sizes.
        size: Width and height of the figure in inches; None: as many panels need.
        num_entries: Entries of the legend, which needs room of its own when there are many.
        columns: Panels side by side; None: nearly square.
        height: Height of a panel in inches; None: that of the look.
        share_y: Whether all panels have one y axis.
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
    legend = look.font / 72 * (14 if num_entries >= MANY else 0)
    size = size or (columns * panel_width + legend, rows * (height or panel_height) + 0.5)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=share_y)
    axes = list(grid.flat)
    for unused in axes[count:]:
        unused.set_visible(False)
    return figure, axes[:count]


def finish(
    figure: Any, look: Look, *, title: str, caption: str, handles: Mapping[str, Any] | None = None
) -> None:
    """Add title, legend (outside, so that it never hides data) and the caption line."""
    handles = handles or {}
    if handles and not _needs_column(figure, look, handles):
        # As the title of the legend: the layout would put a heading of its own on top of it.
        figure.legend(
            list(handles.values()), list(handles), title=title, loc="outside upper center",
            title_fontsize=look.font * 1.15, ncols=len(handles), handlelength=3.2,
            borderaxespad=0.2, columnspacing=1.4,
        )
    else:
        figure.suptitle(title, fontsize=look.font * 1.15)
        if handles:
            figure.legend(list(handles.values()), list(handles), loc="outside right upper",
                          handlelength=3.2)
    characters = max(30, int(figure.get_figwidth() * 72 / (look.font * 0.8) * _SMALL_PRINT))
    figure.supxlabel(
        "\n".join(textwrap.wrap(caption, characters)), fontsize=look.font * 0.8, x=0.01, ha="left",
        color="0.25",
    )


def _needs_column(figure: Any, look: Look, handles: Mapping[str, Any]) -> bool:
    """Whether the legend is too long for one line above the panels."""
    ems = sum(len(name) * 0.6 + 5.5 for name in handles)
    return len(handles) >= MANY or ems * look.font * 0.9 > figure.get_figwidth() * 72


def steps_axis(axis: Any, *, by_wall_time: bool = False) -> None:
    """Name the x axis and write 50,000 as 50k."""
    from matplotlib.ticker import EngFormatter, MaxNLocator

    axis.xaxis.set_major_locator(MaxNLocator(6))
    if by_wall_time:
        axis.set_xlabel("training time (s)")
    else:
        axis.set_xlabel("environment steps")
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))
