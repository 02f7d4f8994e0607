"""Every field of a spec as a row of text, from the declarations that the reader uses."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from erlctl import registry
from erlctl.environments.registry import COMPILED
from erlctl.errors import UnknownNameError, nearest
from erlctl.fields import Choice, Options, Schedule
from erlctl.spec import canonical
from erlctl.spec.load import OF_ONE_RUN, SPANNING
from erlctl.spec.reader import default_of, hints_of
from erlctl.spec.schema import RunSpec, SearchDomain, SearchSection

_KINDS = {
    int: "whole number", float: "number", bool: "true or false", str: "text",
    Schedule: "number or {start, end, steps}", types.NoneType: "null",
}
_KEYWORDS = "environment.kwargs"
_NOTHING = {**dict.fromkeys(("type", "domain", "letter", "unit")), "default": "optional"}


@dataclass(frozen=True)
class Row:
    """One field.

    Attributes:
        address: The names that lead to it, each with whether it names an entry (what
            `agent.algorithm` or a policy's `type` is, the environment's id) and so stands in no
            path.
        facts: As `facts_of` gives them.
        opens: How many names of the address must be asked for until the row is shown: policies have
            the same fields wherever they stand.
    """

    address: tuple[tuple[str, bool], ...]
    facts: Mapping[str, Any]
    opens: int = 0

    @property
    def path(self) -> str:
        """Where it stands in a spec."""
        return ".".join(name for name, is_entry in self.address if not is_entry)

    @property
    def entries(self) -> str:
        """The entries that have it, from the outside to the inside."""
        return ", ".join(name for name, is_entry in self.address if is_entry)

    def is_shown(self, query: Sequence[str]) -> bool:
        """Return whether the field is what some names lead to; those of entries may be left out."""
        rest, position = list(query), 0
        for index, (name, is_entry) in enumerate(self.address):
            if not rest:
                break
            if rest[0] == name:
                rest.pop(0)
                position = index + 1
            elif not is_entry:
                return False
        return not rest and position >= self.opens


def rows(path: str = "") -> list[Row]:
    """Return every field of a spec, or those at and below a path.

    Args:
        path: For example `training`, `agent.munchausen_dqn` or `environment.kwargs.CartPole-v1`.

    Raises:
        UnknownNameError: There is no such field.
    """
    everything = [
        *(Row(((name, False),), {**_NOTHING, "meaning": doc}) for name, doc in SPANNING.items()),
        *(row for row in _rows_of(RunSpec) if row.path not in OF_ONE_RUN), *_rows_of_keywords(),
        *_rows_of(SearchSection, (("search", False),)),
    ]
    # An id has dots where it names code, never where it is in the catalogue.
    found = [row for row in everything if row.is_shown(path.split(".") if path else ())]
    if not found:
        heads = {row.path.rpartition(".")[0] or row.path for row in everything}
        guess = nearest(path, {row.path for row in everything} | heads)
        raise UnknownNameError("field", path, heads | ({guess} if guess else set()))
    return found


def _rows_of(
    cls: type[Options], above: tuple[tuple[str, bool], ...] = (), default: Options | None = None,
    opens: int = 0,
) -> Iterator[Row]:
    fields = dataclasses.fields(cls)
    for field, facts in zip(fields, facts_of(fields, cls, default), strict=True):
        hint, address = hints_of(cls)[field.name], (*above, (field.name, False))
        value = default_of(field) if default is None else getattr(default, field.name)
        if choice := choice_of(hint):
            is_nested = any(is_entry for _, is_entry in above)
            yield from _rows_of_choice(choice, address, value, facts, len(address) * is_nested)
        elif isinstance(hint, type) and issubclass(hint, Options):
            yield from _rows_of(hint, address, value if isinstance(value, hint) else None, opens)
        else:
            yield Row(address, facts, opens)
            if hint == Mapping[str, SearchDomain]:
                yield from _rows_of(SearchDomain, (*address, ("PATH", False)), opens=opens)


def _rows_of_choice(
    choice: Choice, address: tuple[tuple[str, bool], ...], default: Any, facts: Mapping[str, Any],
    opens: int,
) -> Iterator[Row]:
    entries = registry.all_of(choice.kind)
    named = getattr(default, "registered_name", "required")
    yield Row((*address, (choice.key, False)),
              {**facts, "type": " | ".join(entries), "default": named})
    for name, cls in entries.items():
        own = default if type(default) is cls else None
        yield from _rows_of(cls, (*address, (name, True)), own, opens)


def _rows_of_keywords() -> Iterator[Row]:
    above = tuple((name, False) for name in _KEYWORDS.split("."))
    for name, entry in COMPILED.items():
        yield from _rows_of(type(entry.keywords), (*above, (name, True)), entry.keywords)


def facts_of(
    fields: Iterable[dataclasses.Field[Any]], cls: type[Options], default: Options | None = None
) -> Iterator[dict[str, Any]]:
    """Yield field, default, type, domain, letter, unit and meaning of some fields of a class.

    Args:
        fields: Which.
        cls: Their class.
        default: Holds the defaults, where they are not the class's own.
    """
    for field in fields:
        hint = hints_of(cls)[field.name]
        value = default_of(field) if default is None else getattr(default, field.name)
        is_required = value is dataclasses.MISSING
        yield {
            "field": field.name,
            "default": "required" if is_required else canonical.plain_value(value, hint),
            "type": _type_text(hint),
            "domain": str(field.metadata.get("domain") or "") or None,
            "letter": field.metadata.get("letter") or None,
            "unit": field.metadata.get("unit") or None,
            "meaning": field.metadata.get("doc", ""),
        }


def one_line(default: Any) -> str:
    """Return a default of `facts_of` as a table shows it."""
    return default if default in ("required", "optional") else canonical.flow_text(default)


def choice_of(hint: Any) -> Choice | None:
    """Return how a section's class is chosen, None if it is not."""
    return next((part for part in get_args(hint) if isinstance(part, Choice)), None)


def _type_text(hint: Any) -> str:
    arguments = get_args(hint)
    if mark := choice_of(hint):
        return f"{mark.kind} {{{mark.key}: {' | '.join(registry.all_of(mark.kind))}}}"
    if get_origin(hint) is Literal:
        return " | ".join(map(str, arguments))
    if get_origin(hint) is tuple:
        return f"list of {_type_text(arguments[0])}"
    if get_origin(hint) is Mapping:
        return "mapping"
    if isinstance(hint, type) and issubclass(hint, Options):
        return "section"
    return _KINDS[hint] if hint in _KINDS else " or ".join(map(_type_text, arguments))
