"""The YAML tree with positions: what parser, overrides and sweep hand on to the reader.

Plain scalars follow the core schema of YAML 1.2: `1e-3` is a float, `010` is ten, `on` is a text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from erlctl.errors import Problem, SpecError

Scalar = bool | int | float | str | None
MAX_SHOWN = 60
MAX_INT = 2**63 - 1


@dataclass(frozen=True)
class Where:
    """A place in a source; line and column are 1-based and 0 where the source has none."""

    source: str
    line: int = 0
    column: int = 0

    def problem(self, path: str, message: str) -> Problem:
        """Return a problem at this place."""
        return Problem(self.source, self.line, self.column, path, message)


@dataclass(frozen=True)
class ScalarNode:
    """A scalar as it was written.

    Attributes:
        where: Where it starts.
        text: Its text without quotes.
        quoted: Whether it was in quotes or a block, so that it can only be a text.
    """

    where: Where
    text: str
    quoted: bool = False

    @property
    def value(self) -> Scalar:
        """The value under YAML 1.2's core schema."""
        return self.text if self.quoted else resolve(self.text)

    def __str__(self) -> str:
        value = self.value
        if value is None:
            return "nothing (null)"
        kind = "the text" if isinstance(value, str) else "the number"
        shown = repr(shortened(self.text)) if isinstance(value, str) else shortened(self.text)
        return self.text.lower() if isinstance(value, bool) else f"{kind} {shown}"


@dataclass(frozen=True)
class ListNode:
    """A sequence."""

    where: Where
    items: tuple[Node, ...]

    def __str__(self) -> str:
        count = len(self.items)
        return f"a list of {count} value{'s' if count != 1 else ''}" if count else "an empty list"


@dataclass(frozen=True)
class MapNode:
    """A mapping with text keys, in file order; keys are unique."""

    where: Where
    entries: tuple[tuple[ScalarNode, Node], ...] = ()

    def __str__(self) -> str:
        if not self.entries:
            return "an empty mapping"
        keys = ", ".join(key.text for key, _ in self.entries)
        return f"a mapping with {shortened(keys)}"

    @property
    def keys(self) -> dict[str, ScalarNode]:
        """Key texts with the places of the keys."""
        return {key.text: key for key, _ in self.entries}

    def get(self, key: str) -> Node | None:
        """Return the value under `key`, or None."""
        return next((value for known, value in self.entries if known.text == key), None)

    def without(self, *keys: str) -> MapNode:
        """Return the mapping without some keys."""
        return replace(self, entries=tuple(e for e in self.entries if e[0].text not in keys))

    def with_entry(self, key: ScalarNode, value: Node) -> MapNode:
        """Return the mapping with an entry replaced in its place, or added at the end."""
        if key.text in self.keys:
            return replace(self, entries=tuple(
                (key, value) if known.text == key.text else (known, old)
                for known, old in self.entries
            ))
        return replace(self, entries=(*self.entries, (key, value)))


Node = ScalarNode | ListNode | MapNode


def places(node: Node) -> Iterator[Where]:
    """Yield the places of a node and of everything below it."""
    yield node.where
    if isinstance(node, ListNode):
        for item in node.items:
            yield from places(item)
    elif isinstance(node, MapNode):
        for key, value in node.entries:
            yield key.where
            yield from places(value)


def with_value(tree: MapNode, path: str, key: Where, value: Node) -> MapNode:
    """Return `tree` with the node at a dotted path replaced; missing mappings are made.

    Args:
        tree: Mapping to start from.
        path: Dotted path.
        key: Place of the path itself, for keys that are new.
        value: New node.

    Raises:
        SpecError: Something on the way is not a mapping.
    """
    return _with_value(tree, path.split("."), path, key, value)


def _with_value(tree: MapNode, parts: list[str], path: str, key: Where, value: Node) -> MapNode:
    name, rest = ScalarNode(key, parts[0], quoted=True), parts[1:]
    if not rest:
        return tree.with_entry(name, value)
    below = tree.get(parts[0]) or MapNode(key)
    if not isinstance(below, MapNode):
        parent = path.removesuffix("." + ".".join(rest))
        raise SpecError([key.problem(path, f"{parent} is {below}, not a mapping: it has no keys")])
    return tree.with_entry(name, _with_value(below, rest, path, key, value))


_NULL = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_BOOL = {
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}
_CONSTANTS: dict[str, Scalar] = {**_NULL, **_BOOL}
_NUMBERS: tuple[tuple[re.Pattern[str], Callable[[str], int | float]], ...] = (
    (re.compile(r"[-+]?[0-9]+"), lambda text: _int(text, 10)),
    (re.compile(r"0o[0-7]+"), lambda text: _int(text[2:], 8)),
    (re.compile(r"0x[0-9a-fA-F]+"), lambda text: _int(text[2:], 16)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(inf|Inf|INF)"),
     lambda text: -math.inf if text.startswith("-") else math.inf),
    (re.compile(r"\.(nan|NaN|NAN)"), lambda _: math.nan),
)


def resolve(text: str) -> Scalar:
    """Return the value of a plain scalar under the core schema of YAML 1.2."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    for pattern, convert in _NUMBERS:
        if pattern.fullmatch(text):
            return convert(text)
    return text


def _int(digits: str, base: int) -> int | float:
    # Python refuses to read more than 4300 digits; a number this large is outside every domain.
    return int(digits, base) if len(digits) <= 300 else math.copysign(math.inf, float(digits[:2]))


def shortened(text: str) -> str:
    """Return a text short enough for a message."""
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
