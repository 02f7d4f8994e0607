"""The JSON Schema of a spec file, from the declarations that the reader uses.

Where `variants` or `sweep` change the name that chooses a section, the base may hold fields of any
entry, and a spec that extends another need not be complete: the schema is strict about entries and
required keys only where there is none of these.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any, get_args

from erlctl import registry
from erlctl.environments.catalogue import ENTRIES, CompiledEntry
from erlctl.experiment.fields import choice_of
from erlctl.fields import Choice, Domain, Interval, Options, Schedule, Text
from erlctl.spec import canonical
from erlctl.spec.load import OF_ONE_RUN, SPANNING
from erlctl.spec.reader import default_of, hints_of, kind_of
from erlctl.spec.schema import RunSpec, SearchDomain, SearchSection

Json = dict[str, Any]
_SCALARS = {int: "integer", float: "number", bool: "boolean", str: "string"}
_SPANNING: Mapping[str, Json] = {
    "extends": {"type": "string"},
    "seeds": {"anyOf": [
        {"type": "integer", "minimum": 1}, {"type": "string"},
        {"type": "array", "items": {"type": ["integer", "string"]}, "minItems": 1},
    ]},
    "variants": {"type": "object", "additionalProperties": {"type": "object"}},
    "sweep": {"type": "object", "additionalProperties": {"type": ["array", "object"]}},
    "tuned": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 1}},
}


def schema() -> Json:
    """Return the schema, draft 2020-12."""
    loose = _section(RunSpec, is_strict=False)
    for name in OF_ONE_RUN:
        del loose["properties"][name]
    for name, doc in SPANNING.items():
        shape = _search() if name == "search" else _SPANNING[name]
        loose["properties"][name] = {**shape, "description": doc}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "erlctl spec",
        **loose,
        "if": {"not": {"anyOf": [
            {"required": [name]} for name in ("extends", "variants", "sweep")]}},
        "then": _strict(),
        "$defs": {
            f"{choice.kind}.{name}": _section(cls, is_strict=True, key=choice.key)
            for choice in _choices(RunSpec) for name, cls in registry.all_of(choice.kind).items()
        },
    }


def _search() -> Json:
    """Return the section of `erlctl tune`; a choice may be any value."""
    shape = _section(SearchSection, is_strict=True)
    domain = _section(SearchDomain, is_strict=True)
    domain["properties"]["choices"]["items"] = True
    shape["properties"]["space"]["additionalProperties"] = domain
    return shape


def _strict() -> Json:
    """Return what holds besides where the runs differ in nothing but the seed."""
    hints = hints_of(RunSpec)
    sections = {
        field.name: _chosen(choice, default_of(field)) for field in dataclasses.fields(RunSpec)
        if (choice := choice_of(hints[field.name]))
    }
    environment = {"required": ["id"], "allOf": list(map(_keywords, ENTRIES))}
    return {"required": ["name", "environment", "agent"],
            "properties": {**sections, "environment": environment}}


def _keywords(entry: CompiledEntry) -> Json:
    """Return what the keyword arguments of a compiled environment must be."""
    is_meant = {"id": {"enum": [entry.id, *entry.aliases]},
                "backend": {"enum": ["auto", "compiled"]}}
    declared = _section(type(entry.keywords), is_strict=True, default=entry.keywords)
    return {"if": {"properties": is_meant, "required": ["id"]},
            "then": {"properties": {"kwargs": declared}}}


def _choices(cls: type[Options]) -> dict[Choice, None]:
    """Return how the sections of a class, and those below them, are chosen, each once, in order."""
    hints = hints_of(cls).values()
    found = {choice: None for hint in hints if (choice := choice_of(hint))}
    below = [hint for hint in hints if kind_of(hint) == "section"]
    below += [entry for choice in found for entry in registry.all_of(choice.kind).values()]
    for section in below:
        found |= _choices(section)
    return found


def _section(
    cls: type[Any], *, is_strict: bool, default: Options | None = None, key: str | None = None
) -> Json:
    """Return a mapping with the fields of a class.

    Args:
        cls: A dataclass whose fields are declared with `option`.
        is_strict: Whether fields without default must be there, and sections below are strict.
        default: Holds the defaults, where they are not the class's own.
        key: The key by which the class was chosen, if it was.
    """
    properties: Json = {key: True} if key else {}
    required = []
    for field in dataclasses.fields(cls):
        hint = hints_of(cls)[field.name]
        value = default_of(field) if default is None else getattr(default, field.name)
        shape = _chosen(choice, value) if is_strict and (choice := choice_of(hint)) else _shape(
            hint, field.metadata.get("domain"))
        described = {"description": field.metadata["doc"]}
        if value is dataclasses.MISSING:
            required.append(field.name)
        else:
            described["default"] = canonical.plain_value(value, hint)
        properties[field.name] = {**shape, **described}
    mapping = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**mapping, "required": required} if is_strict else mapping


def _chosen(choice: Choice, default: Any) -> Json:
    """Return a section of the entry that its key names, of the default's where there is no key."""
    entries = registry.all_of(choice.kind)
    named = {"required": [choice.key]}
    cases = [
        {"if": {"properties": {choice.key: {"const": name}}, **named},
         "then": {"$ref": f"#/$defs/{choice.kind}.{name}"}} for name in entries
    ]
    result: Json = {"type": "object", "properties": {choice.key: {"enum": list(entries)}}}
    if default is dataclasses.MISSING:
        return {**result, **named, "allOf": cases}
    own = {"$ref": f"#/$defs/{choice.kind}.{default.registered_name}"}
    return {**result, "allOf": [*cases, {"if": {"not": named}, "then": own}]}


def _any_entry(choice: Choice) -> Json:
    """Return a section that may hold the fields of every entry."""
    entries = registry.all_of(choice.kind)
    shapes: dict[str, list[Json]] = {}
    for cls in entries.values():
        for name, shape in _section(cls, is_strict=False)["properties"].items():
            known = shapes.setdefault(name, [])
            known += [shape] if shape not in known else []
    properties = {name: found[0] if len(found) == 1 else {"anyOf": found}
                  for name, found in shapes.items()}
    return {"type": "object", "additionalProperties": False,
            "properties": {choice.key: {"enum": list(entries)}, **properties}}


def _shape(hint: Any, domain: Domain | None) -> Json:
    """Return the values that a declared type and its domain allow."""
    return _SHAPES[kind_of(hint)](hint, get_args(hint), domain)


def _union(hint: Any, parts: tuple[Any, ...], domain: Domain | None) -> Json:
    del hint
    null = {"type": "null"}
    return {"anyOf": [null if part is NoneType else _shape(part, domain) for part in parts]}


_SHAPES: Mapping[str, Callable[[Any, tuple[Any, ...], Domain | None], Json]] = {
    "choice": lambda _, parts, __: _any_entry(parts[1]),
    "union": _union,
    "literal": lambda _, parts, __: {"enum": list(parts)},
    "tuple": lambda _, parts, domain: {"type": "array", "items": _shape(parts[0], domain)},
    "mapping": lambda _, parts, __: {
        "type": "object", "additionalProperties": _shape(parts[1], None)},
    "schedule": lambda _, __, domain: {"anyOf": [_shape(float, domain), _schedule(domain)]},
    "section": lambda hint, _, __: _section(hint, is_strict=False),
    "scalar": lambda hint, _, domain: {"type": _SCALARS[hint], **_limits(domain)},
}


def _schedule(domain: Domain | None) -> Json:
    shape = _section(Schedule, is_strict=True)
    for end in ("start", "end"):
        shape["properties"][end].update(_limits(domain))
    return shape


def _limits(domain: Domain | None) -> Json:
    """Return a domain in the schema's words; numbers are meant, or texts."""
    if isinstance(domain, Text):
        return {"pattern": f"^(?:{domain.pattern})$"}
    if not isinstance(domain, Interval):
        return {}
    low = "exclusiveMinimum" if domain.open_low else "minimum"
    high = "exclusiveMaximum" if domain.open_high else "maximum"
    return {name: end for name, end in ((low, domain.low), (high, domain.high))
            if math.isfinite(end)}
