"""Actor-critic terms: oracles, gradients, signs, and the limit of an exact actor."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from erlctl.maths import actor_critic, policies, squashed_gaussian
from tests.maths.arrays import call, random_batch
from tests.oracles import backups

LOW, HIGH = np.array([-2.0, 0.0]), np.array([2.0, 1.0])


def random_policy(seed, shape=(16, 4)):
    return np.random.default_rng(seed).dirichlet(np.ones(shape[1]), shape[0])


@given(seed=st.integers(0, 2**32 - 1))
def test_critic_target_equals_the_paper(seed):
    batch, pi = random_batch(seed), random_policy(seed)
    value = call(
        actor_critic.soft_policy_value, np.minimum(batch["q_t"], batch["q_tp1"]), np.log(pi), 0.3
    )
    expected = backups.sac_discrete_target(
        batch["r_tp1"], batch["discount_tp1"], batch["q_t"], batch["q_tp1"], pi, t=0.3
    )
    actual = batch["r_tp1"] + batch["discount_tp1"] * value
    np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-12)


@given(seed=st.integers(0, 2**32 - 1))
def test_actor_loss_equals_the_paper(seed):
    batch, pi = random_batch(seed), random_policy(seed)
    smaller = np.minimum(batch["q_t"], batch["q_tp1"])
    actual = call(actor_critic.discrete_actor_loss, smaller, np.log(pi), 0.3)
    expected = backups.sac_discrete_actor_loss(batch["q_t"], batch["q_tp1"], pi, t=0.3)
    np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-12)


def test_exact_actor_gives_the_munchausen_target():
    """softmax(q / t) as the actor, one critic: y equals Munchausen DQN's, clip included."""
    batch = random_batch()
    log_pi_t = call(policies.log_policy, batch["q_t"], 0.3)
    log_pi_tp1 = call(policies.log_policy, batch["q_tp1"], 0.3)
    taken = log_pi_t[np.arange(16), batch["a_t"]]
    bonus = call(actor_critic.log_policy_bonus, taken, 0.3, 0.9, (-1.0, 0.0))
    value = call(actor_critic.soft_policy_value, batch["q_tp1"], log_pi_tp1, 0.3)
    expected = backups.munchausen_dqn(**batch, t=0.3, alpha=0.9, floor=-1.0)
    np.testing.assert_allclose(
        batch["r_tp1"] + bonus + batch["discount_tp1"] * value, expected, rtol=1e-12, atol=1e-12
    )


def test_actor_loss_has_its_minimum_at_the_softmax_and_leaves_the_critic_alone():
    q = tf.Variable(random_batch()["q_t"])
    logits = tf.Variable(q.numpy() / 0.3)
    with tf.GradientTape() as tape:
        log_pi = tf.nn.log_softmax(logits)
        loss = actor_critic.discrete_actor_loss(q, log_pi, 0.3)
    to_q, to_logits = tape.gradient(loss, [q, logits])
    assert to_q is None
    np.testing.assert_allclose(to_logits, 0.0, atol=1e-12)


@pytest.mark.parametrize(("entropy", "sign"), [(0.1, -1), (0.9, 1)])
def test_descent_raises_the_temperature_below_the_target_entropy(entropy, sign):
    log_temperature, measured = tf.Variable(-1.0), tf.Variable(entropy)
    with tf.GradientTape() as tape:
        loss = actor_critic.temperature_loss(log_temperature, measured, 0.5)
    slope, to_entropy = tape.gradient(loss, [log_temperature, measured])
    assert np.sign(slope) == sign
    assert to_entropy is None


def test_bonus_is_clipped_on_both_sides_and_has_no_gradient():
    log_prob = tf.Variable([-100.0, -1.0, 3.0, 100.0])
    with tf.GradientTape() as tape:
        bonus = actor_critic.log_policy_bonus(log_prob, 0.1, 0.5, (-1.0, 1.0))
    np.testing.assert_allclose(bonus, [-0.5, -0.05, 0.15, 0.5], rtol=1e-6)
    assert tape.gradient(bonus, log_prob) is None


@pytest.mark.parametrize(("bounding", "expected"), [
    ("clip", [-1.0, -0.2, 0.5, 1.0]), ("tanh", np.tanh([-20.0, -0.2, 0.5, 20.0])),
])
def test_bounded_log_density_stays_in_the_unit_interval(bounding, expected):
    log_prob = np.array([-400.0, -4.0, 10.0, 400.0])
    actual = call(actor_critic.bounded_log_density, log_prob, 0.5, bounding, 10.0)
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


@given(seed=st.integers(0, 2**32 - 1))
def test_squashed_log_density_equals_the_definition(seed):
    rng = np.random.default_rng(seed)
    loc, scale = rng.standard_normal((8, 2)), rng.uniform(0.1, 2.0, (8, 2))
    action = LOW + (HIGH - LOW) * rng.uniform(0.001, 0.999, (8, 2))
    actual = call(squashed_gaussian.log_density, action, loc, scale, LOW, HIGH)
    expected = backups.squashed_log_density(action, loc, scale, LOW, HIGH)
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-9)


def test_squashed_density_integrates_to_one():
    grid = np.linspace(-2.0, 2.0, 200_001)[1:-1, None]
    log_density = call(
        squashed_gaussian.log_density, grid, np.full_like(grid, 0.3), np.full_like(grid, 0.7),
        LOW[:1], HIGH[:1],
    )
    assert np.exp(log_density).sum() * (grid[1, 0] - grid[0, 0]) == pytest.approx(1.0, abs=1e-6)


def test_squashed_log_density_of_float32_actions_equals_float64():
    rng = np.random.default_rng(0)
    loc, scale = rng.standard_normal((64, 2)), rng.uniform(0.1, 1.0, (64, 2))
    u = loc + scale * rng.standard_normal((64, 2))
    action = (LOW + (HIGH - LOW) * (np.tanh(u) + 1) / 2).astype(np.float32)
    arguments = action.astype(np.float64), loc, scale, LOW, HIGH
    single = call(squashed_gaussian.log_density, *arguments, dtype=np.float32)
    np.testing.assert_allclose(
        single, call(squashed_gaussian.log_density, *arguments), rtol=1e-3, atol=1e-2
    )


def test_squashed_log_density_of_an_action_on_the_bound_is_finite():
    action = np.array([[2.0, 0.0], [-2.0, 1.0]])
    zeros, ones = np.zeros((2, 2)), np.ones((2, 2))
    for dtype in (np.float32, np.float64):
        assert np.isfinite(
            call(squashed_gaussian.log_density, action, zeros, ones, LOW, HIGH, dtype=dtype)
        ).all()


@given(seed=st.integers(0, 2**32 - 1))
def test_unsquash_inverts_the_squashing(seed):
    u = np.random.default_rng(seed).uniform(-5.0, 5.0, (8, 2))
    action = (LOW + HIGH) / 2 + (HIGH - LOW) / 2 * np.tanh(u)
    np.testing.assert_allclose(
        call(squashed_gaussian.unsquash, action, LOW, HIGH), u, rtol=1e-9, atol=1e-9
    )


def test_slope_of_tanh_is_finite_where_its_definition_underflows():
    u = np.array([-50.0, 0.0, 50.0])
    actual = call(squashed_gaussian.log_slope_of_tanh, u, dtype=np.float32)
    np.testing.assert_allclose(actual, [np.log(4) - 100, 0.0, np.log(4) - 100], atol=1e-4)


@pytest.mark.parametrize("edge", [LOW, HIGH])
def test_float32_densities_at_a_bound_are_those_of_the_stated_margin(edge):
    """atanh there multiplies the rounding of 1 - MARGIN by half a million."""
    loc, scale = np.array([[0.3] * len(LOW)]), np.array([[0.7] * len(LOW)])
    inside = edge + np.sign((LOW + HIGH) / 2 - edge) * squashed_gaussian.MARGIN * (HIGH - LOW) / 2
    expected = backups.squashed_log_density(inside[None], loc, scale, LOW, HIGH)
    actual = squashed_gaussian.log_density(*(
        tf.constant(x, tf.float32) for x in (edge[None], loc, scale, LOW, HIGH)
    ))
    np.testing.assert_allclose(actual, expected, rtol=1e-5)
