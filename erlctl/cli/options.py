"""What commands share: options, and rows in every output format.

stdout carries data (`echo_rows`, `echo_json`), stderr carries information for people (`info`).
"""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
Row = Mapping[str, Any]
SCHEMA = 1


def format_option(*choices: str) -> Callable[[Command], Command]:
    """Return the option `--format`; the first choice is the default.

    Args:
        choices: Names of `FORMATS`; without any, table and json.
    """
    names = choices or ("table", "json")
    return click.option(
        "--format", "fmt", type=click.Choice(names), default=names[0], show_default=True,
        help="Format of the output.",
    )


runs_dir_option = click.option(
    "--runs-dir", type=click.Path(file_okay=False, path_type=Path), default="runs",
    envvar="ERLCTL_RUNS_DIR", show_default=True, show_envvar=True,
    help="Folder that holds the experiments.",
)
set_option = click.option(
    "--set", "overrides", metavar="PATH=VALUE", multiple=True,
    help="Override a value of the spec, e.g. --set agent.gamma=0.95; repeatable.",
)
seeds_option = click.option(
    "--seeds", metavar="SEEDS",
    help="Replace the spec's seeds: 0-9, or 0,3,5; 10 means 0-9, as in a spec.",
)


def info(message: str) -> None:
    """Print a sentence for people, to stderr."""
    click.echo(message, err=True)


def echo_json(document: Mapping[str, Any]) -> None:
    """Print one JSON document with its schema version; what is not finite becomes null."""
    text = json.dumps({"schema": SCHEMA, **_json_value(document)}, indent=2, ensure_ascii=False)
    click.echo(text)


def echo_rows(
    rows: Iterable[Row], columns: Sequence[str], fmt: str = "table", title: str | None = None
) -> None:
    """Print rows to stdout.

    Args:
        rows: One mapping for each row; absent values and None are empty.
        columns: Which values, in which order; also the headers.
        fmt: Name of an entry of `FORMATS`.
        title: Heading, where the format has one.
    """
    FORMATS[fmt]([{name: row.get(name) for name in columns} for row in rows], columns, title)


def _table(rows: Sequence[Row], columns: Sequence[str], title: str | None) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE if is_terminal else None,
        pad_edge=False, padding=(0, 2, 0, 0),
    )
    for name in columns:
        is_number = any(_is_number(row[name]) for row in rows)
        table.add_column(
            name.replace("_", " "), justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(row[name])) for name in columns))
    if is_terminal:
        Console(highlight=False).print(table)
        return
    # Wide enough that no line is ever broken: scripts read lines.
    text = io.StringIO()
    Console(file=text, width=10_000, highlight=False, no_color=True).print(table)
    click.echo("".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines()), nl=False)


def _json(rows: Sequence[Row], columns: Sequence[str], title: str | None) -> None:
    del columns, title
    echo_json({"rows": rows})


def _csv(rows: Sequence[Row], columns: Sequence[str], title: str | None) -> None:
    del title
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({
            name: _cell(value) if isinstance(value, (Mapping, list, tuple)) else value
            for name, value in row.items()
        })
    click.echo(text.getvalue(), nl=False)


def _markdown(rows: Sequence[Row], columns: Sequence[str], title: str | None) -> None:
    if title:
        click.echo(f"**{title}**\n")
    cells = [[_cell(row[name]).replace("|", "\\|") for name in columns] for row in rows]
    rule = ["---:" if any(_is_number(row[name]) for row in rows) else "---" for name in columns]
    for line in ([name.replace("_", " ") for name in columns], rule, *cells):
        click.echo(f"| {' | '.join(line)} |")


_LATEX = str.maketrans({
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}",
})


def _latex(rows: Sequence[Row], columns: Sequence[str], title: str | None) -> None:
    is_number = [any(_is_number(row[name]) for row in rows) for name in columns]
    header = [name.replace("_", " ") for name in columns]
    if title:
        click.echo(f"% {title}")
    click.echo(f"\\begin{{tabular}}{{{''.join('r' if right else 'l' for right in is_number)}}}")
    click.echo("\\toprule")
    for index, line in enumerate([header, *([_cell(row[n]) for n in columns] for row in rows)]):
        click.echo(" & ".join(cell.translate(_LATEX) for cell in line) + r" \\")
        if index == 0:
            click.echo("\\midrule")
    click.echo("\\bottomrule\n\\end{tabular}")


FORMATS: Mapping[str, Callable[[Sequence[Row], Sequence[str], str | None], None]] = (
    MappingProxyType({
        "table": _table, "json": _json, "csv": _csv, "markdown": _markdown, "latex": _latex,
    })
)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_cell(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_cell, value))
    return str(value)


def _json_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_value(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else _converted(value)


def _converted(value: Any) -> Any:
    # NumPy's scalars and arrays know their Python value; whatever else there is has a text.
    return _json_value(value.tolist()) if hasattr(value, "tolist") else str(value)
