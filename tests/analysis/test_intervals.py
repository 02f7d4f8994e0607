"""Intervals: against SciPy, their coverage by simulation, small numbers, ties, determinism."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from erlctl.analysis import bootstrap, intervals, statistics

DATA = {
    "normal": lambda generator, shape: generator.normal(size=shape),
    "exponential": lambda generator, shape: generator.exponential(size=shape),
    "lognormal": lambda generator, shape: generator.lognormal(0.0, 0.5, size=shape),
    "very skewed": lambda generator, shape: generator.lognormal(0.0, 1.0, size=shape),
    "ceiling": lambda generator, shape: np.minimum(500.0, generator.normal(480, 40, size=shape)),
}


@pytest.mark.parametrize("statistic", ["mean", "iqm"])
@pytest.mark.parametrize("data", sorted(DATA))
def test_nominal_95_percent_covers_90_to_97_percent_with_ten_runs(data, statistic):
    generator = np.random.default_rng(1)
    truth = statistics.STATISTICS[statistic](DATA[data](generator, 2_000_000))
    samples = DATA[data](generator, (10, 1000))
    low, high = intervals.curve_interval(samples, statistic)
    coverage = np.mean((low <= truth) & (truth <= high))
    # 1,000 simulated data sets: the standard error of the coverage itself is about 0.008.
    assert 0.89 <= coverage <= 0.975, coverage


@pytest.mark.parametrize("data", ["normal", "exponential"])
def test_student_t_covers_with_three_runs(data):
    generator = np.random.default_rng(1)
    truth = DATA[data](generator, 2_000_000).mean()
    low, high = intervals.curve_interval(DATA[data](generator, (3, 2000)), "mean")
    assert np.mean((low <= truth) & (truth <= high)) > 0.85


@pytest.mark.parametrize("unit", [1.0, 1e-120, 1e-290, 1e250])
@pytest.mark.parametrize("name", ["mean", "iqm", "median"])
@pytest.mark.parametrize("num_runs", [5, 10, 31])
def test_bca_equals_scipys_in_every_unit(name, num_runs, unit):
    """SciPy's own cubes vanish with tiny scores (it says nan), so it is asked about those of 1."""
    scores = np.random.default_rng(num_runs).gamma(2.0, size=num_runs)
    oracle = {
        "mean": np.mean, "median": np.median,
        "iqm": lambda x, axis=-1: scipy.stats.trim_mean(x, 0.25, axis=axis),
    }[name]
    expected = scipy.stats.bootstrap(
        (scores,), oracle, n_resamples=50_000, method="BCa", batch=5000,
        random_state=np.random.default_rng(0),
    ).confidence_interval
    low, high = bootstrap.bca(unit * scores[:, None], name, resamples=50_000)
    tolerance = 0.06 * (expected.high - expected.low)  # both are random samples of resamples
    np.testing.assert_allclose([low[0] / unit, high[0] / unit], expected, atol=tolerance)


@pytest.mark.parametrize("unit", [2.0**-1000, 2.0**-400, 2.0**900])
@pytest.mark.parametrize("num_runs", [3, 5, 10])
def test_an_interval_scales_with_the_unit_of_the_scores(num_runs, unit):
    scores = np.random.default_rng(num_runs).gamma(2.0, size=num_runs)
    for name in ("mean", "iqm", "median"):
        one, scaled = (intervals.run_interval(s, name) for s in (scores, unit * scores))
        assert (scaled.method, scaled.why_not) == (one.method, one.why_not)
        np.testing.assert_array_equal([scaled.low, scaled.high],
                                      unit * np.array([one.low, one.high]))
    strata = [scores, np.sqrt(scores)]
    one, scaled = (intervals.aggregate_interval([k * s for s in strata], statistics.aggregate_mean)
                   for k in (1.0, unit))
    np.testing.assert_array_equal([scaled.low, scaled.high], unit * np.array([one.low, one.high]))


def test_an_influence_that_is_not_finite_gives_no_ends_as_scipys_does():
    values = np.append(np.random.default_rng(0).normal(size=9), np.inf)[:, None]
    with np.errstate(invalid="ignore"):
        with pytest.warns(scipy.stats.DegenerateDataWarning):
            expected = scipy.stats.bootstrap((values[:, 0],), np.mean, method="BCa",
                                             n_resamples=999, random_state=0)
        found = bootstrap.bca(values, "mean", resamples=999)
    assert np.isnan([*expected.confidence_interval, *found[0], *found[1]]).all()


def test_bca_does_not_depend_on_the_unit():
    scores = np.random.default_rng(0).gamma(2.0, size=(12, 3))
    tiny = 2.0**-330  # whose cubes and squares are 0
    usual, small = (np.array(bootstrap.bca(scores * unit, "mean")) for unit in (1.0, tiny))
    np.testing.assert_array_equal(small, tiny * usual)


def test_curves_of_almost_0_have_an_interval():
    values = np.random.default_rng(0).gamma(2.0, size=(10, 3)) * 1e-170
    low, high = intervals.curve_interval(values, "mean")
    assert ((values.min(axis=0) <= low) & (low < high) & (high <= values.max(axis=0))).all()


def test_stratified_bca_with_one_environment_is_plain_bca():
    scores = np.random.default_rng(0).gamma(2.0, size=12)
    low, high = bootstrap.bca(scores[:, None], "iqm")
    stratified = bootstrap.stratified_bca([scores], lambda strata: statistics.iqm(strata[0]))
    np.testing.assert_allclose([low[0], high[0]], stratified, atol=0.05 * (high[0] - low[0]))


def test_studentised_interval_of_normal_scores_is_nearly_student_t():
    scores = np.random.default_rng(0).normal(size=(40, 1))
    error = scores.std(ddof=1) / np.sqrt(40)
    expected = scipy.stats.t.interval(0.95, 39, loc=scores.mean(), scale=error)
    low, high = bootstrap.studentised_mean(scores)
    np.testing.assert_allclose([low[0], high[0]], expected, atol=0.35 * error)


def test_student_t_equals_scipys():
    scores = np.array([1.0, 5.0, 6.0, 10.0])
    found = intervals.run_interval(scores, "mean")
    error = scores.std(ddof=1) / 2
    expected = scipy.stats.t.interval(0.95, 3, loc=scores.mean(), scale=error)
    np.testing.assert_allclose([found.low, found.high], expected)
    assert found.method == "Student t"


@pytest.mark.parametrize("num_runs", [0, 1, 2])
def test_below_three_runs_there_is_no_interval_and_it_says_so(num_runs):
    found = intervals.run_interval(np.arange(float(num_runs)), "mean")
    assert not found
    assert f"{num_runs} run" in found.why_not


@pytest.mark.parametrize("statistic", ["iqm", "median"])
def test_below_five_runs_only_the_mean_has_an_interval(statistic):
    scores = np.arange(4.0)
    assert intervals.run_interval(scores, "mean")
    assert not intervals.run_interval(scores, statistic)


def test_equal_runs_have_an_interval_of_no_width_and_it_is_named():
    found = intervals.run_interval(np.full(7, 500.0), "mean")
    assert (found.low, found.high, found.method) == (500.0, 500.0, "all equal")


def test_the_interval_of_the_mean_stays_in_the_range_of_the_runs():
    scores = np.array([100.0, 488.0, 490.0, 491.0, 492.0, 495.0])
    found = intervals.run_interval(scores, "mean")
    assert 100.0 <= found.low < found.high <= 495.0


def test_many_ties_still_give_a_finite_interval():
    scores = np.array([500.0] * 9 + [300.0])
    found = intervals.run_interval(scores, "mean")
    assert 300.0 <= found.low < found.high <= 500.0
    assert found.method == "BCa bootstrap"


def test_the_same_runs_give_the_same_interval_every_time():
    scores = np.random.default_rng(3).normal(size=8)
    first = [intervals.run_interval(scores, name) for name in statistics.STATISTICS]
    bootstrap._resampled_weights.cache_clear()
    assert first == [intervals.run_interval(scores, name) for name in statistics.STATISTICS]


@pytest.mark.parametrize("statistic", ["mean", "iqm", "median"])
def test_curve_interval_is_the_run_interval_at_every_point_with_gaps(statistic):
    values = np.random.default_rng(0).gamma(2.0, size=(9, 6))
    values[6:, 2:4] = np.nan
    values[1:, 4] = np.nan
    low, high = intervals.curve_interval(values, statistic)
    for point in range(6):
        column = values[:, point]
        found = intervals.run_interval(column[np.isfinite(column)], statistic)
        np.testing.assert_allclose([low[point], high[point]], [found.low, found.high])


def test_intervals_do_not_depend_on_the_order_of_the_runs():
    scores = np.random.default_rng(0).normal(size=9)
    forward = intervals.run_interval(scores, "iqm")
    backward = intervals.run_interval(scores[::-1], "iqm")
    assert forward == backward
