"""Documented, checked fields of frozen dataclasses: one declaration serves reader, help and errors.

    @dataclass(frozen=True, kw_only=True)
    class Dpp(Options):
        temperature: float = option(1.0, "Temperature of the operator.", domain=POSITIVE)
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from erlctl.errors import DomainError


@dataclass(frozen=True)
class Interval:
    """A set of real numbers between two ends; not-a-number and infinities are never inside."""

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, (int, float)) or not math.isfinite(value):
            return False
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return above and below

    def __str__(self) -> str:
        if self.low == -math.inf and self.high == math.inf:
            return "a finite number"
        if self.high == math.inf:
            return f"greater than {self.low:g}" if self.open_low else f"at least {self.low:g}"
        if self.low == -math.inf:
            return f"less than {self.high:g}" if self.open_high else f"at most {self.high:g}"
        return f"in {'(' if self.open_low else '['}{self.low:g}, {self.high:g}{')' if self.open_high else ']'}"


FINITE = Interval()
POSITIVE = Interval(low=0.0, open_low=True)
NON_NEGATIVE = Interval(low=0.0)
NON_POSITIVE = Interval(high=0.0)
AT_LEAST_ONE = Interval(low=1)
UNIT = Interval(0.0, 1.0)
UNIT_OPEN_LOW = Interval(0.0, 1.0, open_low=True)
UNIT_OPEN_HIGH = Interval(0.0, 1.0, open_high=True)


def option(
    default: Any = dataclasses.MISSING,  # noqa: ANN401 - a field of any type
    doc: str = "",
    *,
    domain: Interval | None = None,
    letter: str = "",
    unit: str = "",
    factory: Any = dataclasses.MISSING,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Return a dataclass field that knows its meaning.

    Args:
        default: Default value; without one the field must be given.
        doc: One sentence for help texts.
        domain: Allowed numbers; applies to a number, to both ends of a `Schedule` and to every
            entry of a tuple of numbers. None (where the type allows it) is never checked.
        letter: The papers' letter, for the symbol table.
        unit: Unit, for help texts.
        factory: As in `dataclasses.field`.
    """
    metadata = {"doc": doc, "domain": domain, "letter": letter, "unit": unit}
    if factory is not dataclasses.MISSING:
        return dataclasses.field(default_factory=factory, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Schedule:
    """A number that moves linearly with the environment step and then stays.

    value(step) = start + (end - start) * min(step / steps, 1).

    Attributes:
        start: Value at step 0.
        end: Value from step `steps` on.
        steps: Environment steps from start to end, at least 1; a plain number in a spec is a
            schedule with start = end.
    """

    start: float
    end: float
    steps: int = 1

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise DomainError("steps", self.steps, "at least 1")

    @classmethod
    def constant(cls, value: float) -> Schedule:
        """Return the schedule that is always `value`."""
        return cls(float(value), float(value), 1)

    @property
    def is_constant(self) -> bool:
        """Whether the value never moves."""
        return self.start == self.end

    def value(self, step: float) -> float:
        """Return the value at environment step `step`."""
        return self.start + (self.end - self.start) * min(step / self.steps, 1.0)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Base of every section: numbers are checked where the object is made."""

    def __post_init__(self) -> None:
        for name, message in domain_problems(self):
            raise DomainError(name, getattr(self, name), message)
        for name, message in self.conflicts():
            raise DomainError(name, getattr(self, name), message)

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Yield (field, what it must be) for settings that are fine alone but not together."""
        return iter(())

    def warnings(self) -> Iterator[str]:
        """Yield sentences about settings that are allowed but probably not meant."""
        return iter(())


def domain_problems(options: Options) -> Iterator[tuple[str, str]]:
    """Yield (field name, expected) for every field whose value lies outside its domain."""
    for field in dataclasses.fields(options):
        domain = field.metadata.get("domain")
        value = getattr(options, field.name)
        if domain is None or value is None:
            continue
        numbers = (
            (value.start, value.end) if isinstance(value, Schedule)
            else value if isinstance(value, tuple) else (value,)
        )
        if not all(number in domain for number in numbers):
            yield field.name, str(domain)
