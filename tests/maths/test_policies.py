"""Policies: against the oracle, with masks, and where naive forms break."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from erlctl.maths import policies
from tests.maths.arrays import call, rows, temperatures
from tests.oracles import operators


@given(q=rows(), temperature=temperatures)
def test_log_policy_equals_the_oracle(q, temperature):
    expected = [operators.scaled_log_policy(row, temperature) / temperature for row in q]
    actual = call(policies.log_policy, q, temperature)
    np.testing.assert_allclose(actual, expected, rtol=1e-10, atol=1e-10)


@given(q=rows(), temperature=temperatures)
def test_probabilities_sum_to_one(q, temperature):
    log_p = call(policies.log_policy, q, temperature)
    np.testing.assert_allclose(np.exp(log_p).sum(-1), 1.0, rtol=1e-12)


def test_log_policy_is_exact_where_the_log_of_a_softmax_is_infinite():
    q = np.array([[1000.0, 990.0]])
    actual = call(policies.log_policy, q, 0.01, dtype=np.float32)
    np.testing.assert_array_equal(actual, np.float32([[0.0, -1000.0]]))


@given(q=rows(), temperature=temperatures)
def test_entropy_and_divergence_equal_the_oracle(q, temperature):
    log_p = call(policies.log_policy, q, temperature)
    log_q = call(policies.log_policy, q[:, ::-1].copy(), temperature)
    np.testing.assert_allclose(
        call(policies.entropy, log_p), [operators.entropy(np.exp(row)) for row in log_p],
        rtol=1e-9, atol=1e-9,
    )
    kl = (np.exp(log_p) * (log_p - log_q)).sum(-1)
    np.testing.assert_allclose(
        call(policies.kl_divergence, log_p, log_q), kl, rtol=1e-12, atol=1e-12
    )
    assert (kl >= -1e-12).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(q=rows(), temperature=temperatures, data=st.data())
def test_masked_entropy_and_divergence_equal_dropped_columns(dtype, q, temperature, data):
    columns = sorted(data.draw(st.sets(st.integers(0, q.shape[-1] - 1), min_size=1)))
    mask = np.zeros(q.shape, bool)
    mask[:, columns] = True

    def figures(first, second, legal):
        log_p = policies.log_policy(first, temperature, legal)
        log_q = policies.log_policy(second, temperature, legal)
        return tf.stack([policies.entropy(log_p), policies.kl_divergence(log_p, log_q)])

    dropped = q[:, columns]
    tolerance = 1e-3 if dtype == np.float32 else 1e-9
    np.testing.assert_allclose(
        call(figures, q, 0.5 * q, mask, dtype=dtype),
        call(figures, dropped, 0.5 * dropped, None, dtype=dtype), rtol=tolerance, atol=tolerance,
    )


def test_illegal_actions_have_probability_zero_and_no_gradient():
    q = tf.Variable([[1.0, 5.0, 2.0]])
    mask = tf.constant([[True, False, True]])
    with tf.GradientTape() as tape:
        log_p = policies.log_policy(q, 0.03, mask)
        entropy = policies.entropy(log_p)
    gradient = tape.gradient(entropy, q).numpy()
    assert np.exp(log_p.numpy())[0, 1] == 0.0
    assert np.isfinite(gradient).all()
    assert gradient[0, 1] == 0.0


def test_greedy_policy_takes_the_first_of_equal_actions_and_no_illegal_one():
    q = np.array([[1.0, 3.0, 3.0], [9.0, 1.0, 2.0]])
    mask = np.array([[True, True, True], [False, True, True]])
    np.testing.assert_array_equal(call(policies.greedy_policy, q), [[0, 1, 0], [1, 0, 0]])
    np.testing.assert_array_equal(call(policies.greedy_policy, q, mask), [[0, 1, 0], [0, 0, 1]])


def test_mixing_spreads_epsilon_over_the_legal_actions():
    p = np.array([[1.0, 0.0, 0.0, 0.0]])
    mask = np.array([[True, True, False, False]])
    np.testing.assert_allclose(
        call(policies.mix_with_uniform, p, 0.2), [[0.85, 0.05, 0.05, 0.05]]
    )
    np.testing.assert_allclose(
        call(policies.mix_with_uniform, p, 0.2, mask), [[0.9, 0.1, 0.0, 0.0]]
    )
