"""Sparsemax and its maximum against an optimiser that knows no formula."""

import numpy as np
import pytest
import tensorflow as tf

from erlctl.maths.tsallis import q_logarithm, regularised_maximum, sparsemax_policy
from tests.oracles import operators
from tests.oracles import tsallis as oracle

ROWS = np.random.default_rng(0).standard_normal((20, 5))


@pytest.mark.parametrize("t", [0.3, 1.0, 5.0])
def test_policy_and_maximum_are_those_of_the_optimisation(t):
    policy, value = sparsemax_policy(ROWS, t).numpy(), regularised_maximum(ROWS, t).numpy()
    np.testing.assert_allclose(policy, [oracle.best_policy(q, t) for q in ROWS], atol=1e-6)
    np.testing.assert_allclose(value, [oracle.value(q, t) for q in ROWS], atol=1e-9)
    np.testing.assert_allclose(policy.sum(-1), 1.0, atol=1e-12)


@pytest.mark.parametrize("t", [0.3, 1.0, 5.0])
def test_the_fast_oracle_finds_what_the_optimiser_finds(t):
    for q in ROWS:
        policy = operators.sparse_policy(q, t)
        np.testing.assert_allclose(policy, oracle.best_policy(q, t), atol=1e-6)
        np.testing.assert_allclose(operators.sparsemax(q, t), oracle.value(q, t), atol=1e-9)


def test_policy_is_the_gradient_of_the_maximum():
    q = tf.constant(ROWS)
    with tf.GradientTape() as tape:
        tape.watch(q)
        value = regularised_maximum(q, 0.7)
    np.testing.assert_allclose(tape.gradient(value, q), sparsemax_policy(q, 0.7), atol=1e-12)


def test_maximum_lies_within_its_bounds_and_tends_to_max():
    best = ROWS.max(-1)
    excess = regularised_maximum(ROWS, 2.0).numpy() - best
    assert (excess >= 0).all()
    assert (excess <= 2.0 * 0.4 + 1e-12).all()
    np.testing.assert_allclose(regularised_maximum(np.zeros((1, 5)), 2.0), 2.0 * 0.4)
    np.testing.assert_allclose(regularised_maximum(ROWS, 1e-9), best, atol=1e-8)


def test_float32_keeps_small_differences_between_large_values():
    q = tf.constant([[1e4, 1e4 - 0.25, 0.0]], tf.float32)
    np.testing.assert_allclose(sparsemax_policy(q, 0.5), [[0.75, 0.25, 0.0]], atol=1e-6)


def test_q_logarithm_has_its_limits():
    p = np.array([0.1, 0.5, 1.0])
    np.testing.assert_allclose(q_logarithm(p, 2.0), 1.0 - 1.0 / p)
    np.testing.assert_allclose(q_logarithm(p, 1.0), np.log(p))
    np.testing.assert_allclose(q_logarithm(p, 1.0 + 1e-7), np.log(p), atol=1e-5)
