"""What the resolved specs of runs say, flat, and where they differ. Reads spec.yaml, no schema."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from erlctl.analysis.data import Run
from erlctl.analysis.numbers import natural
from erlctl.errors import SpecError
from erlctl.files import read_regular
from erlctl.spec.nodes import ListNode, MapNode, Node, ScalarNode

_OWN_TO_A_RUN = re.compile(r"^seed:.*\n?", re.MULTILINE)
_MAX_BYTES = 2**20
NAMES = frozenset({"schema", "name", "variant", "seed", "seeds"})


def read_without_seed(path: Path) -> str:
    """Return the text of a spec without its seed, the same for all seeds; "" if unreadable."""
    try:
        return _OWN_TO_A_RUN.sub("", read_regular(path, _MAX_BYTES).decode("utf-8", "replace"))
    except OSError:
        return ""


@functools.lru_cache(maxsize=1024)
def parse(text: str) -> Mapping[str, Any]:
    """Return the fields of a spec by dotted path; {} if it is damaged.

    A thousand runs have few different specs, hence the cache.
    """
    from erlctl.spec.parser import parse_node

    fields: dict[str, Any] = {}
    with suppress(SpecError):
        _flatten(parse_node(text, "spec.yaml", []), "", fields)
    return fields


def _flatten(node: Node | None, path: str, fields: dict[str, Any]) -> None:
    """By the rules of the spec's own reader, YAML 1.2: 1:30 is a text and not a number."""
    if isinstance(node, MapNode):
        for key, value in node.entries:
            _flatten(value, f"{path}.{key.text}" if path else key.text, fields)
    elif path:
        fields[path] = _value(node)


def _value(node: Node | None) -> Any:
    if isinstance(node, ScalarNode):
        return node.value
    return [_value(item) for item in node.items] if isinstance(node, ListNode) else str(node)


def differences(runs: Iterable[Run]) -> dict[str, dict[str, str]]:
    """Return what sets the variants apart in the same environment.

    Returns:
        Path to {variant: value as text}, only where variants differ. "several" stands where the
        runs of one variant differ among themselves, "-" where a variant has no such field.
    """
    texts: dict[str, dict[str, set[str]]] = {}  # environment -> variant -> specs
    for run in runs:
        if run.spec_text:
            texts.setdefault(run.environment, {}).setdefault(run.variant, set()).add(run.spec_text)
    variants = sorted({variant for by in texts.values() for variant in by}, key=natural)
    parsed = {text: parse(text) for by in texts.values() for some in by.values() for text in some}
    paths = sorted({path for fields in parsed.values() for path in fields} - NAMES)
    result = {}
    for path in paths:
        shown = {
            environment: {
                variant: {show(parsed[text].get(path, "-")) for text in some}
                for variant, some in by_variant.items()
            }
            for environment, by_variant in texts.items()
        }
        if any(len(set().union(*by.values())) > 1 for by in shown.values()):
            result[path] = {variant: _together(shown, variant) for variant in variants}
    return result


def _together(shown: Mapping[str, Mapping[str, set[str]]], variant: str) -> str:
    values = set().union(*(by_variant.get(variant, set()) for by_variant in shown.values()))
    return values.pop() if len(values) == 1 else "several"


def show(value: object) -> str:
    """Return a value of a spec as the user would write it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)
