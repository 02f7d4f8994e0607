"""What `plot --kind search` and `compare` make of searches."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from erlctl.analysis.figures.search import importance, trials_of
from erlctl.analysis.load import load
from erlctl.runs import tuning_file
from tests.analysis.synthetic import write_run
from tests.cli.helpers import erlctl


def test_importance_is_kruskal_and_walliss_effect_size():
    random = np.random.default_rng(0)
    parts = random.integers(0, 3, 60).astype(float)
    scores = parts + random.normal(size=60)
    h = stats.kruskal(*(scores[parts == part] for part in range(3))).statistic
    assert importance(parts, scores) == pytest.approx((h - 2) / 57)


def test_importance_sees_an_optimum_in_the_middle_and_no_noise():
    values = np.random.default_rng(1).uniform(-1, 1, 200)
    noise = np.random.default_rng(2).normal(size=200)
    assert importance(values, -values**2) > 0.7
    assert importance(values, noise) < 0.05
    assert np.isnan(importance(values[:5], noise[:5]))


def test_the_figure_of_a_search_and_the_warning_of_compare(make, tmp_path):
    search = make()
    search.run()
    folder = search.runs_dir / "found"
    target = tmp_path / "search.png"
    drawn = erlctl("plot", folder, "--kind", "search", "-o", target)
    assert drawn.code == 0, drawn.err
    assert target.read_bytes().startswith(b"\x89PNG")
    (trials,) = trials_of(load([folder]).runs).values()
    assert [trial.value for trial in trials] == [trial.value for trial in search.trials()]
    assert "the best of many is optimistic" in erlctl("compare", folder).out


def test_a_figure_without_trials_says_what_it_needs(tmp_path, runs_dir):
    write_run(runs_dir)
    refused = erlctl("plot", runs_dir, "--kind", "search", "-o", tmp_path / "a.png")
    assert refused.code == 1
    assert "erlctl tune" in refused.err


def test_compare_tells_how_much_tuning_each_got(runs_dir):
    for variant in ("dqn", "soft_dqn"):
        for seed in range(2):
            write_run(runs_dir, variant=variant, seed=seed)
    assert "tuning:" not in erlctl("compare", runs_dir).out
    tuning_file.write(runs_dir / "family" / "dqn", {"trials": 30})
    assert ("tuning: dqn 30 trials, soft_dqn no trials; what was tuned more"
            in erlctl("compare", runs_dir).out)
    tuning_file.write(runs_dir / "family" / "soft_dqn", {"trials": 30})
    assert "tuning: dqn 30 trials, soft_dqn 30 trials." in erlctl("compare", runs_dir).out
