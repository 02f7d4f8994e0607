"""The `search` section: every mistake at once, each in its place."""

from __future__ import annotations

import pytest

from erlctl import spec
from erlctl.errors import SpecError
from tests.cli.helpers import erlctl
from tests.tuning.conftest import SPACE, SPEC

WRONG = SPEC + """\
search:
  trials: 0
  statistic: iqm
  space:
    agent.temperatur: {type: float, low: 1e-3, high: 1, log: true}
    agent.temperature: {type: float, low: -1, high: 1}
    training.batch_size: {type: float, low: 8, high: 32}
    training.steps: {type: int, low: 8, high: 32}
    evaluation.episodes: {type: int, low: 8, high: 32}
    network.hidden: {type: categorical, choices: [[16], 7]}
    agent.gamma: {type: int, low: 1}
    agent.alpha: {type: float, low: 0.5, high: 0.1}
"""


def problems_of(text, tmp_path, *overrides):
    path = tmp_path / "spec.yaml"
    path.write_text(text)
    with pytest.raises(SpecError) as error:
        spec.load(path, overrides)
    return {(p.line, p.path.removeprefix("search.")): p.message for p in error.value.problems}


def test_all_mistakes_are_told_at_once_with_their_places(tmp_path):
    found = problems_of(WRONG, tmp_path)
    for (line, path), message in {
        (8, "trials"): "at least 1",
        (11, "space.agent.temperatur"): "did you mean 'agent.temperature'",
        (12, "space.agent.temperature.low"): "greater than 0, got -1.0",
        (13, "space.training.batch_size.type"): "expected a whole number",
        (14, "space.training.steps"): "budget",
        (15, "space.evaluation.episodes"): "changes what is measured",
        (16, "space.network.hidden.choices[1]"): "expected a list",
        (17, "space.agent.gamma.high"): "must be a number",
        (18, "space.agent.alpha.high"): "greater than low",
    }.items():
        assert message in found[line, path], found


@pytest.mark.parametrize(("change", "message"), [
    (("sampler: random", "sampler: cmaes\n  statistic: iqm"), "iqm needs at least 4 seeds"),
    (("sampler: random", "sampler: grid"), "sampler grid needs a step"),
    (("sampler: random", "pruner: median\n  objective: area"), None),
    (("every: 1000", "every: 8000"), None),
    (("sampler: random", "objective: area"), None),
])
def test_what_does_not_go_together_is_told(change, message, tmp_path):
    text = (SPEC + SPACE).replace(*change)
    if message is None:
        path = tmp_path / "spec.yaml"
        path.write_text(text)
        assert spec.load(path).search is not None
    else:
        assert any(message in text for text in problems_of(text, tmp_path).values())


@pytest.mark.parametrize(("overrides", "message"), [
    (["search.pruner=median", "evaluation.every=4000"], "nothing can be decided before the end"),
    (["search.pruner=median", "checkpoint.replay=false"], "need checkpoint.replay: true"),
    (["search.sampler=cmaes", "search.space={agent.alpha: {type: categorical, choices: [0, 1]}}"],
     "cmaes takes numbers alone"),
    (["search.objective=area", "evaluation.every=8000"], "area needs two evaluations"),
    (["sweep.agent.alpha=[0.1, 0.2]"], "is searched as well"),
    (["tuned={dqn: 3}"], "unknown variant 'dqn'"),
])
def test_a_search_that_could_not_do_its_work_is_refused(overrides, message, tmp_path):
    found = problems_of(SPEC + SPACE, tmp_path, *overrides)
    assert any(message in text for text in found.values()), found


def test_train_refuses_a_search_and_tune_a_spec_without(tmp_path, runs_dir):
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC + SPACE)
    refused = erlctl("train", path, "--runs-dir", runs_dir)
    assert refused.code == 2
    assert f"this spec has a search section: run erlctl tune {path}" in refused.err
    path.write_text(SPEC)
    refused = erlctl("tune", path, "--runs-dir", runs_dir)
    assert refused.code == 2
    assert "there is no such section" in refused.err
    assert not runs_dir.exists() or not list(runs_dir.iterdir())


def test_tune_without_optuna_says_how_to_get_it(tmp_path, runs_dir, monkeypatch):
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC + SPACE)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    refused = erlctl("tune", path, "--runs-dir", runs_dir)
    assert refused.code == 1
    assert "pip install 'erlctl[tune]'" in refused.err
