"""Tests and power against SciPy and known values."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from erlctl.analysis import significance


def mean_difference(x, y, axis):
    return np.mean(x, axis=axis) - np.mean(y, axis=axis)


@pytest.mark.parametrize(("num_a", "num_b"), [(3, 3), (4, 6), (5, 5), (7, 4), (8, 8)])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_permutation_test_equals_scipys_exact_one(num_a, num_b, seed):
    generator = np.random.default_rng(seed)
    a, b = generator.exponential(size=num_a), generator.exponential(size=num_b) + 0.5
    expected = scipy.stats.permutation_test(
        (a, b), mean_difference, vectorized=True, n_resamples=np.inf
    ).pvalue
    assert significance.permutation_test(a, b) == pytest.approx(expected)


@pytest.mark.parametrize(("num_a", "num_b"), [(3, 3), (4, 6), (5, 5), (8, 8)])
def test_mann_whitney_equals_scipys_exact_one(num_a, num_b):
    generator = np.random.default_rng(num_a)
    a, b = generator.normal(size=num_a), generator.normal(size=num_b) + 1
    expected = scipy.stats.mannwhitneyu(a, b, method="exact").pvalue
    assert significance.mann_whitney(a, b) == pytest.approx(expected)


def test_many_runs_are_sampled_and_close_to_the_t_test():
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=30), generator.normal(size=30) + 0.1
    expected = scipy.stats.ttest_ind(a, b).pvalue
    assert expected > 0.01
    assert significance.permutation_test(a, b) == pytest.approx(expected, abs=0.02)
    assert significance.permutation_test(a, b) == significance.permutation_test(a, b)


def test_equal_runs_are_no_evidence():
    same = np.full(5, 500.0)
    assert significance.permutation_test(same, same) == 1.0
    assert significance.mann_whitney(same, same) == 1.0


@pytest.mark.parametrize(("num_a", "num_b", "p"), [(3, 3, 0.1), (4, 4, 2 / 70), (5, 5, 2 / 252)])
def test_smallest_p_is_that_of_complete_separation(num_a, num_b, p):
    a, b = np.arange(num_a) + 100.0, np.arange(float(num_b))
    assert significance.smallest_p(num_a, num_b) == pytest.approx(p)
    assert significance.permutation_test(a, b) == pytest.approx(p)


@pytest.mark.parametrize("num_runs", [5, 10])
@pytest.mark.parametrize("shift", [0.0, 1.0, 2.0])
def test_improvement_interval_covers_the_true_probability(num_runs, shift):
    generator = np.random.default_rng(0)
    truth = scipy.stats.norm.cdf(shift / np.sqrt(2))
    hits = 0
    for _ in range(400):
        a, b = generator.normal(size=num_runs) + shift, generator.normal(size=num_runs)
        found = significance.improvement_interval([(a, b)])
        hits += found.low <= truth <= found.high
    assert 0.92 <= hits / 400 <= 1.0


def test_improvement_interval_over_environments_covers_the_mean_probability():
    generator = np.random.default_rng(0)
    shifts = (0.0, 1.0, 2.0)
    truth = np.mean(scipy.stats.norm.cdf(np.array(shifts) / np.sqrt(2)))
    hits = 0
    for _ in range(300):
        pairs = [(generator.normal(size=6) + s, generator.normal(size=6)) for s in shifts]
        found = significance.improvement_interval(pairs)
        hits += found.low <= truth <= found.high
    assert 0.92 <= hits / 300 <= 1.0


@pytest.mark.parametrize(("ahead", "ends"), [(True, (0.6, 1.0)), (False, (0.0, 0.4))])
def test_complete_separation_of_few_runs_is_not_certainty(ahead, ends):
    a, b = np.arange(5.0) + 10, np.arange(5.0)
    found = significance.improvement_interval([(a, b) if ahead else (b, a)])
    assert 0.0 <= found.low < found.high <= 1.0
    assert found.high - found.low > 0.2
    assert (found.low > ends[0]) if ahead else (found.high < ends[1])


def test_improvement_of_two_runs_has_no_interval():
    assert not significance.improvement_interval([(np.arange(2.0), np.arange(5.0))])


@pytest.mark.parametrize("difference", [0.5, 1.0, 2.0])
def test_further_seeds_give_the_power_that_was_asked_for(difference):
    scores = np.random.default_rng(0).normal(size=5)
    scores = (scores - scores.mean()) / scores.std(ddof=1)  # spread exactly 1
    more = significance.further_seeds(scores, scores + difference, difference)
    n = 5 + more
    shift = difference * np.sqrt(n / 2)
    critical = scipy.stats.t.ppf(0.975, 2 * n - 2)
    power = scipy.stats.nct.sf(critical, 2 * n - 2, shift)
    assert power >= 0.78
    if more:
        assert power <= 0.9


def test_further_seeds_cannot_be_said_of_one_run_or_no_difference():
    assert significance.further_seeds(np.arange(1.0), np.arange(5.0), 1.0) is None
    assert significance.further_seeds(np.arange(5.0), np.arange(5.0), 0.0) is None


@pytest.mark.parametrize("unit", [2.0**-1000, 2.0**-400, 2.0**900])
def test_p_values_and_further_seeds_do_not_depend_on_the_unit_of_the_scores(unit):
    generator = np.random.default_rng(0)
    strata = [[generator.normal(shift, size=5) for shift in (0.0, 0.5, 2.0)] for _ in range(2)]
    for k in (1, 2):
        one, scaled = (significance.corrected([[u * s for s in part] for part in strata[:k]], 2,
                                              is_chosen=True) for u in (1.0, unit))
        np.testing.assert_array_equal(scaled, one)
    a, b, _ = strata[0]
    needed = significance.further_seeds(a, b, 0.5)
    assert needed
    assert significance.further_seeds(unit * a, unit * b, unit * 0.5) == needed
    assert significance.further_seeds(a, b, 1e-200) is None  # more than any number can say
