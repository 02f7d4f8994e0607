"""`erlctl algorithms` says what the declarations say."""

import json

import pytest

from erlctl import registry
from tests.cli.helpers import erlctl as run


def document(*args):
    return json.loads(run("algorithms", *args, "--format", "json").out)


def test_every_algorithm_has_one_line():
    lines = run("algorithms").out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(registry.all_of("algorithm"))


def test_the_list_shows_the_fields_that_are_an_algorithms_own():
    rows = {row["algorithm"]: row for row in document()["rows"]}
    assert rows["dqn"]["defaults"] == {}
    assert rows["munchausen_dqn"] == {
        "algorithm": "munchausen_dqn", "base": "regularised_dqn", "actions": "discrete",
        "summary": registry.get("algorithm", "munchausen_dqn").summary,
        "defaults": {"temperature": 0.03, "alpha": 0.9, "log_policy_clip": -1.0},
    }
    of_dpp = ["form", "operator", "temperature", "log_policy_clip"]
    assert [*rows["factorial_dpp"]["defaults"]] == of_dpp
    assert [*rows["kernel_dpp"]["defaults"]] == [*of_dpp, "ridge"]


def test_one_algorithm_is_explained():
    result = run("algorithms", "munchausen_dqn").out
    for words in ("munchausen_dqn: ", "\nEquation\n  y = r + alpha", "arXiv:2007.14430",
                  "soft_dqn with alpha = 0", "tau", "units of return", "greater than 0",
                  "number or null", "{start: 1.0, end: 0.01, steps: 10000}"):
        assert words in result


def test_fields_come_from_the_metadata():
    fields = {field["field"]: field for field in document("munchausen_dqn")["fields"]}
    assert fields["temperature"] == {
        "field": "temperature", "default": 0.03, "type": "number", "domain": "greater than 0",
        "letter": "tau", "unit": "units of return",
        "meaning": "Temperature of the policy softmax(q / t).",
    }
    assert fields["loss"]["type"] == "huber | squared"
    assert fields["collect_policy"]["default"]["type"] == "epsilon_greedy"


@pytest.mark.parametrize("name", list(registry.all_of("algorithm")))
def test_every_algorithm_can_be_explained(name):
    assert run("algorithms", name).code == 0
    assert document(name)["algorithm"] == name


def test_an_unknown_algorithm_names_the_nearest():
    result = run("algorithms", "dpn")
    assert result.code == 2
    assert result.out == ""
    assert "unknown algorithm 'dpn'; did you mean 'dqn'?" in result.err
