"""Value operators against the oracle, and their properties."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from erlctl.maths import values
from tests.maths.arrays import call, finite, rows, temperatures
from tests.oracles import operators

NAMES = sorted(values.VALUE_OPERATORS)
NON_EXPANSIONS = ["logsumexp", "max", "mellowmax"]


def apply(name, q, temperature, mask=None, dtype=np.float64):
    return call(values.VALUE_OPERATORS[name], q, temperature, mask, dtype=dtype)


@pytest.mark.parametrize("name", NAMES)
@given(q=rows(), temperature=temperatures)
def test_operator_equals_the_oracle(name, q, temperature):
    expected = operators.rows(operators.OPERATORS[name], q, temperature)
    np.testing.assert_allclose(apply(name, q, temperature), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
@given(q=rows(1000.0), temperature=temperatures)
def test_operator_in_float32_equals_the_oracle(name, q, temperature):
    q = q.astype(np.float32).astype(np.float64)
    expected = operators.rows(operators.OPERATORS[name], q, temperature)
    actual = apply(name, q, temperature, dtype=np.float32)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-4)


@given(q=rows(), temperature=temperatures)
def test_operators_keep_their_order(q, temperature):
    log_count = temperature * np.log(q.shape[-1])
    low, mean, mellow, top, soft = (
        apply("max", q, 1.0) - log_count, apply("boltzmann", q, temperature),
        apply("mellowmax", q, temperature), apply("max", q, 1.0),
        apply("logsumexp", q, temperature),
    )
    tolerance = 1e-9
    assert (low <= mellow + tolerance).all()
    assert (mellow <= top + tolerance).all()
    assert (mean <= top + tolerance).all()
    assert (top <= soft + tolerance).all()
    assert (soft <= top + log_count + tolerance).all()


@pytest.mark.parametrize("name", NON_EXPANSIONS)
@given(q=rows(), noise=st.integers(0, 2**32 - 1), temperature=temperatures)
def test_operator_is_a_non_expansion(name, q, noise, temperature):
    other = q + np.random.default_rng(noise).standard_normal(q.shape)
    change = np.abs(apply(name, q, temperature) - apply(name, other, temperature))
    assert (change <= np.abs(q - other).max(-1) + 1e-9).all()


def test_boltzmann_is_no_non_expansion():
    q, other = np.array([[1.0, 0.0]]), np.array([[1.01, 0.0]])
    change = apply("boltzmann", other, 0.4) - apply("boltzmann", q, 0.4)
    assert change[0] > 1.05 * 0.01


@pytest.mark.parametrize("name", NAMES)
@given(q=rows(), shift=finite(50.0), temperature=temperatures)
def test_adding_a_constant_adds_it_to_the_value(name, q, shift, temperature):
    np.testing.assert_allclose(
        apply(name, q + shift, temperature), apply(name, q, temperature) + shift,
        rtol=1e-10, atol=1e-10,
    )


@pytest.mark.parametrize("name", NAMES)
@given(q=rows(), factor=st.floats(0.1, 10.0), temperature=temperatures)
def test_scaling_values_and_temperature_scales_the_result(name, q, factor, temperature):
    np.testing.assert_allclose(
        apply(name, factor * q, factor * temperature), factor * apply(name, q, temperature),
        rtol=1e-10, atol=1e-10,
    )


@pytest.mark.parametrize("name", NAMES)
@given(q=rows(), temperature=temperatures, data=st.data())
def test_the_order_of_actions_does_not_matter(name, q, temperature, data):
    order = data.draw(st.permutations(range(q.shape[-1])))
    np.testing.assert_allclose(
        apply(name, q[:, order], temperature), apply(name, q, temperature), rtol=1e-10, atol=1e-10
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
@given(q=rows(), temperature=temperatures, data=st.data())
def test_a_mask_equals_dropping_the_columns(name, dtype, q, temperature, data):
    legal = data.draw(st.sets(st.integers(0, q.shape[-1] - 1), min_size=1))
    columns = sorted(legal)
    mask = np.zeros(q.shape, bool)
    mask[:, columns] = True
    masked = apply(name, q, temperature, mask, dtype=dtype)
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(
        masked, apply(name, q[:, columns], temperature, dtype=dtype), rtol=tolerance, atol=tolerance
    )


@pytest.mark.parametrize("name", NAMES)
def test_reduction_is_over_the_last_axis_only(name):
    q = np.random.default_rng(0).standard_normal((2, 3, 4))
    flat = apply(name, q.reshape(6, 4), 0.3)
    np.testing.assert_allclose(apply(name, q, 0.3), flat.reshape(2, 3), rtol=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_operator_tends_to_the_maximum(name):
    q = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(apply(name, q, 1e-6), q.max(-1), atol=2e-6)


@pytest.mark.parametrize("name", NAMES)
def test_extreme_float32_values_stay_finite(name):
    q = np.array([[1e30, -1e30, 0.0], [-1e30, -1e30, -1e30]])
    assert np.isfinite(apply(name, q, 0.01, dtype=np.float32)).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("masked", [False, True])
def test_gradient_equals_finite_differences(name, masked):
    q = np.random.default_rng(3).standard_normal((1, 4))
    mask = np.array([[True, False, True, True]]) if masked else None
    variable = tf.Variable(q)
    with tf.GradientTape() as tape:
        value = values.VALUE_OPERATORS[name](variable, 0.3, mask)
    gradient = tape.gradient(value, variable).numpy()
    for action, unit in enumerate(np.eye(4) * 1e-6):
        slope = (apply(name, q + unit, 0.3, mask) - apply(name, q - unit, 0.3, mask)) / 2e-6
        np.testing.assert_allclose(gradient[0, action], slope[0], atol=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_xla_gives_the_same_value(name):
    q = tf.constant(np.random.default_rng(0).standard_normal((3, 4)))
    mask = tf.constant([[True, True, False, True]] * 3)
    operator = values.VALUE_OPERATORS[name]
    compiled = tf.function(lambda x, m: operator(x, 0.03, m), jit_compile=True)
    np.testing.assert_allclose(compiled(q, mask), operator(q, 0.03, mask), rtol=1e-12, atol=1e-12)


def test_temperature_may_be_a_tensor():
    q = np.array([[1.0, 2.0, 3.0]])
    for name in NAMES:
        np.testing.assert_allclose(
            apply(name, q, tf.constant(0.5, tf.float64)), apply(name, q, 0.5), rtol=1e-14
        )


def test_take_action_takes_the_last_axis():
    q = np.arange(24.0).reshape(2, 3, 4)
    action = np.array([[0, 1, 2], [3, 0, 1]])
    expected = np.take_along_axis(q, action[..., None], -1)[..., 0]
    np.testing.assert_array_equal(call(values.take_action, q, action), expected)


@pytest.mark.parametrize("num_actions", [1, 2, values.MAX_UNROLLED, values.MAX_UNROLLED + 1, 18])
def test_short_and_long_rows_of_actions_are_reduced_alike(num_actions):
    x = np.random.default_rng(0).standard_normal((3, 5, num_actions))
    np.testing.assert_array_equal(values.max_over_actions(tf.constant(x)), x.max(-1))
    np.testing.assert_allclose(values.sum_over_actions(tf.constant(x)), x.sum(-1), rtol=1e-13)
