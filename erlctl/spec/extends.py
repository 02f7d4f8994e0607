"""`extends: other.yaml`: a spec that says only what differs from another.

The sections of both files are merged key by key, one level deep; anything else that both have is
taken from the extending file. Nodes keep their places, so that messages name the right file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from erlctl.errors import Problem, SpecError
from erlctl.spec.nodes import MapNode, ScalarNode
from erlctl.spec.parser import parse
from erlctl.spec.source import STDIN, read_bytes, source_name

KEY = "extends"
MAX_FILES = 5


def parse_extended(
    path: str | Path, problems: list[Problem], below: Sequence[Path] = ()
) -> MapNode:
    """Return the mapping of a spec file, merged into that of the file that it extends.

    Args:
        path: The file; `-` is standard input, whose relative paths start at the working directory.
        problems: Takes mistakes that do not stop the reading.
        below: The files that extend this one.

    Raises:
        SpecError: A file cannot be read or holds no mapping, or files extend one another in a
            circle or through more than `MAX_FILES`.
    """
    tree = parse(read_bytes(path), source_name(path), problems)
    named = tree.get(KEY)
    if named is None:
        return tree
    here = Path() if str(path) == STDIN else Path(path).parent
    chain = [*below, Path(path).resolve()]
    if not isinstance(named, ScalarNode) or not isinstance(named.value, str):
        raise SpecError([named.where.problem(KEY, f"expected a spec's path, got {named}")])
    if (base := here / named.text).resolve() in chain:
        raise SpecError([named.where.problem(KEY, f"{named.text} extends this file itself")])
    if len(chain) >= MAX_FILES:
        raise SpecError([named.where.problem(
            KEY, f"more than {MAX_FILES} files extend one another; write some into one")])
    return merged(parse_extended(base, problems, chain), tree.without(KEY))


def merged(base: MapNode, tree: MapNode) -> MapNode:
    """Return `base` with the entries of `tree`; mappings that both have are merged key by key."""
    for key, value in tree.entries:
        known = base.get(key.text)
        if isinstance(known, MapNode) and isinstance(value, MapNode):
            for name, entry in value.entries:
                known = known.with_entry(name, entry)
            value = MapNode(value.where, known.entries)
        base = base.with_entry(key, value)
    return base
