"""Bytes to nodes: one YAML document of bounded size, depth and number of nodes.

Only YAML's event stream is used, so nothing is ever constructed from a tag; anchors, aliases and
tags are refused, which leaves nothing to expand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NoReturn

import yaml

from erlctl.errors import Problem, SpecError
from erlctl.spec.nodes import ListNode, MapNode, Node, ScalarNode, Where

SAVE_AS = "save it as UTF-8 text"
MAX_DEPTH = 32
MAX_NODES = 20_000
_TOO_DEEP = f"nested more than {MAX_DEPTH} deep; no spec needs that"
SKELETON = "name: my-experiment, environment: {id: CartPole-v1}, agent: {algorithm: dqn}"

# libyaml where PyYAML was built with it: ten times faster, same events.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


def parse(data: bytes, source: str, problems: list[Problem]) -> MapNode:
    """Return the mapping that a spec file holds.

    Args:
        data: The file's bytes: UTF-8, with or without a byte order mark.
        source: Name for messages.
        problems: Takes mistakes that do not stop the reading (duplicate keys).

    Raises:
        SpecError: It is not one YAML document with a mapping, or it breaks a limit.
    """
    node = parse_node(_decode(data, source), source, problems)
    if node is None or (isinstance(node, ScalarNode) and node.value is None):
        raise SpecError([Where(source, 1, 1).problem(
            "", f"the file is empty; a spec needs at least {SKELETON}")])
    if not isinstance(node, MapNode):
        raise SpecError([node.where.problem(
            "", f"a spec is a mapping `key: value` at its top, got {node}; "
            f"for example {SKELETON}")])
    return node


def parse_node(
    text: str, source: str, problems: list[Problem], *, has_lines: bool = True
) -> Node | None:
    """Return the one node of a YAML text, None if there is none.

    Args:
        text: YAML.
        source: Name for messages.
        problems: Takes mistakes that do not stop the reading (duplicate keys).
        has_lines: Whether positions mean something to the user (not so in `--set`).

    Raises:
        SpecError: As for `parse`.
    """
    if found := _CONTROL.search(text):
        where = _where_of(text[: found.start()], source) if has_lines else Where(source)
        raise SpecError([where.problem(
            "", f"character U+{ord(found[0]):04X} is not allowed in YAML: is this a text file? "
            f"{SAVE_AS}")])
    builder = _Builder(source, text, has_lines)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.add(event)
    except yaml.MarkedYAMLError as error:
        raise SpecError([builder.syntax_problem(error)]) from None
    return None if builder.root is None else _deduplicated(builder.root, "", problems)


def _decode(data: bytes, source: str) -> str:
    start = Where(source, 1, 1)
    if data.startswith(_UTF16_BOMS) or 0 in data:
        raise SpecError([start.problem(
            "", f"the file is UTF-16 or not a text at all (it holds zero bytes); {SAVE_AS}")])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = _where_of(data[: error.start].decode("utf-8", "replace"), source)
        raise SpecError([where.problem(
            "", f"byte 0x{data[error.start]:02x} is not UTF-8: is this a text file? {SAVE_AS}",
        )]) from None


def _where_of(before: str, source: str) -> Where:
    return Where(source, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)


class _Builder:
    """Builds the tree from events with a stack of its own, so that depth never meets recursion."""

    def __init__(self, source: str, text: str, has_lines: bool) -> None:
        self.root: Node | None = None
        self._source, self._text, self._has_lines = source, text, has_lines
        self._open: list[tuple[Any, Where, list[Node]]] = []
        self._num_nodes = self._num_documents = 0

    def add(self, event: Any) -> None:
        """Take the next event."""
        if isinstance(event, yaml.DocumentStartEvent):
            self._num_documents += 1
            if self._num_documents > 1:
                self._refuse(event.start_mark, "a second document starts here (`---`); "
                             "a spec is one document: put each experiment into a file of its own")
        elif isinstance(event, yaml.NodeEvent):
            self._check(event)
            where = self._where(event.start_mark)
            if isinstance(event, yaml.ScalarEvent):
                self._put(ScalarNode(where, event.value, quoted=event.style not in (None, "")))
            else:
                self._open.append((event, where, []))
        elif isinstance(event, yaml.CollectionEndEvent):
            start, where, children = self._open.pop()
            is_map = isinstance(start, yaml.MappingStartEvent)
            self._put(MapNode(where, tuple(_entries(children))) if is_map
                      else ListNode(where, tuple(children)))

    def syntax_problem(self, error: Any) -> Problem:
        """Return the problem behind a syntax error of the scanner or parser."""
        mark = error.problem_mark or error.context_mark
        lines = self._text.splitlines()
        line = lines[mark.line] if mark.line < len(lines) else ""
        context = error.context or ""
        in_flow = [start for start, _, _ in self._open if start.flow_style]
        if "nesting depth" in (error.problem or ""):  # libyaml has a limit of its own
            return self._where(mark).problem("", _TOO_DEEP)
        if "\t" in line[: mark.column + 1] and not line[: mark.column].strip():
            return self._where(mark).problem(
                "", "a tab is used for indentation; YAML wants spaces")
        if in_flow and not context.startswith("while scanning a quoted"):
            bracket = "[" if isinstance(in_flow[-1], yaml.SequenceStartEvent) else "{"
            at = f" at line {mark.line + 1}, column {mark.column + 1}" if self._has_lines else ""
            return self._where(in_flow[-1].start_mark).problem(
                "", f"this {bracket!r} is not closed, or a comma is missing inside: "
                f"{error.problem}{at}")
        return self._where(mark).problem(
            "", f"not valid YAML: {error.problem} {context}".rstrip() + "; "
            "check indentation, colons and quotes here and in the line above")

    def _where(self, mark: Any) -> Where:
        if not self._has_lines:
            return Where(self._source)
        return Where(self._source, mark.line + 1, mark.column + 1)

    def _refuse(self, mark: Any, message: str) -> NoReturn:
        raise SpecError([self._where(mark).problem("", message)])

    def _check(self, event: Any) -> None:
        self._num_nodes += 1
        if isinstance(event, yaml.AliasEvent):
            self._refuse(event.start_mark,
                         f"the alias *{event.anchor} is not allowed in a spec; write the value out")
        if event.anchor is not None:
            self._refuse(event.start_mark, f"the anchor &{event.anchor} is not allowed in a spec; "
                         "remove it and write the value out where it is used")
        if event.tag is not None:
            self._refuse(event.start_mark, f"the tag {event.tag} is not allowed in a spec; remove "
                         "it: types follow from the key")
        if len(self._open) >= MAX_DEPTH:
            self._refuse(event.start_mark, _TOO_DEEP)
        if self._num_nodes > MAX_NODES:
            self._refuse(event.start_mark, f"more than {MAX_NODES} values; no spec needs that")

    def _put(self, node: Node) -> None:
        if self._open:
            self._open[-1][2].append(node)
        else:
            self.root = node


def _entries(children: list[Node]) -> Iterator[tuple[ScalarNode, Node]]:
    for key, value in zip(children[::2], children[1::2], strict=True):
        if not isinstance(key, ScalarNode):
            raise SpecError([key.where.problem("", f"a key must be a single word, got {key}")])
        if key.text == "<<" and not key.quoted:
            raise SpecError([key.where.problem(
                "", "the merge key << is not allowed in a spec; write the keys out")])
        yield key, value


def _deduplicated(node: Node, path: str, problems: list[Problem]) -> Node:
    """Return `node` with the first of equal keys only; the others become problems."""
    if isinstance(node, ListNode):
        return ListNode(node.where, tuple(_deduplicated(n, path, problems) for n in node.items))
    if isinstance(node, ScalarNode):
        return node
    first: dict[str, tuple[ScalarNode, Node]] = {}
    for key, value in node.entries:
        below = f"{path}.{key.text}" if path else key.text
        if key.text in first:
            line = first[key.text][0].where.line
            problems.append(key.where.problem(
                below, "duplicate key: it was already given"
                f"{f' in line {line}' if line else ''}; remove one of them"))
        else:
            first[key.text] = (key, _deduplicated(value, below, problems))
    return MapNode(node.where, tuple(first.values()))
