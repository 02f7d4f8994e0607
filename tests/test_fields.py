"""Fields know their domain; options are checked where they are made."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlctl import fields
from erlctl.errors import DomainError
from erlctl.fields import Interval, Options, OptionsError, Schedule, Text, option


@dataclass(frozen=True, kw_only=True)
class Below(Options):
    size: int = option(3, "Size.")


@dataclass(frozen=True, kw_only=True)
class Example(Options):
    rate: float | None = option(0.5, "Rate.", domain=fields.UNIT)
    sizes: tuple[int, ...] = option((1,), "Sizes.", domain=fields.AT_LEAST_ONE)
    moving: Schedule = option(Schedule(1.0, 0.0, 10), "Moving.", domain=fields.UNIT)
    name: str = option("a", "Name.", domain=Text("[a-z]", "a letter"))
    below: Below = option(Below(), "Below.")

    def conflicts(self) -> Iterator[tuple[str, str]]:
        if self.rate == 0.25:
            yield "rate", "something else"
            yield "below.size", "4"


@pytest.mark.parametrize(("interval", "inside", "outside", "text"), [
    (fields.FINITE, (0, -1e300), (), "a finite number"),
    (fields.POSITIVE, (1e-300, 1), (0, -1), "greater than 0"),
    (fields.NON_NEGATIVE, (0, 1), (-1e-300,), "at least 0"),
    (fields.NON_POSITIVE, (0, -1), (1e-300,), "at most 0"),
    (fields.UNIT, (0, 1, 0.5), (-0.1, 1.1), "in [0, 1]"),
    (fields.UNIT_OPEN_LOW, (0.1, 1), (0,), "in (0, 1]"),
    (fields.UNIT_OPEN_HIGH, (0, 0.9), (1,), "in [0, 1)"),
    (Interval(high=2, open_high=True), (1,), (2,), "less than 2"),
    (Interval(2, 2), (2,), (1, 3), "2"),
])
def test_an_interval_holds_its_numbers_and_says_so(interval, inside, outside, text):
    assert all(number in interval for number in inside)
    assert not any(number in interval for number in outside)
    assert str(interval) == text


@given(st.sampled_from([fields.FINITE, fields.POSITIVE, fields.UNIT, Interval(-1, 1)]))
def test_no_interval_holds_what_is_no_finite_number(interval):
    strangers = (math.nan, math.inf, -math.inf, "1", None, True, [1])
    assert not any(value in interval for value in strangers)


@pytest.mark.parametrize(("change", "message"), [
    ({"rate": 2.0}, "rate must be in [0, 1], got 2.0"),
    ({"rate": math.nan}, "rate must be in [0, 1], got nan"),
    ({"sizes": (1, 0)}, "sizes must be at least 1, got (1, 0)"),
    ({"moving": Schedule(0.0, 2.0, 1)}, "moving must be in [0, 1]"),
    ({"name": "ab"}, "name must be a letter, got 'ab'"),
    ({"rate": 0.25}, "rate must be something else, got 0.25\n  fix: mend these too: "
     "below.size must be 4, got 3"),
])
def test_options_outside_their_domain_cannot_be_made(change, message):
    with pytest.raises(DomainError) as caught:
        Example(**change)
    assert str(caught.value).startswith(message)


def test_every_violation_is_kept():
    with pytest.raises(OptionsError) as caught:
        Example(rate=2.0, sizes=(0,))
    assert [violation.field for violation in caught.value.violations] == ["rate", "sizes"]


def test_replacing_a_value_checks_again():
    with pytest.raises(DomainError):
        dataclasses.replace(Example(), rate=3.0)


def test_none_is_not_checked():
    assert Example(rate=None).rate is None


@pytest.mark.parametrize(("step", "value"), [(0, 1.0), (5, 0.6), (10, 0.2), (1000, 0.2)])
def test_a_schedule_is_linear_then_constant(step, value):
    assert Schedule(1.0, 0.2, 10).value(step) == pytest.approx(value)


@given(st.floats(-1e9, 1e9), st.integers(0, 10**12))
def test_a_constant_schedule_never_moves(value, step):
    schedule = Schedule.constant(value)
    assert schedule.is_constant
    assert schedule.value(step) == value


@pytest.mark.parametrize("steps", [0, -1, math.nan])
def test_a_schedule_takes_at_least_one_step(steps):
    with pytest.raises(DomainError, match="steps must be at least 1"):
        Schedule(1.0, 0.0, steps)
