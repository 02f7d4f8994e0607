"""How often "better" is said of variants that are equal: families of comparisons, simulated."""

from __future__ import annotations

import numpy as np
import pytest

from erlctl.analysis.significance import SIGNIFICANCE, corrected, permutation_test

RESAMPLES = 99  # p-values are valid for any number; few are quick


def says_better(generator, num_variants, num_runs, num_environments, is_chosen):
    """Whether one experiment calls any of its equal variants different."""
    scores = generator.exponential(size=(num_environments, num_variants, num_runs))
    first = int(np.argmax(scores.mean(axis=(0, 2)))) if is_chosen else 0
    strata = [list(10.0**environment * found) for environment, found in enumerate(scores)]
    p_values = corrected(strata, first, is_chosen=is_chosen, resamples=RESAMPLES)
    return any(p < SIGNIFICANCE for p in p_values)


def bound(num_experiments):
    """Four standard errors above the nominal rate."""
    return SIGNIFICANCE + 4 * np.sqrt(SIGNIFICANCE * (1 - SIGNIFICANCE) / num_experiments)


GRID = [(k, n, e) for k in (2, 5, 10) for n in (3, 5, 10) for e in (1, 4)]


def check(num_experiments, num_variants, num_runs, num_environments, is_chosen, least=0.0):
    generator = np.random.default_rng(0)
    rate = sum(says_better(generator, num_variants, num_runs, num_environments, is_chosen)
               for _ in range(num_experiments)) / num_experiments
    assert rate <= bound(num_experiments)
    can_be_shown = num_runs > 3 or num_environments > 1  # 3 + 3 runs: p is never below 0.1
    assert rate >= least if can_be_shown else rate == 0


@pytest.mark.parametrize("is_chosen", [True, False])
@pytest.mark.parametrize(("num_variants", "num_runs", "num_environments"), GRID)
def test_equal_variants_are_rarely_called_better(
    num_variants, num_runs, num_environments, is_chosen
):
    check(60, num_variants, num_runs, num_environments, is_chosen)


@pytest.mark.slow
@pytest.mark.parametrize("is_chosen", [True, False])
@pytest.mark.parametrize(("num_variants", "num_runs", "num_environments"), GRID)
def test_equal_variants_are_called_better_at_most_at_the_nominal_rate(
    num_variants, num_runs, num_environments, is_chosen
):
    check(2000, num_variants, num_runs, num_environments, is_chosen, least=0.015)


@pytest.mark.parametrize("is_chosen", [True, False])
def test_some_variants_being_different_does_not_make_the_equal_ones_so(is_chosen):
    """The best four of six are equal, two are far below."""
    generator = np.random.default_rng(1)
    errors = 0
    for _ in range(300):
        scores = [generator.exponential(size=5) for _ in range(4)]
        scores += [generator.exponential(size=5) - shift for shift in (5.0, 10.0)]
        first = int(np.argmax([s.mean() for s in scores])) if is_chosen else 0
        p_values = corrected([scores], first, is_chosen=is_chosen, resamples=RESAMPLES)
        errors += any(p < SIGNIFICANCE for p in p_values[:4])
    assert errors / 300 <= bound(300)


@pytest.mark.parametrize("is_chosen", [True, False])
def test_variants_of_very_unequal_spread_stay_near_the_nominal_rate(is_chosen):
    """Equal means but spreads of 20 and 1: outside the null hypothesis of a permutation test,
    which is equal distributions (two such variants alone: 0.11 with 5 runs). Measured 0.14.
    """
    scales = [20.0, 20.0, 1.0, 1.0, 1.0, 1.0]
    generator = np.random.default_rng(2)
    errors = 0
    for _ in range(300):
        scores = [scale * generator.normal(size=5) for scale in scales]
        first = int(np.argmax([s.mean() for s in scores])) if is_chosen else 0
        p_values = corrected([scores], first, is_chosen=is_chosen, resamples=RESAMPLES)
        errors += any(p < SIGNIFICANCE for p in p_values)
    assert errors / 300 <= 0.16


@pytest.mark.parametrize("is_chosen", [True, False])
def test_what_is_clearly_better_is_found_in_spite_of_the_correction(is_chosen):
    generator = np.random.default_rng(3)
    scores = [generator.normal(size=5) for _ in range(9)]
    scores.insert(0, generator.normal(size=5) + 8)
    p_values = corrected([scores], 0, is_chosen=is_chosen)
    assert all(p < SIGNIFICANCE for p in p_values[1:])


def test_three_runs_in_four_environments_can_show_it():
    generator = np.random.default_rng(4)
    strata = [[generator.normal(size=3) * s + shift * s for shift in (4.0, 0.0, 0.0)]
              for s in (1.0, 10.0, 100.0, 1000.0)]
    assert all(p < SIGNIFICANCE for p in corrected(strata, 0, is_chosen=True)[1:])


def test_two_variants_of_one_environment_are_the_permutation_test():
    generator = np.random.default_rng(5)
    a, b = generator.normal(size=6), generator.normal(size=5) + 1
    for is_chosen in (True, False):
        found = corrected([[a, b]], 0, is_chosen=is_chosen)
        assert found[1] == pytest.approx(permutation_test(a, b))
        assert np.isnan(found[0])


def test_too_few_runs_of_a_variant_give_no_p_value_and_cost_the_others_none():
    generator = np.random.default_rng(6)
    a, b, c = generator.normal(size=5) + 5, generator.normal(size=5), generator.normal(size=2)
    with_c = corrected([[a, b, c]], 0, is_chosen=True)
    assert np.isnan(with_c[2])
    assert with_c[1] == corrected([[a, b]], 0, is_chosen=True)[1]
