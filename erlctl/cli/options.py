"""What commands share: options, and rows in every output format.

stdout carries data (`echo_rows`, `echo_json`), stderr carries information for people (`info`).
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import click

from erlctl.errors import printable as printable  # noqa: PLC0414 - for all that prints
from erlctl.tensorflow_setup import DEVICES

if TYPE_CHECKING:
    from erlctl.analysis.load import Loaded
    from erlctl.launch.display import Display
    from erlctl.runs.layout import RunPaths

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


def launcher_options(command: Command) -> Command:
    """Add the options that say where runs are trained."""
    for decorate in (
        click.option("--launcher-config",
                     type=click.Path(exists=True, dir_okay=False, path_type=Path),
                     help="YAML file: launcher, then its options.  "
                          "[default: ~/.config/erlctl/launchers.yaml]"),
        click.option("--device", type=click.Choice(DEVICES), default="cpu", show_default=True,
                     help="What each run is trained on; with gpu, one run for each GPU at once."),
        click.option("--launcher-option", "launcher_options", metavar="KEY=VALUE", multiple=True,
                     help="Option of the launcher; repeatable."),
        click.option("--launcher", default="local", show_default=True, envvar="ERLCTL_LAUNCHER",
                     show_envvar=True, help="Where runs are trained."),
    ):
        command = decorate(command)
    return command


_QUIET, _VARIANTS, _CONDITIONS = "erlctl.quiet", "erlctl.variants", "erlctl.conditions"


def _remember(key: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def remember(context: click.Context, _: click.Parameter, value: Any) -> None:
        context.meta[key] = context.meta.get(key) or value  # of the group or of the command

    return remember


def _remembered(key: str, default: Any) -> Any:
    context = click.get_current_context(silent=True)
    return context.meta.get(key, default) if context else default


def _be_quiet(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    _remember(_QUIET)(context, parameter, value)
    if value and not sys.warnoptions:  # whoever says `python -W` wants them
        warnings.simplefilter("ignore")


quiet_option = click.option(
    "-q", "--quiet", is_flag=True, expose_value=False, callback=_be_quiet,
    help="Nothing on stderr but errors.",
)


def selection_options(command: Command) -> Command:
    """Add `--variant` and `--where` to a command that finds its runs with `load_runs`."""
    for decorate in (
        click.option("--where", metavar="PATH=VALUE", multiple=True, expose_value=False,
                     callback=_remember(_CONDITIONS),
                     help="Only runs whose spec says so: --where agent.temperature=0.03; "
                          "repeatable, all must hold."),
        click.option("--variant", metavar="GLOB", multiple=True, expose_value=False,
                     callback=_remember(_VARIANTS), help="Only these variants; repeatable."),
    ):
        command = decorate(command)
    return command


def load_runs(paths: Iterable[str | Path], *, may_be_empty: bool = False) -> Loaded:
    """Return the runs at or below `paths` that `selection_options` leave.

    Args:
        paths: As for `analysis.load.load`.
        may_be_empty: Whether no run at all is an answer.

    Raises:
        ErlctlError: There is none (exit 1), or what is there is damaged (exit 5).
    """
    from erlctl.analysis.load import load
    from erlctl.analysis.selection import Selection
    from erlctl.runs.layout import no_run

    loaded = load(paths)
    if not loaded.runs:
        if may_be_empty:
            return loaded
        raise no_run(loaded.skipped)
    return Selection.parse(_remembered(_VARIANTS, ()), _remembered(_CONDITIONS, ())).of(loaded)


def own_runs(paths: Iterable[str | Path]) -> list[RunPaths]:
    """Return the run directories of ours among `load_runs`; others are named and left alone."""
    from erlctl.runs.layout import RunPaths, no_run

    loaded = load_runs(paths)
    for path, reason in loaded.skipped:
        info(f"{path}: {reason}")
    foreign = [run.path for run in loaded.runs if run.source != "erlctl"]
    for path in foreign:
        info(f"{path}: written by another program; left alone")
    if len(foreign) == len(loaded.runs):
        raise no_run([])
    return [RunPaths(run.path) for run in loaded.runs if run.source == "erlctl"]


def info(message: str) -> None:
    """Print a sentence for people, to stderr; nothing with `--quiet`."""
    if not is_quiet():
        click.echo(message, err=True)


def is_quiet() -> bool:
    """Whether `--quiet` was given, before the command or after it."""
    return bool(_remembered(_QUIET, False))


def make_display() -> Callable[[Sequence[tuple[str, int]]], Display]:
    """Return what makes the display of a batch; see `launch.display`."""
    from erlctl.launch import display

    return display.silent if is_quiet() else display.for_stream


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
    from erlctl.analysis.text import TextTable, boxed

    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    table = TextTable(
        title or "", tuple(name.replace("_", " ") for name in columns),
        tuple(tuple(_cell(row[name]) for name in columns) for row in rows),
        [any(_is_number(row[name]) for row in rows) for name in columns],
    )
    width = shutil.get_terminal_size().columns if is_terminal else None
    click.echo(boxed(table, width=width, color=is_terminal and "NO_COLOR" not in os.environ,
                     rule=is_terminal))


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


FORMATS: Mapping[str, Callable[[Sequence[Row], Sequence[str], str | None], None]] = (
    MappingProxyType({"table": _table, "json": _json, "csv": _csv})
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
    return printable(str(value))


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
