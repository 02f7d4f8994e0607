"""`erlctl algorithms`: what can stand at `agent.algorithm`, from the declarations themselves."""

from __future__ import annotations

import dataclasses
import inspect
import types
from collections.abc import Iterable
from typing import Any, Literal, get_args, get_origin

import click

from erlctl import registry
from erlctl.cli import options
from erlctl.fields import Choice, Options, Schedule
from erlctl.spec import canonical
from erlctl.spec.reader import default_of, hints_of

_KINDS = {
    int: "whole number", float: "number", bool: "true or false", str: "text",
    Schedule: "number or {start, end, steps}", types.NoneType: "null",
}


@click.command()
@click.argument("name", required=False)
@options.format_option()
def algorithms(name: str | None, fmt: str) -> None:
    """List the algorithms, or explain NAME: equation, fields, source, relations.

    \b
    Example:
      erlctl algorithms munchausen_dqn
    """
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
    defaults = {row["field"]: row["default"] for row in _fields(cls, _own_fields(cls))}
    return {
        "algorithm": name, "base": cls.base, "actions": cls.action_kind, "summary": cls.summary,
        "defaults": defaults,
    }


def _details(name: str, cls: Any) -> dict[str, Any]:
    return {
        **_summary(name, cls), "description": inspect.cleandoc(cls.__doc__ or ""),
        "equation": cls.equation, "source": cls.source, "relations": list(cls.relations),
        "fields": _fields(cls, dataclasses.fields(cls)),
    }


def _own_fields(cls: type[Options]) -> list[dataclasses.Field[Any]]:
    """Return the fields that the algorithm does not share with its whole family."""
    family = next(base for base in cls.__mro__ if "registered_name" not in vars(base))
    shared = {field.name for field in dataclasses.fields(family)}
    return [field for field in dataclasses.fields(cls) if field.name not in shared]


def _fields(
    cls: type[Options], fields: Iterable[dataclasses.Field[Any]]
) -> list[dict[str, Any]]:
    return [
        {
            "field": field.name, "default": _default(field, hints_of(cls)[field.name]),
            "type": _type_text(hints_of(cls)[field.name]),
            "domain": str(field.metadata.get("domain") or "") or None,
            "letter": field.metadata.get("letter") or None,
            "unit": field.metadata.get("unit") or None,
            "meaning": field.metadata.get("doc", ""),
        }
        for field in fields
    ]


def _default(field: dataclasses.Field[Any], hint: Any) -> Any:
    default = default_of(field)
    return "required" if default is dataclasses.MISSING else canonical.plain_value(default, hint)


def _type_text(hint: Any) -> str:
    arguments = get_args(hint)
    if mark := next((part for part in arguments if isinstance(part, Choice)), None):
        return f"{mark.kind} {{{mark.key}: {' | '.join(registry.all_of(mark.kind))}}}"
    if get_origin(hint) is Literal:
        return " | ".join(map(str, arguments))
    if get_origin(hint) is tuple:
        return f"list of {_type_text(arguments[0])}"
    return _KINDS[hint] if hint in _KINDS else " or ".join(map(_type_text, arguments))


def _one_line(default: Any) -> str:
    return default if default == "required" else canonical.flow_text(default)


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
        [{**row, "default": _one_line(row["default"])} for row in document["fields"]],
        ["field", "default", "type", "domain", "letter", "unit", "meaning"],
    )
