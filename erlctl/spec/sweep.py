"""Variants: what `variants:` and `sweep:` mean, and what the folders are called."""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from erlctl.errors import Problem
from erlctl.fields import Text
from erlctl.spec import canonical, messages
from erlctl.spec.nodes import ListNode, MapNode, Node, ScalarNode, Where, places, with_value
from erlctl.spec.overrides import Override, overlap
from erlctl.spec.schema import RunSpec
from erlctl.spec.search import shown

MAX_VARIANTS = 2_000
MAX_NAME = 150
LABEL = Text(
    r"[A-Za-z0-9][A-Za-z0-9._+-]{0,79}",
    "a folder name of 1 to 80 letters, digits and '._+-' that starts with a letter or digit",
)
ALGORITHM = "agent.algorithm"
_FIXED = ("schema", "name", "variant", "seed", "seeds", "sweep", "variants", "search", "tuned")
_SECTIONS = tuple(name for name in messages.field_names(RunSpec) if name not in _FIXED)


@dataclass(frozen=True)
class Change:
    """One field that a variant sets.

    Attributes:
        key: Where the path stands.
        path: Dotted path.
        node: Value.
    """

    key: Where
    path: str
    node: Node


@dataclass(frozen=True)
class Point:
    """One variant before it is read.

    Attributes:
        label: Its entry of `variants`, None if there is none.
        labelled: What that entry sets.
        swept: What the sweep sets.
    """

    label: str | None = None
    labelled: tuple[Change, ...] = ()
    swept: tuple[Change, ...] = ()

    def __str__(self) -> str:
        changes = [f"{c.path.rpartition('.')[2]}={shown(c.node)}" for c in self.swept]
        return ",".join([self.label, *changes] if self.label else changes)

    @property
    def places(self) -> set[Where]:
        """Where its own values and their paths stand."""
        changes = (*self.labelled, *self.swept)
        return {where for c in changes for where in (c.key, *places(c.node))}

    def apply(self, tree: MapNode) -> MapNode:
        """Return the tree of this variant."""
        for change in (*self.labelled, *self.swept):
            tree = with_value(tree, change.path, change.key, change.node)
        return tree


def points(tree: MapNode, problems: list[Problem]) -> list[Point]:
    """Return every variant of a spec, labels outside, the sweep's last path fastest.

    Args:
        tree: The whole spec.
        problems: Takes what is wrong with `variants` and `sweep`.
    """
    labelled = list(_labelled(tree.get("variants"), problems))
    axes = list(_axes(tree.get("sweep"), problems))
    for label, changes in labelled:
        for change, axis in itertools.product(changes, axes):
            if overlap(change.path, axis[0].path):
                problems.append(change.key.problem(
                    f"variants.{label}", f"{change.path} is also swept; remove one of them"))
    count = math.prod(map(len, axes)) * max(1, len(labelled))
    if count > MAX_VARIANTS:
        where = (tree.keys.get("sweep") or tree.keys["variants"]).where
        problems.append(where.problem(
            "sweep", f"{count} variants are too many: at most {MAX_VARIANTS}"))
        return []
    unlabelled: list[tuple[str | None, tuple[Change, ...]]] = [(None, ())]
    return [
        Point(label, changes, swept)
        for label, changes in labelled or unlabelled
        for swept in itertools.product(*axes)
    ]


def check_overrides(
    overrides: Sequence[Override], variants: Sequence[Point], problems: list[Problem]
) -> None:
    """Add a problem for every `--set` that a variant would undo."""
    for override in overrides:
        for point in variants:
            for prefix, changes in (
                ("sweep", point.swept), (f"variants.{point.label}", point.labelled)
            ):
                if any(overlap(change.path, override.path) for change in changes):
                    problems.append(override.where.problem(
                        override.path, "has no effect, the spec varies it; "
                        f"write --set {prefix}.{override.path}=... instead"))
                    break


def names(runs: Sequence[tuple[Point, RunSpec]]) -> list[str]:
    """Return a unique, readable folder name for each variant.

    The label or the algorithm, then `,field=value` for each other swept field.
    """
    short = _short_names({c.path for point, _ in runs for c in point.swept})
    result = [_bounded(_name(point, run, short)) for point, run in runs]
    seen: dict[str, int] = {}
    for index, name in enumerate(result):
        if seen.setdefault(name.casefold(), index) != index:
            result[index] = f"{name}+{_digest(str(index) + canonical.dump(runs[index][1]))}"
    return result


def _name(point: Point, run: RunSpec, short: Mapping[str, str]) -> str:
    plain = canonical.plain(run)
    head = point.label or str(plain["agent"]["algorithm"])
    parts = [
        f"{short[change.path]}={_text(_at(plain, change.path), change.node)}"
        for change in point.swept if point.label or change.path != ALGORITHM
    ]
    return ",".join(map(_safe, [head, *parts]))


def _at(plain: Any, path: str) -> Any:
    for part in path.split("."):
        plain = plain[part]
    return plain


def _text(value: Any, node: Node) -> str:
    if isinstance(value, dict) and isinstance(node, MapNode):
        return "+".join(_text(value[key.text], child) for key, child in node.entries)
    if isinstance(value, list):
        return "+".join(_text(item, node) for item in value)
    if isinstance(value, float):
        return repr(value)
    return value if isinstance(value, str) else canonical.scalar_text(value)


def _short_names(paths: set[str]) -> dict[str, str]:
    """Return for each path as many of its last components as tell it from the others."""
    short = {}
    for path in paths:
        parts = path.split(".")
        tails = (".".join(parts[-count:]) for count in range(1, len(parts) + 1))
        short[path] = next(
            tail for tail in tails
            if sum(f".{other}".endswith(f".{tail}") for other in paths) == 1 or tail == path
        )
    return short


def _safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._=+-]", "-", text)


def _bounded(name: str) -> str:
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 9]}+{_digest(name)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _labelled(
    node: Node | None, problems: list[Problem]
) -> Iterator[tuple[str, tuple[Change, ...]]]:
    example = "variants: {dqn: {agent.algorithm: dqn}}"
    for key, value in _entries(node, "variants", example, problems):
        path = f"variants.{key.text}"
        if key.text not in LABEL:
            problems.append(key.where.problem(path, f"must be {LABEL}, got {key.text!r}"))
        elif not isinstance(value, MapNode):
            problems.append(value.where.problem(
                path, f"expected a mapping from paths to values, got {value}; write {example}"))
        else:
            yield key.text, tuple(_changes(value, path, problems))


def _axes(node: Node | None, problems: list[Problem]) -> Iterator[tuple[Change, ...]]:
    example = "sweep: {agent.gamma: [0.9, 0.99]}"
    if not isinstance(node, MapNode):
        list(_entries(node, "sweep", example, problems))
        return
    for change in _changes(node, "sweep", problems):
        path = f"sweep.{change.path}"
        if not isinstance(change.node, ListNode) or not change.node.items:
            problems.append(change.node.where.problem(
                path, f"expected a list of values such as [0.9, 0.99], got {change.node}"))
            continue
        items = change.node.items
        texts = list(map(shown, items))
        first = {text: index for index, text in reversed(list(enumerate(texts)))}
        problems.extend(
            item.where.problem(path, f"{item} is listed twice; remove one")
            for index, item in enumerate(items) if first[texts[index]] != index
        )
        yield tuple(Change(change.key, change.path, item) for item in items)


def _changes(node: MapNode, path: str, problems: list[Problem]) -> Iterator[Change]:
    """Yield what `section.field: value` and `section: {field: value}` set."""
    seen: list[str] = []
    for key, value in node.entries:
        is_section = isinstance(value, MapNode) and "." not in key.text
        inner = value.entries if is_section and isinstance(value, MapNode) else ((None, value),)
        for below, child in inner:
            name = f"{key.text}.{below.text}" if below else key.text
            where = (below or key).where
            section = name.partition(".")[0]
            if section not in _SECTIONS and section not in _FIXED:
                problems.append(where.problem(
                    f"{path}.{name}", messages.unknown_key(section, _SECTIONS, None)))
            elif section in _FIXED:
                problems.append(where.problem(f"{path}.{name}", "cannot differ between variants"))
            elif any(overlap(name, other) for other in seen):
                problems.append(where.problem(f"{path}.{name}", "already set above; remove one"))
            elif not all(name.split(".")):
                problems.append(where.problem(path, f"expected a dotted path, got {name!r}"))
            else:
                seen.append(name)
                yield Change(where, name, child)


def _entries(
    node: Node | None, path: str, example: str, problems: list[Problem]
) -> tuple[tuple[ScalarNode, Node], ...]:
    if node is None:
        return ()
    if isinstance(node, MapNode):
        return node.entries
    problems.append(node.where.problem(path, f"expected entries such as {example}, got {node}"))
    return ()
