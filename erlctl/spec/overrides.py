"""`--set PATH=VALUE`: changes of the node tree before anything is validated.

A value is YAML by the same rules as in the file: `--set network.hidden=[64, 64]`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from erlctl.errors import Problem, SpecError
from erlctl.spec.nodes import MapNode, Node, ScalarNode, Where, with_value
from erlctl.spec.parser import parse_node

_PATH = re.compile(r"[^\s.=]+(\.[^\s.=]+)*")


@dataclass(frozen=True)
class Override:
    """One `--set`.

    Attributes:
        where: `--set[2]` for the second.
        path: Dotted path.
        node: New value.
    """

    where: Where
    path: str
    node: Node


def parse_overrides(
    texts: Sequence[str], problems: list[Problem], source: str = "--set",
    form: str = "PATH=VALUE such as agent.gamma=0.95",
) -> list[Override]:
    """Return the overrides that are well formed; the others are added to `problems`.

    Args:
        texts: The overrides.
        problems: Takes what is wrong.
        source: The option that they were given with.
        form: What messages say that it takes.
    """
    overrides: list[Override] = []
    for index, text in enumerate(texts, start=1):
        override = _parse(text, Where(f"{source}[{index}]"), problems, form)
        if override is None:
            continue
        earlier = next((o for o in overrides if overlap(o.path, override.path)), None)
        if earlier is not None:
            problems.append(override.where.problem(
                override.path, f"already set by {earlier.where.source} ({earlier.path}); "
                "remove one of them"))
        else:
            overrides.append(override)
    return overrides


def apply(tree: MapNode, overrides: Iterable[Override], problems: list[Problem]) -> MapNode:
    """Return the tree with every override in its place.

    Below `sweep` and below a label of `variants` the rest of the path is one dotted key, as in a
    file.
    """
    for override in overrides:
        try:
            tree = _apply(tree, override)
        except SpecError as error:
            problems.extend(error.problems)
    return tree


def overlap(a: str, b: str) -> bool:
    """Return whether two dotted paths are equal or one lies below the other."""
    return f"{a}.".startswith(f"{b}.") or f"{b}.".startswith(f"{a}.")


def _parse(text: str, where: Where, problems: list[Problem], form: str) -> Override | None:
    path, equals, value = text.partition("=")
    path = path.strip()
    if not equals or not _PATH.fullmatch(path):
        problems.append(where.problem("", f"expected {form}, got {text!r}"))
        return None
    duplicates: list[Problem] = []
    try:
        node = parse_node(value, where.source, duplicates, has_lines=False)
    except SpecError as error:
        problems.extend(where.problem(path, problem.message) for problem in error.problems)
        return None
    problems.extend(where.problem(f"{path}.{p.path}", p.message) for p in duplicates)
    return Override(where, path, node or ScalarNode(where, ""))


def _apply(tree: MapNode, override: Override) -> MapNode:
    where, node = override.where, override.node
    parts = override.path.split(".")
    depth = {"sweep": 1, "variants": 2}.get(parts[0], 0)
    if depth == 0 or len(parts) <= depth:
        return with_value(tree, override.path, where, node)
    container_path, key = ".".join(parts[:depth]), ".".join(parts[depth:])
    container: Node | None = tree
    for part in parts[:depth]:
        container = container.get(part) if isinstance(container, MapNode) else None
    container = MapNode(where) if container is None else container
    if not isinstance(container, MapNode):
        raise SpecError([where.problem(
            override.path, f"{container_path} is {container}, not a mapping: it has no keys")])
    entry = container.with_entry(ScalarNode(where, key, quoted=True), node)
    return with_value(tree, container_path, where, entry)
