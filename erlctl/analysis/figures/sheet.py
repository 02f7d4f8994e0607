"""The sheet that every figure is drawn on: panels, title, legends outside of them, caption."""

from __future__ import annotations

import itertools
import math
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict

from erlctl.analysis.figures.style import Look, Pen, even_ticks, pens, settings
from erlctl.analysis.labels import WIDTH, choices, cut, labels, shared
from erlctl.errors import ErlctlError

if TYPE_CHECKING:
    from erlctl.analysis.figures.figure import Figure

_SMALL_PRINT = 1.75  # characters of an average sentence that fit into one em
_LETTER, _HANDLE = 0.58, 5.0  # ems of an average letter, and of the line before it in a legend
# Ems of a line of a heading, and lines of a heading that a row of a legend is as high as.
_HEADING_LINE, _LEGEND_LINE = 1.25, 1.05
_NARROW = 4.5  # inches: a column of a paper, a phone
_SHORTEST = 12  # characters that are left of a name, however narrow its place is
_BREAKS = re.compile(r"(?<=[/_])|(?<=\.)(?=[A-Za-z])")  # places in a name where a line may end
_LEAST_CHOICE = 8  # characters of a line of a name below an axis
_FLAT_NAMES = 4  # more names than that below an axis are turned


class Page(TypedDict, total=False):
    """What every figure can be asked for, as keyword arguments.

    Attributes:
        style: "paper" or "slides".
        size: Width and height in inches; None: as panels need. A height of None follows the width.
        title: Heading; None: what is drawn; "": none.
        caption: Whether what is drawn, the number of runs and the kind of interval are written
            below.
        labels: Variant to its name in legends and on axes; others are shortened.
        xlim: Limits of every x axis.
        ylim: Limits of every y axis, where all of them show the same quantity.
    """

    style: str
    size: tuple[float, float | None] | None
    title: str | None
    caption: bool
    labels: Mapping[str, str]
    xlim: tuple[float, float] | None
    ylim: tuple[float, float] | None


@contextmanager
def new_sheet(page: Page, variants: Sequence[str], *, rows: bool = False) -> Iterator[Sheet]:
    """Return a sheet to draw these variants on, with its style applied.

    Args:
        page: What the user asked for.
        variants: Full names, in the order of the legend.
        rows: Whether their names stand beside the panels, where there is less room for them.

    Raises:
        TypeError: A keyword that no figure knows.
    """
    unknown = set(page) - set(Page.__annotations__)
    if unknown:
        raise TypeError(f"unexpected keyword argument {sorted(unknown)[0]!r}")
    with settings(page.get("style", "paper")) as look:
        width = _characters_of_a_label(page, look, rows)
        yield Sheet(look, page, labels(variants, page.get("labels"), width=width), pens(variants))


def _characters_of_a_label(page: Page, look: Look, rows: bool) -> int:
    size = page.get("size")
    if size is None:
        return WIDTH
    if rows:
        return WIDTH if size[0] >= _NARROW else 24
    ems = (size[0] - _beside_axis(look)) * 72 / (look.font * 0.9)
    return min(WIDTH, max(_SHORTEST, int((ems - _HANDLE) / _LETTER)))


def _beside_axis(look: Look) -> float:
    """Inches of ticks and label before the first panel."""
    return 0.06 * look.font


@dataclass
class Sheet:
    """A figure in the making: panels, then everything around them.

    Attributes:
        look: Sizes.
        page: What the user asked for.
        labels: Variant to its label.
        pens: Variant to how it is drawn.
        figure: The figure, after `grid`.
        handles: For each chunk, label to what its legend shows.
        panels: For each chunk, its panels.
        num_columns: Panels side by side.
        panel_inches: Width of the inside of a panel, nearly.
    """

    look: Look
    page: Page
    labels: Mapping[str, str]
    pens: Mapping[str, Pen]
    figure: Figure = field(init=False)
    handles: list[dict[str, Any]] = field(default_factory=list)
    panels: list[list[Any]] = field(default_factory=list)
    num_columns: int = 1
    panel_inches: float = 1.0
    _has_legend: bool = False
    _is_beside: bool = False

    def grid(
        self, cells: int, *, parts: Sequence[Sequence[str]] = (), columns: int | None = None,
        height: float | None = None, row_names: Sequence[str] = (), share_names: bool = False,
        lengths: Sequence[int] = (),
    ) -> list[list[Any]]:
        """Make the panels: `cells` for each part.

        Args:
            cells: Panels of each part, in rows.
            parts: Labels of the variants that share panels and a legend; () without a legend.
            columns: Panels side by side; None: nearly square. Fewer where the page is narrow.
            height: Height of a panel in inches; None: that of the look.
            row_names: Names beside the panels, which need room of their own.
            share_names: Whether they stand only beside the first of `columns` panels.
            lengths: Of each row of `columns` panels how many there are, the first ones; a single
                column has no gaps for the others.
        """
        size = self.page.get("size") or (None, None)
        em = self.look.font * 0.9 / 72
        names = max((len(line) for name in row_names for line in name.split("\n")), default=0)
        beside_rows = names * 0.55 * em
        self._has_legend = bool(parts)
        legend = max((len(name) for part in parts for name in part), default=0) * _LETTER + _HANDLE
        panel_width, panel_height = self.look.panel
        wanted = columns or min(cells, max(1, math.ceil(math.sqrt(cells))))
        scale = 1.3 if wanted == 1 and len(parts) <= 1 else 0.78 if wanted > 4 else 1.0
        panel_width, panel_height = panel_width * scale, height or panel_height * scale
        width = size[0] or wanted * panel_width + beside_rows
        entries = [name for part in parts for name in part]
        self._is_beside = bool(parts) and self._beside_is_better(
            entries if len(parts) == 1 else parts[0], legend * em, width, size, len(parts))
        if size[0] is None and self._is_beside:
            width += legend * em
        left = width - legend * em * self._is_beside
        least = (1.25 if size[1] else 1.7) * self.look.font / 9
        each, once = (0.0, beside_rows) if share_names else (beside_rows, 0.0)
        self.num_columns = max(1, min(wanted, int((left - once) / (least + each))))
        if share_names and self.num_columns < wanted:
            self.num_columns = 1
        self.panel_inches = max(
            0.5, (left - once) / self.num_columns - each - 0.55 * self.look.font / 9)
        if lengths and self.num_columns == 1:
            cells = sum(lengths)
        self._make_panels(cells, max(1, len(parts)), width, size[1], panel_height)
        return self.panels

    def lines(self, lengths: Sequence[int]) -> list[list[Any]]:
        """Return the panels of each row of a grid that was made with `lengths`; remove the rest."""
        (flat,) = self.panels
        if self.num_columns == 1:
            ends = list(itertools.accumulate(lengths))
            return [flat[end - length : end] for end, length in zip(ends, lengths, strict=True)]
        rows = [flat[at : at + self.num_columns] for at in range(0, len(flat), self.num_columns)]
        for row, length in zip(rows, lengths, strict=True):
            for unused in row[length:]:
                unused.remove()
        found = [row[:length] for row, length in zip(rows, lengths, strict=True)]
        self.panels = [[panel for row in found for panel in row]]
        return found

    def _make_panels(
        self, cells: int, num_parts: int, width: float, page_height: float | None,
        panel_height: float,
    ) -> None:
        from erlctl.analysis.figures.figure import Figure

        rows = math.ceil(cells / self.num_columns)
        self.figure = Figure(
            figsize=(width, page_height or max(1.5, num_parts * rows * panel_height)),
            layout="constrained", style=self.page.get("style", "paper"),
        )
        grid = self.figure.subplots(num_parts * rows, self.num_columns, squeeze=False)
        blocks = [list(grid[at * rows : (at + 1) * rows].flat) for at in range(num_parts)]
        for unused in (panel for block in blocks for panel in block[cells:]):
            unused.remove()
        self.panels = [block[:cells] for block in blocks]
        self.handles = [{} for _ in range(num_parts)]
        for panel in (panel for block in self.panels for panel in block):
            even_ticks(panel.xaxis, max(2, int(self.panel_inches / (0.42 * self.look.font / 9))))
            even_ticks(panel.yaxis, 5)

    def _beside_is_better(
        self, entries: Sequence[str], beside: float, width: float,
        size: tuple[float | None, float | None], num_parts: int,
    ) -> bool:
        """Whether a legend takes less of the page beside the panels than above them."""
        if num_parts > 1 or size[0] is None or size[1] is None:
            is_narrow = size[0] is not None and beside > 0.3 * size[0]
            return not is_narrow and (num_parts > 1 or self._legend_rows(entries, width)[1] > 2)
        rows = self._legend_rows(entries, width)[1]
        above = rows * 1.4 * self.look.font / 72 * width
        return beside < 0.4 * width and beside * size[1] < above

    def _legend_rows(self, entries: Sequence[str], width: float) -> tuple[int, int]:
        """Columns and rows of a legend above panels of `width` inches."""
        ems = max(map(len, entries), default=0) * _LETTER + _HANDLE
        fitting = max(1, int((width - 0.2) * 72 / (ems * self.look.font * 0.9)))
        rows = math.ceil(len(entries) / fitting)
        return math.ceil(len(entries) / rows) if rows else 1, rows

    def heading(self, panel: Any, text: str) -> None:
        """Write the title of a panel, broken where it is wider than the panel."""
        characters = max(_SHORTEST, self._characters(1.05))
        # A foreign name may be of any length: what is beyond three lines would leave no panel.
        text = textwrap.shorten(text, 3 * characters, placeholder=" ...") if " " in text else (
            cut({text: text}, 3 * characters)[text])
        mark = "\x0b"  # white space to textwrap
        lines = textwrap.wrap(_BREAKS.sub(mark, text), characters, break_on_hyphens=False,
                              replace_whitespace=False)
        panel.set_title("\n".join(lines).replace(mark, ""))

    def name_x(self, panel: Any, text: str) -> None:
        """Write the name of an x axis, broken where it is wider than the panel."""
        panel.set_xlabel("\n".join(textwrap.wrap(text, max(_SHORTEST, self._characters(1.0)))))

    def choices_x(self, panel: Any, names: Sequence[str]) -> None:
        """Make an x axis of names side by side; long ones are shortened, broken or turned."""
        is_flat = len(names) <= _FLAT_NAMES
        place = self._characters(0.9) // len(names) if is_flat else _SHORTEST + len(names)
        panel.set_xticks(range(len(names)), choices(names, max(_LEAST_CHOICE, place)),
                         rotation=0 if is_flat else 30)
        panel.set_xlim(-0.5, len(names) - 0.5)

    def _characters(self, scale: float) -> int:
        """How many characters, `scale` times the usual size, are as wide as a panel."""
        return int(self.panel_inches * 72 / (self.look.font * scale * 0.55))

    def finish(self, *, title: str, caption: str, rows: bool = False) -> Figure:
        """Add title, legend (outside, so that it never hides data) and the caption; return all.

        Args:
            title: Heading unless the page has another one.
            caption: What is drawn, unless the page wants none.
            rows: Whether the y axes hold names or different quantities, so that `ylim` means
                nothing.

        Raises:
            ErlctlError: `ylim` was given all the same.
        """
        given = self.page.get("title")
        title = title if given is None else given
        self.figure.set_label(title)
        for name in ("xlim", "ylim"):
            limits = self.page.get(name)
            if limits is None:
                continue
            if rows and name == "ylim":
                raise ErlctlError("the y axes of this figure have no common unit",
                                  fix="leave out --ylim")
            for panel in (panel for block in self.panels for panel in block):
                panel.set(**{name: limits})
        heights = [self._legends(title) + 0.35]
        if self.page.get("caption", True):
            parts = shared(list(self.labels))
            known = self.page.get("labels") or {}
            if parts and not all(name in known for name in self.labels):
                caption = f"All: {parts}. {caption}"
            small = self.look.font * 0.8
            characters = max(30, int(self.figure.get_figwidth() * 72 / small * _SMALL_PRINT))
            lines = textwrap.wrap(caption, characters)
            heights.append(len(lines) * small * 1.25 / 72)
            self.figure.supxlabel("\n".join(lines), fontsize=small, x=0.01, ha="left", color="0.25")
        if (self.page.get("size") or (0, None))[1] is None:
            self.figure.set_figheight(self.figure.get_figheight() + sum(heights))
        return self.figure

    def _legends(self, title: str) -> float:
        """Draw title and legends; return the height that they need above the panels."""
        big = self.look.font * 1.15
        # As the title of the legend: the layout would put a heading of its own on top of it.
        is_above = self._has_legend and len(self.handles) == 1 and not self._is_beside
        if title and not is_above:
            self.figure.suptitle(title, fontsize=big, x=0.01, ha="left")
        if not self._has_legend:
            return 0.0
        line = self.look.font * 1.35 / 72
        if is_above:
            handles = self.handles[0]
            columns, rows = self._legend_rows(list(handles), self.figure.get_figwidth())
            self.figure.legend(
                list(handles.values()), list(handles), title=title, loc="outside upper left",
                title_fontsize=big, ncols=columns, alignment="left", handlelength=2.8,
                borderaxespad=0.2, borderpad=0.1, columnspacing=1.2,
            )
            return rows * line
        if len(self.handles) == 1:
            handles = self.handles[0]
            self.figure.legend(list(handles.values()), list(handles), handlelength=2.8,
                               loc="outside right upper")
            return 0.0
        return line * self._legends_of_parts()

    def _legends_of_parts(self) -> int:
        """Draw a legend for each part; return the lines that they need above the panels."""
        height = 0
        for handles, block in zip(self.handles, self.panels, strict=True):
            if self._is_beside:
                at = min(self.num_columns, len(block)) - 1
                block[at].legend(list(handles.values()), list(handles), handlelength=2.8,
                                 loc="upper left", bbox_to_anchor=(1.02, 1.0), borderaxespad=0.0)
                continue
            columns, rows = self._legend_rows(
                list(handles), self.figure.get_figwidth() - _beside_axis(self.look))
            self._legend_above(block, handles, columns, rows)
            height += rows
        return height

    def _legend_above(
        self, block: Sequence[Any], handles: Mapping[str, Any], columns: int, rows: int
    ) -> None:
        """Draw a legend above the headings of a part's first row of panels.

        It may be wider than the panel that it belongs to, which the layout would make room for by
        squeezing the others: what the layout sees is its height, as blank lines of the heading.
        """
        from matplotlib.transforms import ScaledTranslation

        first, figure = block[0], self.figure
        headings = [panel.get_title(loc="left") for panel in block[: self.num_columns]]
        lines = max(text.count("\n") + 1 for text in headings)
        blank = lines - headings[0].count("\n") - 1 + math.ceil(rows * _LEGEND_LINE)
        first.set_title("\n" * blank + headings[0])
        up = (lines * _HEADING_LINE + 0.4) * self.look.font / 72
        legend = first.legend(
            list(handles.values()), list(handles), ncols=columns, alignment="left",
            loc="lower left", bbox_to_anchor=(0.0, 1.0), borderpad=0.1, handlelength=2.8,
            columnspacing=1.0, borderaxespad=0.1, bbox_transform=first.transAxes
            + ScaledTranslation(0.0, up, figure.dpi_scale_trans),
        )
        legend.set_in_layout(False)
