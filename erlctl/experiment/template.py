"""A commented spec: what is set stands there, every other field behind a `#` with its default."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Collection, Iterator, Mapping
from typing import Any, get_args

from erlctl import registry
from erlctl.experiment.fields import choice_of, facts_of, one_line
from erlctl.experiment.presets import Settings
from erlctl.fields import Options
from erlctl.spec import canonical
from erlctl.spec.load import OF_ONE_RUN, SPANNING
from erlctl.spec.reader import default_of, hints_of
from erlctl.spec.schema import RunSpec

SCHEMA_FILE = "erlctl-schema.json"
_WIDTH, _COLUMN = 110, 44
_RULE = "A line that begins with `#name:` holds a default: remove the `#` to change it."


def write(settings: Settings, name: str, about: Collection[str], left_out: Collection[str]) -> str:
    """Return a spec file as text.

    Args:
        settings: What is set, with `environment.id` and `agent.algorithm`.
        name: Of the experiment.
        about: Paragraphs that stand at the top.
        left_out: Sections that are not set, and dotted paths of fields, that have no use here.
    """
    lines = [f"# yaml-language-server: $schema={SCHEMA_FILE}"]
    for paragraph in (*about, _RULE):
        lines += textwrap.wrap(paragraph, _WIDTH, initial_indent="# ", subsequent_indent="# ")
    for field, facts in zip(dataclasses.fields(RunSpec), facts_of(
        dataclasses.fields(RunSpec), RunSpec), strict=True):
        if field.name in settings:
            lines += _section(field, settings[field.name], left_out)
        elif field.name not in (*OF_ONE_RUN, *left_out):
            value = name if field.name == "name" else facts["default"]
            lines += _line(f"{field.name}: {canonical.flow_text(value)}", facts["meaning"], "")
    lines += _line("seeds: 3", SPANNING["seeds"], "")
    lines += _line("#sweep: {agent.gamma: [0.95, 0.99]}", SPANNING["sweep"], "")
    return "".join(f"{line}\n" for line in lines)


def _section(
    field: dataclasses.Field[Any], given: Mapping[str, Any], left_out: Collection[str]
) -> Iterator[str]:
    hint = hints_of(RunSpec)[field.name]
    cls = get_args(hint)[0] if get_args(hint) else hint
    yield f"{field.name}:"
    if choice := choice_of(hint):
        entries = registry.all_of(choice.kind)
        name = given.get(choice.key) or default_of(field).registered_name
        cls = entries[name]
        meaning = getattr(cls, "summary", None) or f"One of: {', '.join(entries)}."
        yield from _line(f"{choice.key}: {name}", meaning, "  ")
    yield from _fields(cls, given, [path.removeprefix(f"{field.name}.") for path in left_out])


def _fields(
    cls: type[Options], given: Mapping[str, Any], left_out: Collection[str]
) -> Iterator[str]:
    for facts in facts_of(dataclasses.fields(cls), cls):
        name = facts["field"]
        if name in left_out:
            continue
        # What an equation has a letter for is always shown as set: it is what people vary.
        mark = "" if name in given or facts["letter"] else "#"
        default = "{}" if facts["type"] == "section" else one_line(facts["default"])
        value = canonical.flow_text(given[name]) if name in given else default
        notes = "; ".join(filter(None, (facts["domain"], facts["unit"])))
        yield from _line(
            f"{mark}{name}: {value}", facts["meaning"] + (f" ({notes})" if notes else ""), "  ")


def _line(setting: str, comment: str, indent: str) -> Iterator[str]:
    """Yield a setting with its comment beside it, or above where the setting is long."""
    setting = indent + setting
    if len(setting) > _COLUMN - 2:
        head = f"{indent}# "
        yield from textwrap.wrap(comment, _WIDTH, initial_indent=head, subsequent_indent=head)
        yield setting
        return
    first, *others = textwrap.wrap(comment, _WIDTH - _COLUMN)
    yield f"{setting:<{_COLUMN - 2}}# {first}"
    yield from (f"{' ' * (_COLUMN - 2)}# {other}" for other in others)
