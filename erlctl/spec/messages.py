"""Sentences about values and keys that do not fit: what came, what was expected, how to mend."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from erlctl import registry
from erlctl.errors import nearest, unknown_name
from erlctl.fields import Choice, Options
from erlctl.spec.nodes import MAX_INT, ListNode, Node, ScalarNode, resolve, shortened

EXPECTED: Mapping[type, str] = MappingProxyType({
    int: "a whole number", float: "a number", bool: "true or false", str: "a text",
})
_YES_NO = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


def wrong_type(node: Node, expected: str, kind: type | None = None) -> str:
    """Return what is wrong with a node that is not `expected`.

    Args:
        node: What came.
        expected: What it must be, completing "expected ...".
        kind: The scalar type wanted, where one was; chooses the remedy.
    """
    remedy = next((text for remedy in _REMEDIES if (text := remedy(node, kind))), None)
    return f"expected {expected}, got {node}" + (f"; {remedy}" if remedy else "")


def _infinite(node: Node, kind: type | None) -> str | None:
    value = node.value if isinstance(node, ScalarNode) else None
    is_infinite = isinstance(value, float) and math.isinf(value)
    return f"at most {MAX_INT}" if kind is int and is_infinite else None


def _quoted_number(node: Node, kind: type | None) -> str | None:
    if kind not in (int, float) or not isinstance(node, ScalarNode):
        return None
    if node.quoted and isinstance(resolve(node.text), (int, float)):
        return "remove the quotes"
    digits = node.text.replace("_", "").replace(",", "")
    if digits != node.text and isinstance(resolve(digits), (int, float)):
        return f"write {digits}: YAML 1.2 numbers have no separators"
    return None


def _yes_no(node: Node, kind: type | None) -> str | None:
    word = _YES_NO.get(node.text.lower()) if isinstance(node, ScalarNode) else None
    return f"write {word}" if kind is bool and word else None


def _unquoted_text(node: Node, kind: type | None) -> str | None:
    if kind is str and isinstance(node, ScalarNode) and node.text:
        return f'put it in quotes: "{node.text}"' if not isinstance(node.value, str) else None
    return None


def _nothing(node: Node, kind: type | None) -> str | None:
    del kind
    is_nothing = isinstance(node, ScalarNode) and node.value is None
    return "give a value, or remove the key to get the default" if is_nothing else None


def _list_of_values(node: Node, kind: type | None) -> str | None:
    is_list = kind is not None and isinstance(node, ListNode)
    return "lists are expanded only under `sweep:`" if is_list else None


_REMEDIES: tuple[Callable[[Node, type | None], str | None], ...] = (
    _nothing, _infinite, _quoted_number, _yes_no, _unquoted_text, _list_of_values,
)


def unknown_key(key: str, known: Sequence[str], elsewhere: str | None) -> str:
    """Return what is wrong with a key that a section does not have.

    Args:
        key: The key.
        known: Keys of the section.
        elsewhere: Path of another section's field of that name.
    """
    if elsewhere and not nearest(key, known):
        return f"unknown key {key!r}; it belongs to {elsewhere}; known here: {', '.join(known)}"
    return unknown_name("key", key, known)


def unknown_field(key: str, cls: type[Options], choice: Choice, elsewhere: str | None) -> str:
    """Return what is wrong with a key that the chosen class does not have, but others may."""
    known, name = field_names(cls), cls.registered_name  # type: ignore[attr-defined]
    owners = [
        other for other, entry in registry.all_of(choice.kind).items() if key in field_names(entry)
    ]
    if owners:
        return (f"{key!r} is a field of {', '.join(owners)}, not of {name}; "
                f"fields of {name}: {', '.join(known) or 'none'}")
    return unknown_key(key, [choice.key, *known], elsewhere)


def field_names(cls: type[Options]) -> list[str]:
    """Return the keys of a section in the order of their declaration."""
    return [field.name for field in dataclasses.fields(cls)]


def out_of_domain(node: Node, field: dataclasses.Field[Any]) -> str:
    """Return what is wrong with a value outside the domain of its field."""
    came, expected = str(node), str(field.metadata["domain"])
    if isinstance(node, ScalarNode) and isinstance(node.value, (int, float)):
        came = shortened(node.text)
        expected = expected if math.isfinite(node.value) else f"finite and {expected}"
    text = f"must be {expected}, got {came}"
    doc = field.metadata.get("doc", "").rstrip(".")
    return f"{text} ({doc[:1].lower()}{doc[1:]})" if doc else text


def missing_key(key: str, doc: str, known: Iterable[str] = ()) -> str:
    """Return that a key must be given."""
    choices = ", ".join(known)
    return f"missing key {key!r} ({doc.rstrip('.')})" + (f"; known: {choices}" if choices else "")


def section_expected(node: Node, key: str) -> str:
    """Return that a section must be a mapping; `key` is the one that a lone value is meant for."""
    is_value = isinstance(node, ScalarNode) and node.value is not None
    remedy = f"; write {{{key}: {node.text}}}" if isinstance(node, ScalarNode) and is_value else ""
    return f"expected a mapping `key: value`, got {node}{remedy}"
