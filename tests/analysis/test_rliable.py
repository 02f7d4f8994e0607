"""Aggregates, profiles, intervals against rliable (Agarwal et al. 2021), where it is installed."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from erlctl.analysis import bootstrap, statistics
from erlctl.analysis.aggregate import aggregate_interval

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    metrics = pytest.importorskip("rliable.metrics", reason="rliable is not installed")
    library = pytest.importorskip("rliable.library")

SHAPES = [(5, 1), (10, 1), (4, 3), (10, 5), (30, 2), (7, 9)]


def scores(shape, seed=0):
    """Return scores [runs, environments] with a skew."""
    return np.random.default_rng(seed).gamma(2.0, 0.3, size=shape)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("name", "oracle"),
    [("mean", "aggregate_mean"), ("median", "aggregate_median"), ("iqm", "aggregate_iqm"),
     ("optimality_gap", "aggregate_optimality_gap")],
)
def test_aggregates_equal_rliable(shape, name, oracle):
    values = scores(shape)
    actual = statistics.AGGREGATES[name](list(values.T))
    assert actual == pytest.approx(getattr(metrics, oracle)(values), rel=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_probability_of_improvement_equals_rliable(shape):
    a, b = scores(shape, 1), np.round(scores(shape, 2), 1)  # ties
    a = np.round(a, 1)
    pairs = zip(a.T, b.T, strict=True)
    ours = np.mean([statistics.probability_of_improvement(x, y) for x, y in pairs])
    assert ours == pytest.approx(metrics.probability_of_improvement(a, b), rel=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_performance_profile_equals_rliable(shape):
    values, thresholds = scores(shape), np.linspace(0.0, 2.0, 21)
    ours = np.mean([statistics.performance_profile(s, thresholds) for s in values.T], axis=0)
    expected = [library.run_score_deviation(values, threshold) for threshold in thresholds]
    np.testing.assert_allclose(ours, expected, atol=1e-12)


@pytest.mark.parametrize("shape", [(5, 1), (10, 5), (7, 9)])
@pytest.mark.parametrize("name", ["mean", "iqm"])
def test_stratified_resamples_spread_as_rliables(shape, name):
    values = scores(shape)
    function = statistics.AGGREGATES[name]
    estimates = bootstrap.stratified_estimates(list(values.T), function)
    ours = np.quantile(estimates, [0.025, 0.975])
    np.random.seed(0)  # noqa: NPY002 - rliable draws from the global generator, whatever it is given
    oracle = {"mean": metrics.aggregate_mean, "iqm": metrics.aggregate_iqm}[name]
    _, intervals = library.get_interval_estimates(
        {"x": values}, lambda x: np.array([oracle(x)]), reps=10_000
    )
    width = np.ptp(ours)
    np.testing.assert_allclose(ours, intervals["x"][:, 0], atol=0.05 * width)


def test_aggregate_interval_contains_what_rliable_estimates():
    values = scores((10, 5))
    interval = aggregate_interval(list(values.T), statistics.AGGREGATES["iqm"])
    assert interval.low < metrics.aggregate_iqm(values) < interval.high
