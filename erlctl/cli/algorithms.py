"""`erlctl algorithms`: what can stand at `agent.algorithm`, from the declarations themselves."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import click

from erlctl import registry
from erlctl.algorithms.base import Algorithm
from erlctl.cli import options, trust
from erlctl.experiment.fields import facts_of, one_line
from erlctl.fields import Options


@click.command()
@click.argument("name", required=False)
@trust.trust_option
@options.format_option()
def algorithms(name: str | None, trusted: tuple[str, ...], fmt: str) -> None:
    """List the algorithms, or explain NAME: equation, fields, source, relations.

    \b
    Example:
      erlctl algorithms munchausen_dqn
    """
    del trusted  # files are loaded already
    if name is None:
        entries = registry.all_of("algorithm").items()
        options.echo_rows(
            [_summary(known, cls) for known, cls in entries],
            ["algorithm", "base", "actions", "summary", "defaults"], fmt,
        )
        return
    document = _details(name, registry.get("algorithm", name))
    if fmt == "json":
        options.echo_json(document)
    else:
        _echo_details(document)


def _summary(name: str, cls: Any) -> dict[str, Any]:
    defaults = {row["field"]: row["default"] for row in facts_of(_own_fields(cls), cls)}
    return {
        "algorithm": name, "base": cls.base, "actions": cls.action_kind, "summary": cls.summary,
        "defaults": defaults,
    }


def _details(name: str, cls: Any) -> dict[str, Any]:
    return {
        **_summary(name, cls), "description": inspect.cleandoc(cls.__doc__ or ""),
        "equation": cls.equation, "source": cls.source, "relations": list(cls.relations),
        "fields": list(facts_of(dataclasses.fields(cls), cls)),
    }


def _own_fields(cls: type[Options]) -> list[dataclasses.Field[Any]]:
    """Return the fields that the algorithm does not share with its whole family."""
    # Classes that only lend fields to several algorithms are none themselves.
    family = next(base for base in cls.__mro__
                  if issubclass(base, Algorithm) and "registered_name" not in vars(base))
    shared = {field.name for field in dataclasses.fields(family)}
    return [field for field in dataclasses.fields(cls) if field.name not in shared]


def _echo_details(document: dict[str, Any]) -> None:
    click.echo(f"{document['algorithm']}: {document['summary']}\n")
    click.echo(f"{document['description']}\n")
    indented = document["equation"].replace("\n", "\n  ")
    click.echo(f"Equation\n  {indented}\n")
    click.echo(f"Source\n  {document['source']}\n")
    if document["relations"]:
        click.echo("Relations")
        for relation in document["relations"]:
            click.echo(f"  {relation}")
        click.echo()
    click.echo(f"Agent\n  {document['base']}, {document['actions']} actions\n\nFields")
    options.echo_rows(
        [{**row, "default": one_line(row["default"])} for row in document["fields"]],
        ["field", "default", "type", "domain", "letter", "unit", "meaning"],
    )
