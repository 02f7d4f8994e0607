"""Seeds: `10` is 0..9, `[0, 7, 8]` and "0-4,10" say it themselves; in a file as in --seeds."""

from __future__ import annotations

import re

from erlctl.errors import Problem
from erlctl.spec.nodes import MAX_INT, ListNode, Node, ScalarNode

MAX_SEEDS = 10_000
EXPECTED = "a number of seeds (10 = seeds 0 to 9), a list such as [0, 7, 8], or a text as 0-4,10"
_RANGE = re.compile(r"([0-9]{1,19})(?:-([0-9]{1,19}))?")


def read_seeds(node: Node, path: str, problems: list[Problem]) -> tuple[int, ...]:
    """Return the seeds that a node means; () after a problem was added.

    Args:
        node: A number, a list or a text of ranges.
        path: Path for messages.
        problems: Takes what is wrong.
    """
    try:
        return _checked(_seeds_of(node))
    except ValueError as error:
        problems.append(node.where.problem(path, str(error)))
        return ()


def _seeds_of(node: Node) -> list[int]:
    if isinstance(node, ListNode):
        return [seed for item in node.items for seed in _item(item)]
    value = node.value if isinstance(node, ScalarNode) else None
    if type(value) is int:
        if not 1 <= value <= MAX_SEEDS:
            raise ValueError(f"must be 1 to {MAX_SEEDS} seeds, got {node} (seed 0 alone is 0-0)")
        return list(range(value))
    if isinstance(value, str):
        return [seed for part in value.split(",") if part.strip() for seed in _range(part.strip())]
    raise ValueError(f"expected {EXPECTED}, got {node}")


def _item(node: Node) -> list[int]:
    value = node.value if isinstance(node, ScalarNode) else None
    if type(value) is int and 0 <= value <= MAX_INT:
        return [value]
    if isinstance(value, str):
        return _range(value)
    raise ValueError(f"expected a seed, a whole number of at least 0, got {node}")


def _range(text: str) -> list[int]:
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ValueError(f"expected {EXPECTED}, got the text {text!r}")
    first, last = int(match[1]), int(match[2] or match[1])
    if last < first:
        raise ValueError(f"the range {text} is empty: write {last}-{first}")
    if last - first >= MAX_SEEDS or last > MAX_INT:
        raise ValueError(f"the range {text} is too large: at most {MAX_SEEDS} seeds")
    return list(range(first, last + 1))


def _checked(seeds: list[int]) -> tuple[int, ...]:
    if not seeds:
        raise ValueError(f"no seeds; expected {EXPECTED}")
    if len(seeds) > MAX_SEEDS:
        raise ValueError(f"{len(seeds)} seeds are too many: at most {MAX_SEEDS}")
    if len(set(seeds)) < len(seeds):
        twice = next(seed for seed in seeds if seeds.count(seed) > 1)
        raise ValueError(f"seed {twice} is listed twice; remove one")
    return tuple(seeds)
