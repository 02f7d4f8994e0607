"""`erlctl validate` lists runs or every mistake of every file."""

import json
from pathlib import Path

import pytest

from tests.cli.helpers import erlctl as run
from tests.spec.conftest import BASE


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("good.yaml").write_text(BASE + "seeds: 2\nsweep: {agent.gamma: [0.5, 0.9]}\n")
    Path("bad.yaml").write_text(BASE + "trainig: {}\n")


def test_the_runs_are_listed_on_stdout_and_counted_on_stderr():
    result = run("validate", "good.yaml")
    assert result.code == 0
    assert [line.split() for line in result.out.splitlines()] == [
        ["source", "name", "variant", "seed", "environment", "backend", "steps"],
        ["good.yaml", "test", "dqn,gamma=0.5", "0", "CartPole-v1", "compiled", "50000"],
        ["good.yaml", "test", "dqn,gamma=0.5", "1", "CartPole-v1", "compiled", "50000"],
        ["good.yaml", "test", "dqn,gamma=0.9", "0", "CartPole-v1", "compiled", "50000"],
        ["good.yaml", "test", "dqn,gamma=0.9", "1", "CartPole-v1", "compiled", "50000"],
    ]
    assert result.err == "4 runs, no problems\n"


def test_json_is_one_document_with_a_schema():
    document = json.loads(run("validate", "good.yaml", "--format", "json", "--seeds", "7-7").out)
    assert document["schema"] == 1
    assert [row["seed"] for row in document["rows"]] == [7, 7]


def test_mistakes_of_all_files_are_reported_and_nothing_is_listed():
    result = run("validate", "good.yaml", "bad.yaml", "missing.yaml", "--set", "training.steps=0")
    assert (result.code, result.out) == (2, "")
    lines = result.err.splitlines()
    assert lines[0].startswith("--set[1]: training.steps: ")
    assert lines[1].startswith("bad.yaml:4:1: trainig: unknown key")
    assert lines[2] == "missing.yaml: no such file"
    assert lines[3:] == ["3 problems, nothing was started."]


def test_warnings_go_to_stderr():
    result = run("validate", "good.yaml", "--set", "training.steps=10")
    assert result.code == 0
    assert "good.yaml: warning: training.learning_starts (1000) is more than" in result.err


def test_an_unknown_environment_is_refused_with_its_place():
    result = run("validate", "good.yaml", "--set", "environment.id=CartPol-v1")
    assert result.code == 2
    assert "--set[1]: environment.id: unknown environment 'CartPol-v1'; did you" in result.err


def test_an_unknown_argument_of_an_environment_is_refused():
    result = run("validate", "good.yaml", "--set", "environment.kwargs={time_limits: 3}")
    assert result.code == 2
    assert "environment.kwargs.time_limits: unknown key 'time_limits'; did you mean" in result.err


@pytest.mark.parametrize("environment", [
    "{id: FrozenLake-v1, backend: gym}", "{id: FrozenLake-v1}",
    "{id: 'mine:Pole', backend: python}",
])
def test_environments_that_are_not_compiled_are_looked_up_where_they_live(environment):
    result = run("validate", "good.yaml", "--set", f"environment={environment}")
    assert result.code == 0
    assert ("add --trust" in result.err) == ("mine" in environment)


def test_an_environment_that_gym_does_not_have_is_refused():
    result = run("validate", "good.yaml", "--set", "environment={id: CartPol-v1, backend: gym}")
    assert result.code == 2
    assert "environment.id: unknown gym environment 'CartPol-v1'; did you mean 'CartP" in result.err


@pytest.mark.parametrize(("setting", "remedy"), [
    ("wrappers={time_limit: 9}", "write it as environment.kwargs.time_limit"),
    ("wrappers={frame_stack: 2}", "write `backend: gym`"),
    ("vectorise=subprocess", "remove it"),
])
def test_compiled_environments_refuse_what_only_host_environments_have(setting, remedy):
    result = run("validate", "good.yaml", "--set", f"environment.{setting}")
    assert result.code == 2
    assert remedy in result.err
