"""Plain scalars follow YAML 1.2's core schema; trees are changed without touching the original."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlctl.errors import SpecError
from erlctl.spec.nodes import MapNode, ScalarNode, Where, places, resolve, with_value

HERE = Where("here", 1, 1)


@pytest.mark.parametrize(("text", "value"), [
    ("1e-3", 1e-3), ("1E5", 1e5), ("1.", 1.0), (".5", 0.5), ("-2.5e+3", -2500.0), ("010", 10),
    ("+7", 7), ("-0", 0), ("0o10", 8), ("0x1F", 31), (".inf", math.inf), ("-.Inf", -math.inf),
    ("true", True), ("False", False), ("", None), ("~", None), ("null", None), ("NULL", None),
])
def test_a_plain_scalar_of_the_core_schema_has_its_value(text, value):
    assert resolve(text) == value
    assert type(resolve(text)) is type(value)


@pytest.mark.parametrize("text", [
    "on", "yes", "no", "off", "y", "1_000", "1:30", "2020-01-01", "0b1", "1e", "e5", ".", "-",
    "inf", "nan", "nUll", "tRue", "0o8", "-0x1", "1,5", "a b",
])
def test_what_only_yaml_1_1_resolves_is_a_text(text):
    assert resolve(text) == text


def test_not_a_number_is_a_float():
    assert math.isnan(resolve(".nan"))


def test_a_number_with_more_digits_than_python_reads_is_infinite():
    assert resolve("9" * 5000) == math.inf
    assert resolve("-" + "9" * 5000) == -math.inf


@given(st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_as_python_writes_them_are_read_back(number):
    assert resolve(repr(number)) == number


def test_quotes_make_a_text():
    assert ScalarNode(HERE, "3", quoted=True).value == "3"
    assert str(ScalarNode(HERE, "3", quoted=True)) == "the text '3'"
    assert str(ScalarNode(HERE, "3")) == "the number 3"


def test_with_value_makes_the_mappings_on_the_way_and_keeps_the_rest():
    tree = with_value(MapNode(HERE), "a.b.c", HERE, ScalarNode(HERE, "1"))
    more = with_value(tree, "a.d", HERE, ScalarNode(HERE, "2"))
    assert list(more.get("a").keys) == ["b", "d"]
    assert list(tree.get("a").keys) == ["b"]


def test_with_value_refuses_a_path_through_a_scalar():
    tree = with_value(MapNode(HERE), "a.b", HERE, ScalarNode(HERE, "1"))
    with pytest.raises(SpecError, match=r"a\.b is the number 1, not a mapping"):
        with_value(tree, "a.b.c", HERE, ScalarNode(HERE, "2"))


def test_places_are_those_of_keys_and_values():
    tree = with_value(MapNode(HERE), "a.b", Where("k"), ScalarNode(Where("v"), "1"))
    assert set(places(tree)) == {HERE, Where("k"), Where("v")}
