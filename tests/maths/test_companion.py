"""Two-network terms and rules: oracles, gradients, masks, schedules."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from erlctl.algorithms.companion import AveragingWeight, Companion
from erlctl.maths import companion, companion_rules
from tests.maths.arrays import call
from tests.oracles import backups, operators

RULES = companion_rules.COMPANION_RULES
DECLARATIONS = {
    rule: Companion(
        rule=rule, kl_coefficient=0.6, entropy_coefficient=0.2, regularised_evaluation=True,
        weight=AveragingWeight(grows=False, largest=0.75), log_policy_clip=-1.0,
    )
    for rule in RULES
}
ACTION = np.array([0, 2, 1, 1])


def tables(seed=0, num_samples=4, num_actions=3):
    """Return q, q_target, companion, companion_target."""
    return np.random.default_rng(seed).standard_normal((4, num_samples, num_actions))


def policy(logits, t=1.0):
    return np.array([operators.softmax(row, t) for row in logits])


def squared(target, prediction):
    return tf.square(target - prediction)


def next_value(rule, x, k=3.0, mask=None, dtype=np.float64):
    def run(q, q_target, c, c_target):
        at = companion_rules.Outputs(q, q_target, c, c_target, mask)
        return RULES[rule].next_value(DECLARATIONS[rule], at, tf.constant(k, q.dtype))

    return call(run, *x, dtype=dtype)


def loss(rule, x, k=3.0, mask=None, dtype=np.float64, action=ACTION):
    def run(q, q_target, c, c_target, a):
        at = companion_rules.Outputs(q, q_target, c, c_target, mask)
        return RULES[rule].loss(DECLARATIONS[rule], at, a, tf.constant(k, q.dtype), squared)

    return call(run, *x, action, dtype=dtype)


@given(seed=st.integers(0, 2**32 - 1), regularised=st.booleans())
def test_evaluation_value_equals_the_paper(seed, regularised):
    q, _, logits, prior_logits = tables(seed)
    pi, prior = policy(logits), policy(prior_logits)
    actual = call(
        companion.evaluation_value, q, np.log(pi), np.log(prior), kl_coefficient=0.6,
        entropy_coefficient=0.2, regularised=regularised,
    )
    expected = backups.evaluation_value(q, pi, prior, lam=0.6, tau=0.2, regularised=regularised)
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-12)


@given(seed=st.integers(0, 2**32 - 1))
def test_mirror_descent_logits_are_the_papers_policy(seed):
    q, _, _, prior_logits = tables(seed)
    prior = policy(prior_logits)
    logits = call(
        companion.mirror_descent_logits, q, np.log(prior), kl_coefficient=0.6,
        entropy_coefficient=0.2,
    )
    expected = backups.mirror_descent_policy(q, prior, lam=0.6, tau=0.2)
    np.testing.assert_allclose(policy(logits), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(logits.max(-1), 0.0)


@given(seed=st.integers(0, 2**32 - 1))
def test_direct_loss_equals_the_paper_and_is_smallest_at_the_step(seed):
    q, _, logits, prior_logits = tables(seed)
    pi, prior = policy(logits), policy(prior_logits)
    best = backups.mirror_descent_policy(q, prior, lam=0.6, tau=0.2)

    def direct(p):
        return call(
            companion.mirror_descent_loss, q, np.log(p), np.log(prior), kl_coefficient=0.6,
            entropy_coefficient=0.2,
        )

    expected = backups.mirror_descent_loss(q, pi, prior, lam=0.6, tau=0.2)
    np.testing.assert_allclose(direct(pi), expected, rtol=1e-12, atol=1e-12)
    assert (direct(best) <= direct(pi) + 1e-12).all()


def test_momentum_values_the_target_q_at_the_argmax_of_the_target_companion():
    x = tables()
    np.testing.assert_array_equal(
        next_value("momentum", x), backups.momentum_value(x[1], x[3])
    )


def test_momentum_fits_the_average_with_the_online_q_of_the_replayed_action():
    q, _, c, c_target = x = tables()
    target = backups.averaged_companion(c_target, q, ACTION, beta=0.75)
    expected = (target - c[np.arange(4), ACTION]) ** 2
    np.testing.assert_allclose(loss("momentum", x), expected, rtol=1e-12)


def test_dual_averaging_fits_the_average_with_the_target_q():
    _, q_target, c, c_target = x = tables()
    target = backups.averaged_companion(c_target, q_target, ACTION, beta=0.75)
    expected = (target - c[np.arange(4), ACTION]) ** 2
    np.testing.assert_allclose(loss("dual_averaging", x), expected, rtol=1e-12)


@pytest.mark.parametrize(("rule", "temperature"), [
    ("dual_averaging", 0.2), ("mirror_descent_direct", 1.0), ("mirror_descent_indirect", 1.0),
])
def test_evaluated_policy_is_the_online_companions_and_the_prior_the_targets(rule, temperature):
    _, q_target, c, c_target = x = tables()
    expected = backups.evaluation_value(
        q_target, policy(c, temperature), policy(c_target, temperature), lam=0.6, tau=0.2,
        regularised=True,
    )
    np.testing.assert_allclose(next_value(rule, x), expected, rtol=1e-11, atol=1e-12)


def test_preference_rule_sums_target_q_and_target_companion():
    _, q_target, _, c_target = x = tables()
    expected = operators.rows(operators.logsumexp, q_target + c_target, 0.6)
    np.testing.assert_allclose(next_value("dynamic_policy_programming", x), expected, rtol=1e-12)


@pytest.mark.parametrize("low", [None, -0.5])
def test_scaled_log_policy_equals_the_oracle_and_is_clipped(low):
    preference = tables()[0]
    expected = np.array([operators.scaled_log_policy(row, 0.3) for row in preference])
    expected = expected if low is None else np.maximum(expected, low)
    actual = call(companion.scaled_log_policy, preference, 0.3, low)
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("rule", sorted(RULES))
def test_only_the_online_companion_gets_a_gradient_from_its_loss(rule):
    variables = [tf.Variable(x) for x in tables()]
    with tf.GradientTape(persistent=True) as tape:
        at = companion_rules.Outputs(*[tf.convert_to_tensor(v) for v in variables])
        k = tf.constant(3.0, tf.float64)
        value = RULES[rule].next_value(DECLARATIONS[rule], at, k)
        error = RULES[rule].loss(DECLARATIONS[rule], at, tf.constant(ACTION), k, squared)
    assert tape.gradient(value, variables) == [None] * 4
    q, q_target, c, c_target = tape.gradient(error, variables)
    assert (q, q_target, c_target) == (None, None, None)
    assert np.abs(tf.convert_to_tensor(c).numpy()).max() > 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rule", sorted(RULES))
def test_masked_rules_equal_dropping_the_columns(rule, dtype):
    x = tables(num_actions=5)
    mask = np.tile([True, True, True, False, False], (4, 1))
    dropped = [table[:, :3] for table in x]
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    for function in (next_value, loss):
        masked = function(rule, x, mask=tf.constant(mask), dtype=dtype)
        np.testing.assert_allclose(
            masked, function(rule, dropped, dtype=dtype), rtol=tolerance, atol=tolerance
        )


@pytest.mark.parametrize("rule", sorted(RULES))
def test_masked_losses_have_finite_gradients(rule):
    variables = [tf.Variable(x, dtype=tf.float32) for x in tables()]
    mask = tf.constant(np.tile([True, True, False], (4, 1)))
    with tf.GradientTape() as tape:
        at = companion_rules.Outputs(*[tf.convert_to_tensor(v) for v in variables], mask)
        error = RULES[rule].loss(
            DECLARATIONS[rule], at, tf.zeros([4], tf.int32), tf.constant(3.0), squared
        )
    gradient = tf.convert_to_tensor(tape.gradient(error, variables[2])).numpy()
    assert np.isfinite(gradient).all()
    np.testing.assert_array_equal(gradient[:, 2], 0.0)


def test_averaging_weight_grows_to_its_limit():
    grows = AveragingWeight(grows=True, offset=0.0, largest=0.9)
    weights = [float(companion.averaging_weight(grows, tf.constant(float(k)))) for k in range(20)]
    np.testing.assert_allclose(weights[:4], [0.0, 1 / 2, 2 / 3, 3 / 4], rtol=1e-6)
    assert weights == sorted(weights)
    assert weights[-1] == pytest.approx(0.9)


def test_constant_averaging_weight_ignores_the_count():
    fixed = AveragingWeight(grows=False, largest=0.9)
    assert float(companion.averaging_weight(fixed, tf.constant(0.0))) == pytest.approx(0.9)


def test_dual_averaging_temperature_falls_only_without_entropy():
    k = tf.constant(4.0)
    assert float(companion.dual_averaging_temperature(0.5, 0.0, k)) == pytest.approx(0.1)
    assert float(companion.dual_averaging_temperature(0.5, 0.2, k)) == pytest.approx(0.2)


def test_first_policy_of_dual_averaging_without_entropy_is_pulled_to_the_uniform_one():
    declaration = Companion(
        rule="dual_averaging", kl_coefficient=0.5, regularised_evaluation=True
    )
    x = [tf.constant(table) for table in tables()]
    k = tf.constant(0.0, tf.float64)
    value = RULES["dual_averaging"].next_value(declaration, companion_rules.Outputs(*x), k)
    pi = policy(x[2].numpy(), 0.5)
    uniform = np.full_like(pi, 1 / 3)
    expected = backups.evaluation_value(x[1], pi, uniform, lam=0.5, tau=0.0, regularised=True)
    np.testing.assert_allclose(value, expected, rtol=1e-12)


@pytest.mark.parametrize("rule", sorted(RULES))
def test_rules_give_the_temperature_of_their_own_policy(rule):
    expected = {"momentum": 0.0, "dual_averaging": 0.2, "dynamic_policy_programming": 0.6}
    actual = RULES[rule].temperature(DECLARATIONS[rule], tf.constant(3.0))
    assert float(actual) == pytest.approx(expected.get(rule, 1.0))


@pytest.mark.parametrize("rule", sorted(RULES))
def test_xla_gives_the_same_value_and_loss(rule):
    mask = tf.constant(np.tile([True, True, True, False], (4, 1)))
    x = [tf.constant(table, tf.float32) for table in tables(num_actions=4)]

    def both(*x):
        at = companion_rules.Outputs(*x, mask)
        k = tf.constant(3.0)
        return (
            RULES[rule].next_value(DECLARATIONS[rule], at, k),
            RULES[rule].loss(DECLARATIONS[rule], at, tf.constant([0, 1, 2, 0]), k, squared),
        )

    for compiled, eager in zip(tf.function(both, jit_compile=True)(*x), both(*x), strict=True):
        np.testing.assert_allclose(compiled, eager, rtol=1e-5, atol=1e-5)
