"""`erlctl eval`: what was played is printed, whatever becomes of the film."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from erlctl import registry
from erlctl.errors import ErlctlError, SpecError
from erlctl.experiment import resolve
from erlctl.runs.evaluate import elsewhere
from erlctl.spec.canonical import dump
from erlctl.spec.load import parse_run
from erlctl.spec.schema import EnvironmentSection, RunSpec
from tests.cli.helpers import erlctl


@pytest.mark.parametrize("error", [
    ErlctlError("no pictures"), PermissionError(13, "Permission denied"),
])
def test_f37_a_film_that_cannot_be_drawn_costs_no_evaluation(tmp_path, monkeypatch, error):
    from erlctl.cli import eval as command
    from erlctl.runs import evaluate

    class Player:
        def __init__(self, make_program):
            pass

        def close(self):
            pass

        def play(self, *args, **kwargs):
            run = SimpleNamespace(environment=SimpleNamespace(id="CartPole-v1"))
            returns, lengths = np.array([1.0, 3.0]), np.array([1, 3])
            return SimpleNamespace(run=run, step=5, returns=returns, lengths=lengths)

    def draw(*args):
        assert args[-1] == 2  # episodes, of which the first is drawn
        raise error

    root = tmp_path / "study" / "dqn" / "seed-0"
    root.mkdir(parents=True)
    (root / "run.json").write_text("{}")
    monkeypatch.setattr(evaluate, "Player", Player)
    monkeypatch.setattr(command, "_draw", draw)
    result = erlctl("eval", root, "--video", tmp_path / "film.gif", "--format", "json")
    assert json.loads(result.out)["evaluations"][0]["mean"] == 2.0
    assert result.code == 1
    assert "no video was written" in result.err


@pytest.mark.parametrize(("name", "words"), [
    ("x.avi", "neither .gif nor .mp4"), ("x.mp4", "pip install 'erlctl[video]'"),
])
def test_a_film_that_cannot_be_written_is_refused_before_anything_is_played(
    tmp_path, monkeypatch, name, words
):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    monkeypatch.setattr("erlctl.cli.eval._play_all", None)  # calling it would fail
    root = tmp_path / "study" / "dqn" / "seed-0"
    root.mkdir(parents=True)
    (root / "run.json").write_text("{}")
    result = erlctl("eval", root, "--video", tmp_path / name)
    assert result.code == 2
    assert words in result.err


def spec_text(environment):
    return dump(RunSpec(
        name="study", variant="dqn", seed=0, environment=environment,
        agent=registry.get("algorithm", "dqn")(),
    ))


CART_POLE = EnvironmentSection(id="CartPole-v1", kwargs={"time_limit": 30})


@pytest.fixture
def cart_pole_run():
    return resolve(load_run_text(spec_text(CART_POLE)))


def load_run_text(text):
    return parse_run(text.encode(), "spec.yaml")


def test_another_environment_comes_without_the_arguments_of_the_first(cart_pole_run):
    changed = elsewhere(cart_pole_run, "CartPole-v0", [])
    assert changed.environment.id == "CartPole-v0"
    assert changed.environment.backend == "compiled"
    assert "time_limit" not in changed.environment.kwargs
    assert replace(changed, environment=cart_pole_run.environment) == cart_pole_run


def test_arguments_replace_those_of_the_run(cart_pole_run):
    changed = elsewhere(cart_pole_run, None, ["time_limit=7"])
    assert changed.environment.kwargs["time_limit"] == 7


def test_other_spaces_are_refused_with_both(cart_pole_run):
    with pytest.raises(ErlctlError, match=r"\[6\] and actions discrete 3; .*\[4\] and actions d"):
        elsewhere(cart_pole_run, "Acrobot-v1", [])


@pytest.mark.parametrize(("name", "keywords", "words"), [
    ("CartPole-v7", [], "^--env: environment.id: unknown environment 'CartPole-v7'"),
    (None, ["length=3"], r"^--env-kwarg\[1\]: environment.kwargs.length: unknown key"),
    (None, ["time_limit=9", "length"],
     r"^--env-kwarg\[2\]: expected KEY=VALUE such as time_limit=200, got 'length'"),
])
def test_mistakes_in_another_environment_name_the_option(cart_pole_run, name, keywords, words):
    with pytest.raises(SpecError, match=words):
        elsewhere(cart_pole_run, name, keywords)


def test_code_of_another_environment_needs_a_word(cart_pole_run):
    gym = replace(cart_pole_run, environment=EnvironmentSection(
        id="tests.environments.host.fakes:Counter", backend="python"))
    with pytest.raises(ErlctlError, match="--trust somebody"):
        elsewhere(gym, "somebody:Env", [])


def test_a_host_environment_is_compared_by_what_it_is():
    section = EnvironmentSection(id="tests.environments.host.fakes:Counter", backend="python")
    run = resolve(load_run_text(spec_text(section)))
    changed = elsewhere(run, None, ["length=3"], ["tests"])
    assert changed.environment.kwargs == {"length": 3}
