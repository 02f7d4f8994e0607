"""Documented, checked fields of frozen dataclasses: one declaration serves reader, help and errors.

    @dataclass(frozen=True, kw_only=True)
    class Dpp(Options):
        temperature: float = option(1.0, "Temperature of the operator.", domain=POSITIVE)
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from erlctl.errors import DomainError


class Domain(Protocol):
    """A set of allowed values whose text completes the sentence "must be ..."."""

    def __contains__(self, value: object, /) -> bool: ...


@dataclass(frozen=True)
class Interval:
    """A set of real numbers between two ends; not-a-number and infinities are never inside."""

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def __contains__(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        if not math.isfinite(value):
            return False
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return above and below

    def __str__(self) -> str:
        if self.low == -math.inf and self.high == math.inf:
            return "a finite number"
        if self.low == self.high:
            return f"{self.low:g}"
        if self.high == math.inf:
            return f"greater than {self.low:g}" if self.open_low else f"at least {self.low:g}"
        if self.low == -math.inf:
            return f"less than {self.high:g}" if self.open_high else f"at most {self.high:g}"
        left, right = "(" if self.open_low else "[", ")" if self.open_high else "]"
        return f"in {left}{self.low:g}, {self.high:g}{right}"


@dataclass(frozen=True)
class Text:
    """The texts that a regular expression matches as a whole.

    Attributes:
        pattern: Regular expression.
        description: What it means, completing "must be ...".
    """

    pattern: str
    description: str

    def __contains__(self, value: object) -> bool:
        return isinstance(value, str) and re.fullmatch(self.pattern, value) is not None

    def __str__(self) -> str:
        return self.description


FINITE = Interval()
POSITIVE = Interval(low=0.0, open_low=True)
NON_NEGATIVE = Interval(low=0.0)
NON_POSITIVE = Interval(high=0.0)
AT_LEAST_ONE = Interval(low=1)
UNIT = Interval(0.0, 1.0)
UNIT_OPEN_LOW = Interval(0.0, 1.0, open_low=True)
UNIT_OPEN_HIGH = Interval(0.0, 1.0, open_high=True)


def option(
    default: Any = dataclasses.MISSING,
    doc: str = "",
    *,
    domain: Domain | None = None,
    letter: str = "",
    unit: str = "",
    factory: Any = dataclasses.MISSING,
) -> Any:
    """Return a dataclass field that knows its meaning.

    Args:
        default: Default value; without one the field must be given.
        doc: One sentence for help texts.
        domain: Allowed numbers or texts; applies to the value itself, to both ends of a `Schedule`
            and to every entry of a tuple. None (where the type allows it) is never checked.
        letter: The papers' letter, for the symbol table.
        unit: Unit, for help texts.
        factory: As in `dataclasses.field`.
    """
    metadata = {"doc": doc, "domain": domain, "letter": letter, "unit": unit}
    if factory is not dataclasses.MISSING:
        return dataclasses.field(default_factory=factory, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Choice:
    """Marks, in `Annotated`, a section whose class one of its keys names in a registry.

    Attributes:
        kind: Registry kind.
        key: The key of the section that names the entry.
    """

    kind: str
    key: str


class Violation(NamedTuple):
    """One value that is not allowed.

    Attributes:
        field: Field of the checked object; dotted where it belongs to a section below.
        value: What came.
        expected: What it must be.
    """

    field: str
    value: object
    expected: str


class OptionsError(DomainError):
    """An `Options` object cannot be made; holds every violation."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        first, *others = violations
        more = "; ".join(f"{v.field} must be {v.expected}, got {v.value!r}" for v in others)
        fix = f"mend these too: {more}" if more else None
        super().__init__(first.field, first.value, first.expected, fix=fix)
        self.violations = tuple(violations)


@dataclass(frozen=True)
class Schedule:
    """A number that moves linearly with the environment step and then stays.

    value(step) = start + (end - start) * min(step / steps, 1).

    Attributes:
        start: Value at step 0.
        end: Value from step `steps` on.
        steps: Environment steps from start to end, at least 1; a plain number in a spec is a
            schedule with start = end and one step.
    """

    start: float = option(doc="Value at step 0.")
    end: float = option(doc="Value from step `steps` on.")
    steps: int = option(doc="Environment steps from start to end.", domain=AT_LEAST_ONE)

    def __post_init__(self) -> None:
        if self.steps not in AT_LEAST_ONE:
            raise DomainError("steps", self.steps, str(AT_LEAST_ONE))

    @classmethod
    def constant(cls, value: float) -> Schedule:
        """Return the schedule that is always `value`."""
        return cls(float(value), float(value), 1)

    @property
    def is_constant(self) -> bool:
        """Whether the value never moves."""
        return self.start == self.end

    def changed(self, change: Callable[[float], Any]) -> Schedule:
        """Return it with `change` applied to its numbers, unchecked; a constant has one number."""
        start = change(self.start)
        schedule = copy.copy(self)
        object.__setattr__(schedule, "start", start)
        object.__setattr__(schedule, "end", start if self.is_constant else change(self.end))
        object.__setattr__(schedule, "steps", 1 if self.is_constant else change(self.steps))
        return schedule

    def value(self, step: float) -> float:
        """Return the value at environment step `step`."""
        return self.start + (self.end - self.start) * min(step / self.steps, 1.0)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Base of every section: values are checked where the object is made."""

    def __post_init__(self) -> None:
        violations = domain_violations(self) or conflict_violations(self)
        if violations:
            raise OptionsError(violations)

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Yield (field, what it must be) for settings that are fine alone but not together.

        The field may be dotted (`training.steps`) where a section below is concerned.
        """
        return iter(())

    def warnings(self) -> Iterator[str]:
        """Yield sentences about settings that are allowed but probably not meant."""
        return iter(())


def domain_violations(options: Options) -> list[Violation]:
    """Return the fields whose value lies outside its domain."""
    return [
        Violation(field.name, value, str(domain))
        for field in dataclasses.fields(options)
        if (domain := field.metadata.get("domain")) is not None
        and (value := getattr(options, field.name)) is not None
        and not all(part in domain for part in _parts(value))
    ]


def conflict_violations(options: Options) -> list[Violation]:
    """Return the settings that are not allowed together; every domain must hold already."""
    return [
        Violation(path, functools.reduce(getattr, path.split("."), options), expected)
        for path, expected in options.conflicts()
    ]


def _parts(value: object) -> tuple[object, ...]:
    """Return what a domain applies to: both ends of a schedule, every entry of a tuple."""
    if isinstance(value, Schedule):
        return (value.start, value.end)
    return value if isinstance(value, tuple) else (value,)


def change_numbers(value: Any, change: Callable[[float], Any]) -> Any:
    """Return a copy of `value` with `change` applied to every float in it, unchecked.

    Whole numbers stay as they are, apart from the length of a schedule.

    Args:
        value: A float, or a dataclass or a tuple with such; whatever else is returned.
        change: Gives what stands in a number's place.
    """
    if isinstance(value, float):
        return change(value)
    if isinstance(value, Schedule):
        return value.changed(change)
    if isinstance(value, tuple):
        return tuple(change_numbers(part, change) for part in value)
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    changed = copy.copy(value)
    for field in dataclasses.fields(value):
        part = change_numbers(getattr(value, field.name), change)
        object.__setattr__(changed, field.name, part)  # frozen, and `part` need not be a number
    return changed
