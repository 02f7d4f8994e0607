"""`erlctl fields`: every field of a spec, from the declarations themselves."""

from __future__ import annotations

from typing import Any

import click

from erlctl.cli import options
from erlctl.experiment.fields import one_line, rows

_COLUMNS = ["path", "of", "type", "domain", "default", "unit", "letter", "meaning"]
_MAX_NAMED = 2


@click.command()
@click.argument("path", default="")
@options.format_option()
def fields(path: str, fmt: str) -> None:
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
    if fmt != "json":
        for known in found:
            known["default"] = one_line(known["default"])
            more = len(known["of"]) - _MAX_NAMED
            known["of"] = ", ".join(known["of"][:_MAX_NAMED]) + (f", {more} more" * (more > 0))
    options.echo_rows(found, _COLUMNS, fmt)
