"""The canonical text of a run and what follows from it: fingerprint, program key, difference."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, get_args, get_origin

from erlctl.fields import Choice, Options, Schedule, change_numbers
from erlctl.spec.nodes import Scalar, resolve
from erlctl.spec.reader import hints_of
from erlctl.spec.schema import RunSpec

# Texts that need no quotes under YAML 1.1 nor 1.2, so that any reader finds the same value.
_PLAIN_TEXT = re.compile(r"[A-Za-z_][A-Za-z0-9_./+=-]*")
_YAML_1_1_WORDS = {"y", "n", "yes", "no", "on", "off"}


def dump(run: RunSpec) -> str:
    """Return the canonical YAML of a run: every field, in the order of declaration.

    `load_run` of this text gives an equal run.
    """
    return yaml_text(plain(run))


def yaml_text(mapping: Mapping[str, Any]) -> str:
    """Return nested mappings of what `plain_value` gives as block YAML."""
    return "".join(f"{line}\n" for line in _lines(mapping, ""))


def fingerprint(run: RunSpec) -> str:
    """Return the SHA-256 of the canonical text, in hex."""
    return hashlib.sha256(dump(run).encode()).hexdigest()


def program_key(run: RunSpec) -> str:
    """Return a key that runs share if they can use one compiled program.

    They differ in the seed, in how often things are done beside training, in the number of steps
    and in the numbers that a program reads when it runs: those of the algorithm and its policies,
    and the learning rates. Of these only the kind is part of the key.
    """
    if run.agent.base == "planner":  # nothing is compiled
        return fingerprint(dataclasses.replace(run, name="any", variant="any", seed=0))
    rest = plain(run)
    for path in ("name", "variant", "seed", "agent", "evaluation", "checkpoint", "logging"):
        del rest[path]
    del rest["training"]["steps"]
    # What an algorithm makes of its fields may differ in kind where they do not.
    numbers: list[Any] = [
        run.agent, run.agent.declaration(), run.evaluation.policy, run.evaluation.episodes
    ]
    if run.optimizer.builds_itself:  # it takes its rates as it likes
        rest["steps"] = run.training.steps
        rest["rates"] = {name: value for name, value in plain(run.agent).items()
                         if name.endswith("learning_rate")}
    else:
        start, end = (rest["optimizer"].pop(f"{name}learning_rate") for name in ("", "final_"))
        numbers.append(None if end is None else Schedule(start, end, 1))
    kinds = change_numbers(tuple(numbers), kind_of_number)
    # Two packages may have classes of one name.
    names = [*_registered_names(run.agent), *_registered_names(run.evaluation)]
    return hashlib.sha256(f"{yaml_text(rest)}{kinds}{names}".encode()).hexdigest()


def _registered_names(options: Options) -> Iterator[str]:
    """Yield the names in the registry of `options` and of what is in it."""
    yield getattr(options, "registered_name", "")
    for field in dataclasses.fields(options):
        part = getattr(options, field.name)
        if isinstance(part, Options):
            yield from _registered_names(part)


def kind_of_number(number: float) -> str:
    """Return how a number stands to 0 and 1, which programs may depend on."""
    if number in (0, 1):
        return str(int(number))
    return "below 0" if number < 0 else "in (0, 1)" if number < 1 else "above 1"


def diff(a: RunSpec, b: RunSpec, a_name: str = "before", b_name: str = "after") -> str:
    """Return the unified difference of two canonical texts, "" if they are equal."""
    return "".join(difflib.unified_diff(
        dump(a).splitlines(keepends=True), dump(b).splitlines(keepends=True),
        a_name, b_name, n=1,
    ))


def plain(options: Options) -> dict[str, Any]:
    """Return an object as nested dictionaries, lists and scalars, as a spec would hold it."""
    hints = hints_of(type(options))
    return {name: plain_value(getattr(options, name), hint) for name, hint in hints.items()}


def plain_value(value: Any, hint: Any) -> Any:
    """Return a field's value, declared as `hint`, as a spec would hold it."""
    members = get_args(hint)
    if isinstance(value, Options):
        choice = _choice(hint)
        head = {choice.key: value.registered_name} if choice else {}  # type: ignore[attr-defined]
        return {**head, **plain(value)}
    if isinstance(value, Schedule):
        is_number = value == Schedule.constant(value.start)
        return float(value.start) if is_number else {
            "start": float(value.start), "end": float(value.end), "steps": value.steps,
        }
    if isinstance(value, tuple):
        return [plain_value(item, members[0]) for item in value]
    if isinstance(value, Mapping):
        return {key: value[key] for key in sorted(value)}
    is_float = float in (hint, *members) and int not in members
    return float(value) if is_float and type(value) is int else value


def _choice(hint: Any) -> Choice | None:
    if get_origin(hint) is Annotated:
        return next(mark for mark in get_args(hint) if isinstance(mark, Choice))
    found = map(_choice, get_args(hint))
    return next((choice for choice in found if choice), None)


def _lines(mapping: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, value in mapping.items():
        if isinstance(value, dict) and value:
            yield f"{indent}{scalar_text(key)}:"
            yield from _lines(value, indent + "  ")
        else:
            yield f"{indent}{scalar_text(key)}: {flow_text(value)}"


def flow_text(value: Any) -> str:
    """Return a value of `plain_value` on one line of YAML."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{scalar_text(k)}: {flow_text(v)}' for k, v in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(flow_text, value))}]"
    return scalar_text(value)


def scalar_text(value: Scalar) -> str:
    """Return a scalar as YAML that reads back as the same value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return _float_text(value)
    if isinstance(value, int):
        return str(value)
    is_plain = _PLAIN_TEXT.fullmatch(value) and isinstance(resolve(value), str)
    return value if is_plain and value.lower() not in _YAML_1_1_WORDS else _quoted(value)


def _float_text(value: float) -> str:
    text = repr(value)
    if text in ("inf", "-inf", "nan"):
        return text.replace("inf", ".inf").replace("nan", ".nan")
    # With a point, so that YAML 1.1 readers see a float as well.
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa}.0e{exponent}" if e and "." not in mantissa else text


def _quoted(text: str) -> str:
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if " " <= character <= "~":
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
