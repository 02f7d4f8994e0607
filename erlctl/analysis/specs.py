"""What the resolved specs of runs say, flat, and where they differ. Reads spec.yaml, no schema."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from erlctl.analysis.data import Run
from erlctl.analysis.numbers import natural

_OWN_TO_A_RUN = re.compile(r"^seed:.*\n?", re.MULTILINE)
_MAX_BYTES = 2**20
_MAX_DEPTH = 16
NAMES = frozenset({"schema", "name", "variant", "seed", "seeds"})


def read_without_seed(path: Path) -> str:
    """Return the text of a spec without its seed, the same for all seeds; "" if unreadable."""
    try:
        with path.open("rb") as file:
            return _OWN_TO_A_RUN.sub("", file.read(_MAX_BYTES).decode("utf-8", "replace"))
    except OSError:
        return ""


@functools.lru_cache(maxsize=1024)
def parse(text: str) -> Mapping[str, Any]:
    """Return the fields of a spec by dotted path; {} if it is damaged.

    A thousand runs have few different specs, hence the cache.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same, ten times faster
    try:
        if not _is_shallow(yaml.parse(text, Loader=loader)):
            return {}
        document = loader(text).get_single_data()
    except (yaml.YAMLError, RecursionError, ValueError):
        return {}
    fields: dict[str, Any] = {}
    _flatten(document, "", fields, 0)
    return fields


def _is_shallow(events: Iterable[Any]) -> bool:
    """Whether a document may be built: the C loader ends the process on deep nesting."""
    depth = 0
    for event in events:
        depth += (name := type(event).__name__) in ("SequenceStartEvent", "MappingStartEvent")
        depth -= name in ("SequenceEndEvent", "MappingEndEvent")
        if depth > _MAX_DEPTH or name == "AliasEvent":  # an alias may stand for a billion values
            return False
    return True


def _flatten(node: object, path: str, fields: dict[str, Any], depth: int) -> None:
    if isinstance(node, dict) and depth < _MAX_DEPTH:
        for key, value in node.items():
            _flatten(value, f"{path}.{key}" if path else str(key), fields, depth + 1)
    elif path:
        fields[path] = node


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
