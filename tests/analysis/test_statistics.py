"""Point statistics against SciPy, NumPy and their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from erlctl.analysis import statistics

SCORES = arrays.arrays(
    np.float64, st.integers(1, 30), elements=st.floats(-1e6, 1e6, allow_subnormal=False)
)


@given(scores=SCORES.filter(lambda scores: scores.size >= 4))
def test_iqm_equals_scipys_trimmed_mean(scores):
    expected = scipy.stats.trim_mean(scores, 0.25)
    np.testing.assert_allclose(statistics.iqm(scores), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("num_runs", [1, 2, 3])
def test_iqm_does_not_exist_below_four_runs(num_runs):
    assert np.isnan(statistics.iqm(np.arange(float(num_runs))))


@pytest.mark.parametrize("name", sorted(statistics.STATISTICS))
def test_statistics_work_over_leading_axes(name):
    scores = np.random.default_rng(0).normal(size=(3, 5, 7))
    function = statistics.STATISTICS[name]
    expected = [[function(row) for row in block] for block in scores]
    np.testing.assert_allclose(function(scores), expected)


@given(a=SCORES, b=SCORES)
def test_probability_of_improvement_is_mann_whitneys_u_over_pairs(a, b):
    expected = scipy.stats.mannwhitneyu(a, b, method="asymptotic").statistic / (a.size * b.size)
    assert statistics.probability_of_improvement(a, b) == pytest.approx(expected)


@given(a=SCORES, b=SCORES)
def test_probability_of_improvement_of_both_directions_adds_up_to_one(a, b):
    better = statistics.probability_of_improvement
    assert better(a, b) + better(b, a) == pytest.approx(1.0)


def test_two_runs_that_never_got_there_are_a_tie():
    generator = np.random.default_rng(0)
    for _ in range(50):
        a, b = (generator.choice([1.0, 2.0, 3.0, np.inf], size=generator.integers(1, 8))
                for _ in range(2))
        expected = np.mean([1.0 if x > y else 0.5 if x == y else 0.0 for x in a for y in b])
        for sign in (1, -1):  # fewer steps are better: what is compared is minus the steps
            found = statistics.probability_of_improvement(sign * a, sign * b)
            assert found == pytest.approx(expected if sign > 0 else 1 - expected)


def test_optimality_gap_does_not_reward_what_exceeds_the_target():
    assert statistics.optimality_gap(np.array([0.5, 1.0, 3.0])) == pytest.approx(0.5 / 3)


def test_performance_profile_counts_the_runs_above():
    scores, thresholds = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.0, 2.0, 4.0])
    profile = statistics.performance_profile(scores, thresholds)
    np.testing.assert_allclose(profile, [1.0, 0.5, 0.0])


def test_standard_deviation_of_one_run_is_unknown():
    assert np.isnan(statistics.standard_deviation(np.array([3.0])))


@given(height=st.floats(-100, 100), steps=st.integers(2, 20))
def test_area_under_a_flat_curve_is_its_height(height, steps):
    x = np.cumsum(np.arange(1.0, steps + 1))
    assert statistics.area_under_curve(x, np.full(steps, height)) == pytest.approx(height)


def test_area_under_curve_is_the_trapezoidal_rule():
    x, y = np.array([0.0, 1.0, 3.0]), np.array([0.0, 2.0, 4.0])
    assert statistics.area_under_curve(x, y) == pytest.approx(scipy.integrate.trapezoid(y, x) / 3)


def test_area_bridges_gaps_and_needs_two_points():
    x, y = np.array([0.0, 1.0, 2.0]), np.array([0.0, np.nan, 2.0])
    assert statistics.area_under_curve(x, y) == pytest.approx(1.0)
    assert np.isnan(statistics.area_under_curve(x[:1], y[:1]))


@pytest.mark.parametrize(("threshold", "expected"), [(5.0, 20.0), (1.0, 10.0), (99.0, np.inf)])
def test_steps_to_threshold_is_the_first_step_at_or_above(threshold, expected):
    steps, values = np.array([10.0, 20.0, 30.0]), np.array([1.0, 5.0, 3.0])
    assert statistics.steps_to_threshold(steps, values, threshold) == expected


@pytest.mark.parametrize("name", ["trapz", "trapezoid"])
def test_the_area_needs_no_function_that_some_numpy_lacks(monkeypatch, name):
    monkeypatch.delattr(np, name, raising=False)
    steps, values = np.array([0.0, 1, 3]), np.array([0.0, 2, 4])
    assert statistics.area_under_curve(steps, values) == pytest.approx((1 + 6) / 3)
