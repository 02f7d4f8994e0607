"""Tables of words for terminals, Markdown and LaTeX; imports nothing heavy."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from unicodedata import combining, east_asian_width

_FAR_LONGER = 2


@dataclass(frozen=True)
class TextTable:
    """A table of words.

    Attributes:
        title: What it shows, in a line.
        header: Names of the columns.
        rows: As many fields as the header.
        is_right: Which columns stand at the right, as numbers do; None: all but the first.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    is_right: Sequence[bool] | None = None

    @property
    def rights(self) -> Sequence[bool]:
        """Whether each column stands at the right."""
        return self.is_right or [position > 0 for position in range(len(self.header))]


def boxed(table: TextTable, *, width: int | None, color: bool = False, rule: bool = True) -> str:
    """Return a table for a terminal.

    Args:
        table: What is shown.
        width: Columns; None: as wide as it needs, because scripts read whole lines.
        color: Whether the heading is bold.
        rule: Whether a line stands below the header.
    """
    if width is None and not (color or rule):
        return _padded(table)  # at once: rich takes a tenth of a second to be imported
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(
        box=box.SIMPLE_HEAD if rule else None, title=Text(table.title, style="bold"),
        title_justify="left", pad_edge=False, padding=(0, 1 if rule else 2, 0, 0),
        show_header=True,
    )
    for name, is_right in zip(table.header, table.rights, strict=True):
        shown.add_column(Text(name), justify="right" if is_right else "left", overflow="fold")
    for row in table.rows:
        shown.add_row(*map(Text, row))
    stream = io.StringIO()
    Console(
        file=stream, width=width or 10_000, force_terminal=color, no_color=not color,
        highlight=False, soft_wrap=width is None,
    ).print(shown)
    lines = (line.rstrip() for line in stream.getvalue().splitlines())
    return "\n".join(line for line in lines if line)


def _padded(table: TextTable) -> str:
    columns = zip(table.header, *table.rows, strict=True)
    widths = [_column_width(*map(_columns_of, column)) for column in columns]
    lines = [table.title] * bool(table.title)
    for row in (table.header, *table.rows):
        blanks = (" " * (width - _columns_of(cell))
                  for cell, width in zip(row, widths, strict=True))
        cells = (blank + cell if is_right else cell + blank
                 for cell, blank, is_right in zip(row, blanks, table.rights, strict=True))
        lines.append("  ".join(cells).rstrip())
    return "\n".join(line for line in lines if line)


def _columns_of(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum((1 + (east_asian_width(letter) in "WF")) * (not combining(letter))
               for letter in text)


def _column_width(header: int, *cells: int) -> int:
    """Return a column's width: a few cells far longer than the rest push only their own line."""
    ordered = sorted((header, *cells))
    usual = max(header, ordered[-1 - len(cells) // 10])
    return max(length for length in ordered if length <= _FAR_LONGER * usual)


def markdown(text: str) -> str:
    """Return a text with Markdown's special characters escaped."""
    return re.sub(r"([\\|*_`<>])", r"\\\1", text)


def markdown_table(table: TextTable) -> str:
    """Return a table with its title."""
    rule = ["---:" if is_right else "---" for is_right in table.rights]
    cells = [table.header, rule, *(tuple(map(markdown, row)) for row in table.rows)]
    return "\n".join([f"**{markdown(table.title)}**", "", *(f"| {' | '.join(r)} |" for r in cells)])


_LATEX = str.maketrans({
    "\\": r"\textbackslash{}", "_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#", "$": r"\$",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
})


def latex(text: str) -> str:
    """Return a text with LaTeX's special characters escaped and minus signs before numbers."""
    return re.sub(r"(?<![\w.)])-(?=[\d])", "$-$", text.translate(_LATEX))


def latex_table(table: TextTable, note: str = "") -> str:
    """Return a floating table; needs \\usepackage{booktabs}.

    Args:
        table: What is shown.
        note: LaTeX after the title in the caption.
    """
    columns = "".join("r" if is_right else "l" for is_right in table.rights)
    header, *rows = [" & ".join(map(latex, row)) + r" \\" for row in (table.header, *table.rows)]
    return "\n".join([
        r"\begin{table}", r"\centering", rf"\caption{{{latex(table.title)}.{note}}}",
        rf"\begin{{tabular}}{{{columns}}}", r"\toprule", header, r"\midrule", *rows,
        r"\bottomrule", r"\end{tabular}", r"\end{table}",
    ])
