"""Nodes to dataclasses: the types and domains that a class declares say what is accepted.

Every mistake becomes a `Problem` with its place; reading goes on, so that all are reported at once.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import inspect
import sys
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin

from erlctl import registry
from erlctl.errors import Problem, unknown_name
from erlctl.fields import Choice, Options, OptionsError, Schedule
from erlctl.spec import messages
from erlctl.spec.nodes import MAX_INT, ListNode, MapNode, Node, Scalar, ScalarNode, Where

Section = TypeVar("Section", bound=Options)
Field = dataclasses.Field


class _Failed(enum.Enum):
    FAILED = enum.auto()


FAILED: Final = _Failed.FAILED


class Reader:
    """Reads nodes by declared types.

    Args:
        elsewhere: Dotted path of the field that a key may have been meant for, by its name.

    Attributes:
        problems: Every mistake so far.
        sections: What was read without a mistake, by dotted path; "" is the document.
    """

    def __init__(self, elsewhere: Mapping[str, str] | None = None) -> None:
        self.problems: list[Problem] = []
        self.sections: dict[str, Options] = {}
        self._elsewhere = elsewhere or {}
        self._places: dict[str, Where] = {}

    def section(
        self,
        node: Node,
        cls: type[Section],
        path: str = "",
        default: Options | None = None,
        choice: Choice | None = None,
    ) -> Section | _Failed:
        """Read a mapping into a dataclass.

        Args:
            node: What came.
            cls: Class of the section.
            path: Dotted path of the section, "" for the document.
            default: Holds the values of keys that are not given; without it the class's defaults.
            choice: How the class was chosen, if it was.

        Returns:
            The object, or FAILED after at least one problem was added.
        """
        self._places[path] = node.where
        if not isinstance(node, MapNode):
            return self._fail(node.where, path, messages.section_expected(
                node, messages.field_names(cls)[0]))
        self._unknown_keys(node, cls, path, choice)
        hints, values = hints_of(cls), dict[str, Any]()
        for field in dataclasses.fields(cls):
            below, child = _join(path, field.name), node.get(field.name)
            if child is not None:
                values[field.name] = self.value(child, hints[field.name], below, field)
            elif default is not None:
                values[field.name] = getattr(default, field.name)
            elif default_of(field) is dataclasses.MISSING:
                doc = field.metadata.get("doc", "")
                missing = messages.missing_key(field.name, doc)
                values[field.name] = self._fail(node.where, path, missing)
        return FAILED if FAILED in values.values() else self._make(cls, values, path)

    def check(self, violations: Iterable[tuple[str, str]]) -> None:
        """Add a problem for each (dotted path, message) at the place of what was read there."""
        for path, message in violations:
            self._fail(self._nearest_place(path), path, message)

    def value(self, node: Node, hint: Any, path: str, field: Field[Any]) -> Any:
        """Read a node as `hint`, one of the kinds of `_READERS`; FAILED after a problem."""
        self._places[path] = node.where
        return _READERS[kind_of(hint)](self, node, hint, path, field)

    def _unknown_keys(
        self, node: MapNode, cls: type[Options], path: str, choice: Choice | None
    ) -> None:
        known = messages.field_names(cls)
        for key in node.keys.values():
            if key.text in known or (choice and key.text == choice.key):
                continue
            elsewhere = self._elsewhere.get(key.text)
            self._fail(key.where, _join(path, key.text), (
                messages.unknown_field(key.text, cls, choice, elsewhere) if choice
                else messages.unknown_key(key.text, known, elsewhere)))

    def _make(self, cls: type[Section], values: dict[str, Any], path: str) -> Section | _Failed:
        try:
            made = cls(**values)
        except OptionsError as error:
            for name, value, expected in error.violations:
                full = _join(path, name)
                self._fail(self._nearest_place(full), full, f"must be {expected}, got {value!r}")
            return FAILED
        self.sections[path] = made
        return made

    def _nearest_place(self, path: str) -> Where:
        while path not in self._places:
            path = path.rpartition(".")[0]
        return self._places[path]

    def _fail(self, where: Where, path: str, message: str) -> _Failed:
        self.problems.append(where.problem(path, message))
        return FAILED

    def _scalar(self, node: Node, hint: type, path: str, field: Field[Any]) -> Scalar | _Failed:
        value = node.value if isinstance(node, ScalarNode) else None
        if hint is float and type(value) is int:
            value = float(value)
        if hint is int and isinstance(value, float) and value.is_integer():
            value = int(value)  # 1e6
        if value is None or type(value) is not hint:
            return self._fail(
                node.where, path, messages.wrong_type(node, messages.EXPECTED[hint], hint))
        if isinstance(value, int) and abs(value) > MAX_INT:
            return self._fail(node.where, path, f"too large, at most {MAX_INT}")
        return self._in_domain(value, node, path, field)

    def _in_domain(
        self, value: Scalar, node: Node, path: str, field: Field[Any]
    ) -> Scalar | _Failed:
        domain = field.metadata.get("domain")
        if domain is not None and value not in domain:
            return self._fail(node.where, path, messages.out_of_domain(node, field))
        return value

    def _union(self, node: Node, hint: Any, path: str, field: Field[Any]) -> Any:
        members = [member for member in get_args(hint) if member is not types.NoneType]
        is_null = isinstance(node, ScalarNode) and node.value is None
        if is_null and len(members) < len(get_args(hint)):
            return None
        if len(members) == 1:
            return self.value(node, members[0], path, field)
        if not isinstance(node, ScalarNode) or type(node.value) not in members:
            return self._fail(node.where, path, messages.wrong_type(node, "a plain value"))
        return self._in_domain(node.value, node, path, field)

    def _literal(self, node: Node, hint: Any, path: str, field: Field[Any]) -> Any:
        del field
        options = get_args(hint)
        if isinstance(node, ScalarNode) and node.value in options:
            return node.value
        if isinstance(node, ScalarNode) and isinstance(node.value, str):
            return self._fail(node.where, path, unknown_name("choice", node.value, options))
        expected = f"one of {', '.join(map(str, options))}"
        return self._fail(node.where, path, messages.wrong_type(node, expected, str))

    def _tuple(self, node: Node, hint: Any, path: str, field: Field[Any]) -> Any:
        item, _ = get_args(hint)
        if not isinstance(node, ListNode):
            remedy = f"; write [{node.text}]" if isinstance(node, ScalarNode) and node.text else ""
            return self._fail(
                node.where, path, f"expected a list such as [64, 64], got {node}{remedy}")
        items = tuple(
            self.value(child, item, f"{path}[{index}]", field)
            for index, child in enumerate(node.items)
        )
        return FAILED if FAILED in items else items

    def _mapping(self, node: Node, hint: Any, path: str, field: Field[Any]) -> Any:
        if not isinstance(node, MapNode):
            return self._fail(node.where, path, messages.section_expected(node, "key"))
        values = {
            key.text: self.value(child, get_args(hint)[1], _join(path, key.text), field)
            for key, child in node.entries
        }
        return FAILED if FAILED in values.values() else values

    def _schedule(self, node: Node, hint: Any, path: str, field: Field[Any]) -> Any:
        del hint
        if not isinstance(node, MapNode):
            value = self.value(node, float, path, field)
            return value if value is FAILED else Schedule.constant(value)
        hints, values = hints_of(Schedule), dict[str, Any]()
        for key in node.keys.values():
            if key.text not in hints:
                self._fail(key.where, _join(path, key.text), unknown_name("key", key.text, hints))
        for part in dataclasses.fields(Schedule):
            child = node.get(part.name)
            # Start and end live in the domain of the field that holds the schedule.
            declared = part if part.metadata["domain"] else field
            values[part.name] = (
                self.value(child, hints[part.name], _join(path, part.name), declared) if child
                else self._fail(node.where, path,
                                messages.missing_key(part.name, part.metadata["doc"]))
            )
        return FAILED if FAILED in values.values() else Schedule(**values)

    def _section(self, node: Node, hint: Any, path: str, field: Field[Any]) -> Any:
        default = default_of(field)
        return self.section(node, hint, path, default if type(default) is hint else None)

    def _choice(self, node: Node, hint: Any, path: str, field: Field[Any]) -> Any:
        choice: Choice = get_args(hint)[1]
        entries = registry.all_of(choice.kind)
        default = default_of(field)
        if not isinstance(node, MapNode):
            return self._fail(node.where, path, messages.section_expected(node, choice.key))
        named = node.get(choice.key)
        if named is None and default is dataclasses.MISSING:
            cls: type[Options] | _Failed = self._fail(node.where, path, messages.missing_key(
                choice.key, field.metadata["doc"], entries))
        else:
            cls = type(default) if named is None else self._entry(named, choice, path)
        if not isinstance(cls, type):
            return self._without_entry(node, get_args(hint)[0], choice, path)
        return self.section(node, cls, path, default if type(default) is cls else None, choice)

    def _without_entry(
        self, node: MapNode, base: type[Options], choice: Choice, path: str
    ) -> _Failed:
        """Check what can be checked where nobody knows the entry: the fields that all have."""
        shared = {field.name: field for field in dataclasses.fields(base)}
        entries = registry.all_of(choice.kind).values()
        known = sorted({name for entry in entries for name in messages.field_names(entry)})
        for key, child in node.entries:
            below = _join(path, key.text)
            if key.text in shared:
                self.value(child, hints_of(base)[key.text], below, shared[key.text])
            elif key.text not in (choice.key, *known):
                self._fail(key.where, below, unknown_name("key", key.text, [choice.key, *known]))
        return FAILED

    def _entry(self, node: Node, choice: Choice, path: str) -> type[Options] | _Failed:
        path, entries = _join(path, choice.key), registry.all_of(choice.kind)
        self._places[path] = node.where
        if not isinstance(node, ScalarNode) or not isinstance(node.value, str):
            return self._fail(node.where, path, messages.wrong_type(
                node, f"the name of one {choice.kind}", str))
        if node.value not in entries:
            return self._fail(node.where, path, unknown_name(choice.kind, node.value, entries))
        return entries[node.value]


_READERS: Mapping[str, Callable[..., Any]] = types.MappingProxyType({
    "choice": Reader._choice, "union": Reader._union, "literal": Reader._literal,
    "tuple": Reader._tuple, "mapping": Reader._mapping, "schedule": Reader._schedule,
    "section": Reader._section, "scalar": Reader._scalar,
})
_ORIGINS: Mapping[Any, str] = types.MappingProxyType({
    Annotated: "choice", Union: "union", types.UnionType: "union", Literal: "literal",
    tuple: "tuple", Mapping: "mapping",
})
_CLASSES: tuple[tuple[type, str], ...] = (
    (Options, "section"), (Schedule, "schedule"),
    (bool, "scalar"), (int, "scalar"), (float, "scalar"), (str, "scalar"),
)


def kind_of(hint: Any) -> str:
    """Return the kind of a declared type, a key of `_READERS`."""
    origin = get_origin(hint)
    if origin is not None:
        return _ORIGINS[origin]
    return next(kind for cls, kind in _CLASSES if issubclass(hint, cls))


_hints: dict[type, Mapping[str, Any]] = {}


def hints_of(cls: type) -> Mapping[str, Any]:
    """Return the types of a dataclass's fields, by name, with their annotations resolved."""
    if cls not in _hints:
        hints: dict[str, Any] = {}
        for base in reversed(cls.__mro__):
            hints.update(_own_hints(base))
        _hints[cls] = {field.name: hints[field.name] for field in dataclasses.fields(cls)}
    return _hints[cls]


@functools.cache
def _own_hints(cls: type) -> Mapping[str, Any]:
    """Return the types that a class itself declares; what many inherit is resolved once."""
    own = type(cls.__name__, (), {"__annotations__": inspect.get_annotations(cls)})
    names = vars(sys.modules[cls.__module__])
    return typing.get_type_hints(own, names, dict(vars(cls)), include_extras=True)


def default_of(field: Field[Any]) -> Any:
    """Return a field's default, or MISSING."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
