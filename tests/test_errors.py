"""Errors say where, what and how to mend, and each class has its exit code."""


import pytest

from erlctl import errors
from erlctl.errors import Problem


@pytest.mark.parametrize(("error", "code"), [
    (errors.ErlctlError("x"), 1), (errors.SpecError([]), 2), (errors.DomainError("a", 1, "2"), 2),
    (errors.UnknownNameError("kind", "a", ["b"]), 2), (errors.SpecChangedError("x"), 2),
    (errors.SomeRunsFailedError("x"), 3), (errors.DivergedError("x"), 4),
    (errors.DamagedError("x"), 5), (errors.RunBusyError("x"), 6),
])
def test_each_error_has_its_exit_code(error, code):
    assert isinstance(error, errors.ErlctlError)
    assert error.exit_code == code


def test_the_remedy_stands_on_a_line_of_its_own():
    assert str(errors.ErlctlError("broken", fix="mend it")) == "broken\n  fix: mend it"


def test_a_domain_error_says_what_came_and_what_was_expected():
    assert str(errors.DomainError("gamma", 2.0, "in [0, 1]")) == "gamma must be in [0, 1], got 2.0"


@pytest.mark.parametrize(("problem", "text"), [
    (Problem("a.yaml", 3, 7, "agent.gamma", "wrong"), "a.yaml:3:7: agent.gamma: wrong"),
    (Problem("a.yaml", 3, 7, "", "wrong"), "a.yaml:3:7: wrong"),
    (Problem("--set[2]", 0, 0, "agent.gamma", "wrong"), "--set[2]: agent.gamma: wrong"),
])
def test_a_problem_names_its_place(problem, text):
    assert str(problem) == text


def test_problems_are_sorted_counted_and_listed_once():
    late, early = Problem("a", 10, 1, "", "late"), Problem("a", 9, 1, "", "early")
    assert str(errors.SpecError([late, early, late])) == (
        "a:9:1: early\na:10:1: late\n2 problems, nothing was started."
    )
    assert str(errors.SpecError([late])).endswith("\n1 problem, nothing was started.")


def test_a_flood_of_problems_is_cut_short():
    text = str(errors.SpecError(Problem("a", line, 1, "", "x") for line in range(1, 1001)))
    assert len(text.splitlines()) == errors.MAX_SHOWN + 2
    assert "... and 950 more\n1000 problems" in text


@pytest.mark.parametrize(("name", "guess"), [
    ("gama", "gamma"), ("gamma", "gamma"), ("xyz", None), ("", None),
])
def test_the_nearest_name_is_near(name, guess):
    assert errors.nearest(name, ["gamma", "alpha"]) == guess


def test_an_unknown_name_lists_the_known_ones():
    assert errors.unknown_name("key", "gama", ["gamma", "alpha"]) == (
        "unknown key 'gama'; did you mean 'gamma'? known: alpha, gamma"
    )
    assert errors.unknown_name("key", "xyz", ["gamma"]) == "unknown key 'xyz'; known: gamma"
