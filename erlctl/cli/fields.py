"""`erlctl fields`: every field of a spec, from the declarations themselves."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Mapping
from typing import Any

import click

from erlctl.cli import options
from erlctl.experiment.fields import one_line, rows

_COLUMNS = ["path", "of", "type", "domain", "default", "unit", "letter", "meaning"]
_MAX_NAMED = 2
_WIDTH = 80


@click.command()
@click.argument("path", default="")
@click.option("--format", "fmt", type=click.Choice(["list", *options.FORMATS]),
              help="Format of the output.  [default: list on a terminal, else table]")
def fields(path: str, fmt: str | None) -> None:
    """List every field of a spec, or those at and below PATH: type, domain, default, meaning.

    Where a section is chosen by a name, `of` says which entries have the field, and PATH may name
    one: agent.dqn, network.conv, environment.kwargs.CartPole-v1.

    \b
    Examples:
      erlctl fields training
      erlctl fields agent.munchausen_dqn
      erlctl fields environment.kwargs.CartPole-v1 --format json
    """
    found: list[dict[str, Any]] = []
    for row in rows(path):
        facts = {"path": row.path, **{name: row.facts[name] for name in _COLUMNS[2:]}}
        same = next((known for known in found if facts.items() <= known.items()), None)
        if same is None:
            found.append(same := {**facts, "of": []})
        same["of"] += [row.entries] if row.entries else []
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    fmt = fmt or ("list" if is_terminal else "table")
    if fmt == "list":
        width = shutil.get_terminal_size().columns if is_terminal else _WIDTH
        is_bold = is_terminal and "NO_COLOR" not in os.environ
        click.echo("\n".join(_entry(known, width, is_bold) for known in found))
        return
    if fmt != "json":
        for known in found:
            known["default"] = one_line(known["default"])
            more = len(known["of"]) - _MAX_NAMED
            known["of"] = ", ".join(known["of"][:_MAX_NAMED]) + (f", {more} more" * (more > 0))
    options.echo_rows(found, _COLUMNS, fmt)


def _entry(known: Mapping[str, Any], width: int, is_bold: bool) -> str:
    """Return a field as lines: eight columns of a table are too narrow to read on a terminal."""
    letter, domain = known["letter"], known["domain"]
    facts = [known["type"], domain, known["unit"], f"the papers' {letter}" if letter else None,
             f"default: {one_line(known['default'])}"]
    texts = [known["meaning"], "; ".join(fact for fact in facts if fact),
             f"of: {', '.join(known['of'])}" if known["of"] else ""]
    lines = [textwrap.fill(text, width, initial_indent="    ", subsequent_indent="    ",
                           break_on_hyphens=False) for text in texts if text]
    return "\n".join([click.style(known["path"], bold=is_bold), *lines])
