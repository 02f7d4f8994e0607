"""Values are read by declared types; each mistake says where, what came, what was expected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import pytest

from erlctl.fields import AT_LEAST_ONE, POSITIVE, UNIT, Options, Schedule, option
from erlctl.options.policies import Boltzmann, EpsilonGreedy, Greedy, PolicySection
from erlctl.spec.parser import parse
from erlctl.spec.reader import FAILED, Reader
from erlctl.spec.schema import Scalar


@dataclass(frozen=True, kw_only=True)
class Inner(Options):
    low: int = option(1, "Low.", domain=AT_LEAST_ONE)
    high: int = option(5, "High.")

    def conflicts(self) -> Iterator[tuple[str, str]]:
        if self.low > self.high:
            yield "low", f"at most high ({self.high})"


@dataclass(frozen=True, kw_only=True)
class Section(Options):
    count: int = option(3, "How many.", domain=AT_LEAST_ONE)
    rate: float = option(0.5, "Rate of it.", domain=POSITIVE)
    flag: bool = option(True, "Flag.")
    text: str = option("x", "Text.")
    maybe: float | None = option(None, "Maybe.", domain=POSITIVE)
    sizes: tuple[int, ...] = option((4,), "Sizes.", domain=AT_LEAST_ONE)
    letter: Literal["a", "beta"] = option("a", "Letter.")
    extra: Mapping[str, Scalar] = option(doc="Extra.", factory=dict)
    moving: Schedule = option(Schedule(1.0, 0.1, 10), "Moving.", domain=UNIT)
    inner: Inner = option(Inner(high=7), "Inner.")
    policy: PolicySection = option(EpsilonGreedy(epsilon=Schedule.constant(0.3)), "Policy.")


def read(text: str) -> Section:
    reader = Reader()
    section = reader.section(parse(text.encode(), "s", []), Section)
    assert not reader.problems
    assert section is not FAILED
    return section


def problems(text: str) -> list[str]:
    reader = Reader({"learning_rate": "optimizer.learning_rate"})
    reader.section(parse(text.encode(), "s", []), Section)
    return [str(problem) for problem in reader.problems]


@pytest.mark.parametrize(("text", "field", "value"), [
    ("count: 7", "count", 7),
    ("count: 0x10", "count", 16),
    ("count: 010", "count", 10),
    ("count: 1e6", "count", 1_000_000),
    ("sizes: [1e2, 2.0]", "sizes", (100, 2)),
    ("rate: 1e-3", "rate", 1e-3),
    ("rate: 2", "rate", 2.0),
    ("flag: false", "flag", False),
    ("text: on", "text", "on"),
    ("text: '3'", "text", "3"),
    ("maybe: null", "maybe", None),
    ("maybe: 2", "maybe", 2.0),
    ("sizes: []", "sizes", ()),
    ("sizes: [64, 32]", "sizes", (64, 32)),
    ("letter: beta", "letter", "beta"),
    ("extra: {a: 1, b: on, c: ~, d: 0.5, e: true}", "extra",
     {"a": 1, "b": "on", "c": None, "d": 0.5, "e": True}),
    ("moving: 0.2", "moving", Schedule.constant(0.2)),
    ("moving: {start: 1, end: 0, steps: 5}", "moving", Schedule(1.0, 0.0, 5)),
    ("inner: {low: 2}", "inner", Inner(low=2, high=7)),
    ("policy: {type: greedy}", "policy", Greedy()),
    ("policy: {type: boltzmann, temperature: 2}", "policy",
     Boltzmann(temperature=Schedule.constant(2.0))),
    ("policy: {epsilon: 0.1}", "policy", EpsilonGreedy(epsilon=Schedule.constant(0.1))),
    ("policy: {type: epsilon_greedy}", "policy", EpsilonGreedy(epsilon=Schedule.constant(0.3))),
])
def test_a_value_is_read_as_declared(text, field, value):
    result = getattr(read(text), field)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(("text", "expected"), [
    ("count: 1e300", "s:1:8: count: too large, at most 9223372036854775807"),
    ("count: .inf", "s:1:8: count: expected a whole number, got the number .inf; at most "
     "9223372036854775807"),
    ("count: 1.5", "s:1:8: count: expected a whole number, got the number 1.5"),
    ("count: 5_000", "s:1:8: count: expected a whole number, got the text '5_000'; "
     "write 5000: YAML 1.2 numbers have no separators"),
    ("count: '5'", "s:1:8: count: expected a whole number, got the text '5'; remove the quotes"),
    ("count: true", "s:1:8: count: expected a whole number, got true"),
    ("count:", "s:1:7: count: expected a whole number, got nothing (null); "
     "give a value, or remove the key to get the default"),
    ("count: [3]", "s:1:8: count: expected a whole number, got a list of 1 value; "
     "lists are expanded only under `sweep:`"),
    ("count: 0", "s:1:8: count: must be at least 1, got 0 (how many)"),
    ("count: 9223372036854775808", "s:1:8: count: too large, at most 9223372036854775807"),
    ("rate: -1e-3", "s:1:7: rate: must be greater than 0, got -1e-3 (rate of it)"),
    ("rate: .nan", "s:1:7: rate: must be finite and greater than 0, got .nan (rate of it)"),
    ("rate: .inf", "s:1:7: rate: must be finite and greater than 0, got .inf (rate of it)"),
    ("rate: fast", "s:1:7: rate: expected a number, got the text 'fast'"),
    ("flag: yes", "s:1:7: flag: expected true or false, got the text 'yes'; write true"),
    ("flag: 1", "s:1:7: flag: expected true or false, got the number 1"),
    ("text: 3", "s:1:7: text: expected a text, got the number 3; put it in quotes: \"3\""),
    ("maybe: 0", "s:1:8: maybe: must be greater than 0, got 0 (maybe)"),
    ("sizes: 64", "s:1:8: sizes: expected a list such as [64, 64], got the number 64; write [64]"),
    ("letter: beda", "s:1:9: letter: unknown choice 'beda'; did you mean 'beta'? known: a, beta"),
    ("letter: 3", "s:1:9: letter: expected one of a, beta, got the number 3; "
     "put it in quotes: \"3\""),
    ("extra: {a: [1]}", "s:1:12: extra.a: expected a plain value, got a list of 1 value"),
    ("extra: 3", "s:1:8: extra: expected a mapping `key: value`, got the number 3; "
     "write {key: 3}"),
    ("moving: 1.5", "s:1:9: moving: must be in [0, 1], got 1.5 (moving)"),
    ("moving: {start: 1, end: 2, steps: 3}",
     "s:1:25: moving.end: must be in [0, 1], got 2 (moving)"),
    ("moving: {start: 1, end: 1, steps: 0}",
     "s:1:35: moving.steps: must be at least 1, got 0 (environment steps from start to end)"),
    ("moving: {start: 1, end: 1}",
     "s:1:9: moving: missing key 'steps' (Environment steps from start to end)"),
    ("inner: 3", "s:1:8: inner: expected a mapping `key: value`, got the number 3; write {low: 3}"),
    ("inner: {low: 8}", "s:1:14: inner.low: must be at most high (7), got 8"),
    ("inner: {high: 0}", "s:1:8: inner.low: must be at most high (0), got 1"),
    ("policy: greedy", "s:1:9: policy: expected a mapping `key: value`, got the text 'greedy'; "
     "write {type: greedy}"),
    ("policy: {type: greddy}", "s:1:16: policy.type: unknown policy 'greddy'; "
     "did you mean 'greedy'? known: boltzmann, epsilon_boltzmann, epsilon_greedy, "
     "epsilon_sparsemax, greedy, sparsemax"),
    ("policy: {type: 3}", "s:1:16: policy.type: expected the name of one policy, "
     "got the number 3; put it in quotes: \"3\""),
    ("policy: {type: greedy, epsilon: 0.1}", "s:1:24: policy.epsilon: 'epsilon' is a field of "
     "epsilon_boltzmann, epsilon_greedy, epsilon_sparsemax, not of greedy; fields of greedy: none"),
    ("conut: 3", "s:1:1: conut: unknown key 'conut'; did you mean 'count'? known: count, extra, "
     "flag, inner, letter, maybe, moving, policy, rate, sizes, text"),
    ("learning_rate: 3", "s:1:1: learning_rate: unknown key 'learning_rate'; it belongs to "
     "optimizer.learning_rate; known here: count, rate, flag, text, maybe, sizes, letter, extra, "
     "moving, inner, policy"),
])
def test_a_mistake_is_reported_with_place_and_remedy(text, expected):
    assert problems(text) == [expected]


def test_every_mistake_is_reported_at_once():
    found = problems("count: 0\nrate: x\nsizes: [1, 0, 2.5]\nmoving: {start: 2, stop: 1}\n")
    assert [message.partition(": ")[2].partition(":")[0] for message in found] == [
        "count", "rate", "sizes[1]", "sizes[2]", "moving.stop", "moving.start", "moving", "moving",
    ]


def test_every_conflict_of_a_section_is_reported():
    @dataclass(frozen=True, kw_only=True)
    class Pair(Options):
        a: int = option(1)
        b: int = option(2)

        def conflicts(self) -> Iterator[tuple[str, str]]:
            yield "a", "another"
            yield "b", "another"

    reader = Reader()
    assert reader.section(parse(b"a: 1\n", "s", []), Pair) is FAILED
    assert [problem.path for problem in reader.problems] == ["a", "b"]
