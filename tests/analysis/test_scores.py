"""What the score of a run is, and why a run has none."""

from __future__ import annotations

import math

import numpy as np
import pytest

from erlctl.analysis.data import METRICS
from erlctl.analysis.load import load
from erlctl.analysis.scores import Scoring, score
from tests.analysis import synthetic


def scored(runs_dir, scoring=None, **options):
    synthetic.write_run(runs_dir, **options)
    (run,) = load([runs_dir]).runs
    return score(run, scoring or Scoring())


def test_the_final_score_is_the_mean_over_the_episodes_of_the_last_evaluation(runs_dir):
    found = scored(runs_dir, curve=np.array([9.0, 3.0, 6.0]), spread=2.0)
    assert (found.value, found.best) == (6.0, 9.0)


@pytest.mark.parametrize(("last", "expected"), [(1, 6.0), (2, 4.5), (3, 6.0), (9, 6.0)])
def test_last_averages_that_many_evaluations(runs_dir, last, expected):
    assert scored(runs_dir, Scoring(last=last), curve=np.array([9.0, 3.0, 6.0])).value == expected


def test_at_reads_the_curve_as_it_was_then(runs_dir):
    found = scored(runs_dir, Scoring(at=2000), curve=np.array([1.0, 3.0, 9.0]))
    assert (found.value, found.best) == (3.0, 3.0)


def test_at_uses_unfinished_runs_that_got_there(runs_dir):
    options = {"status": "failed", "curve": np.array([1.0, 3.0]), "total_steps": 9000}
    assert scored(runs_dir, Scoring(at=2000), **options).value == 3.0
    late = score(load([runs_dir]).runs[0], Scoring(at=5000))
    assert "only measured up to step 2,000" in late.excluded


def test_best_is_the_lowest_where_less_is_better(runs_dir):
    scoring = Scoring(metric=METRICS["wall_seconds"], kind="best")
    assert scored(runs_dir, scoring, seconds_per_step=0.001).value == pytest.approx(1.0)


def test_area_is_the_mean_height(runs_dir):
    found = scored(runs_dir, Scoring(kind="area"), curve=np.array([0.0, 10.0, 20.0]))
    assert found.value == pytest.approx(10.0)


@pytest.mark.parametrize(("threshold", "expected"), [(3.0, 2000.0), (99.0, math.inf)])
def test_steps_to_a_threshold_that_is_never_reached_are_infinite(runs_dir, threshold, expected):
    scoring = Scoring(kind="steps", threshold=threshold)
    assert scored(runs_dir, scoring, curve=np.array([1.0, 3.0, 9.0])).value == expected


@pytest.mark.parametrize("status", ["failed", "diverged", "interrupted", "pending", "running"])
def test_a_run_that_did_not_complete_has_no_final_score_and_says_why(runs_dir, status):
    found = scored(runs_dir, status=status, reason="because", total_steps=20_000)
    assert math.isnan(found.value)
    expected = "interrupted" if status == "running" else status  # no lock is held
    assert found.excluded.startswith(f"{expected} at step 10,000 of 20,000")


def test_unfinished_runs_are_used_on_request_with_a_note(runs_dir):
    scoring = Scoring(include_unfinished=True)
    found = scored(runs_dir, scoring, status="failed", reason="boom\nline 2")
    assert found.value == 100.0
    assert found.note == "used although failed at step 10,000 of 10,000: boom line 2"


def test_a_run_without_evaluations_has_no_score(runs_dir):
    paths = synthetic.write_run(runs_dir)
    paths.evaluations.unlink()
    (run,) = load([runs_dir]).runs
    assert "evaluations.csv" in score(run, Scoring()).excluded


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_a_return_that_is_not_finite_is_no_score(runs_dir, value):
    found = scored(runs_dir, curve=np.array([1.0, value]))
    assert "not finite" in found.excluded


def test_a_column_that_a_run_does_not_record_is_named(runs_dir):
    paths = synthetic.write_run(runs_dir)
    text = paths.progress.read_text().replace("entropy", "something")
    paths.progress.write_text(text)
    (run,) = load([runs_dir]).runs
    assert score(run, Scoring(metric=METRICS["entropy"])).excluded == "does not record entropy"
