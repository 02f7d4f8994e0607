"""O4 to O7, O9, O10: limits and fixed points, on the Garnet of the oracles and on a bandit."""

import numpy as np
import pytest
import tensorflow as tf

from erlctl.algorithms.base import Backup
from erlctl.algorithms.companion import AveragingWeight, Companion
from erlctl.maths import actor_critic, companion_rules, policies, values
from tests.maths import schemes
from tests.oracles import tabular

GAMMA = 0.9
P, R = tabular.garnet(np.random.default_rng(0))
Q_STAR = tabular.optimal_q(P, R, GAMMA)
V_STAR = Q_STAR.max(-1)
ADVANTAGE = Q_STAR - V_STAR[:, None]
BANDIT_P, BANDIT_R = np.ones((1, 2, 1)), np.array([[1.0, 0.0]])


def gaps(q):
    return q.max(-1, keepdims=True) - q


def boltzmann(q, t):
    return values.boltzmann(tf.constant(q), t).numpy()


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 0.9])
def test_o4_gaps_are_multiplied_by_one_over_one_minus_alpha(alpha):
    """Value and policy are those of the entropy problem with temperature (1 - alpha) t."""
    t = 0.03
    q = schemes.backup_iteration(P, R, GAMMA, schemes.munchausen(alpha, t), 2500)
    soft = tabular.soft_q(P, R, GAMMA, (1 - alpha) * t)
    np.testing.assert_allclose(gaps(q), gaps(soft) / (1 - alpha), atol=1e-10)
    np.testing.assert_allclose(
        tabular.logsumexp(q, t), tabular.logsumexp(soft, (1 - alpha) * t), atol=1e-11
    )
    np.testing.assert_allclose(
        schemes.policy(q, t), tabular.softmax(soft, (1 - alpha) * t), atol=1e-11
    )


@pytest.mark.parametrize("operator", ["logsumexp", "boltzmann"])
def test_o5_dpp_preferences_fall_by_the_advantage_at_each_iteration(operator):
    """The largest preference of a state tends to V*; the others diverge linearly."""
    backup = Backup(operator=operator, temperature=0.1, gap_scale=1.0)
    early = schemes.backup_iteration(P, R, GAMMA, backup, 3000)
    late = schemes.backup_iteration(P, R, GAMMA, backup, 1000, early)
    np.testing.assert_allclose((late - early) / 1000, ADVANTAGE, atol=1e-10)
    np.testing.assert_allclose(late.max(-1), V_STAR, atol=1e-10)
    assert np.abs(late).max() == pytest.approx(1525.28, abs=0.01)


def test_o5_dpp_without_an_end_loses_float32_resolution():
    """At |preference| = 1525 neighbouring float32 numbers are 1.2e-4 apart, at 1e6 0.0625."""
    assert np.spacing(np.float32(1525)) == pytest.approx(1.22e-4, rel=0.01)
    assert np.spacing(np.float32(1e6)) == 0.0625


def test_o6_munchausen_vi_at_a_tiny_temperature_is_advantage_learning():
    start = np.random.default_rng(1).standard_normal(R.shape)
    tiny = schemes.backup_iteration(P, R, GAMMA, schemes.munchausen(0.9, 1e-6), 200, start)
    hard = schemes.backup_iteration(P, R, GAMMA, Backup(gap_scale=0.9), 200, start)
    np.testing.assert_allclose(tiny, hard, atol=1e-4)


def test_o6_advantage_learning_ends_at_the_value_plus_the_stretched_advantage():
    q = schemes.backup_iteration(P, R, GAMMA, Backup(gap_scale=0.9), 2500)
    np.testing.assert_allclose(q, V_STAR[:, None] + ADVANTAGE / 0.1, atol=1e-10)


def test_o6_without_gap_and_temperature_it_is_value_iteration():
    q = schemes.backup_iteration(P, R, GAMMA, Backup(), 1000)
    np.testing.assert_allclose(q, Q_STAR, atol=1e-12)


def test_o7_clipped_gap_has_two_regimes():
    """x = gap* / (1 - alpha) below the clip, else gap* + alpha |clip|."""
    alpha, floor = 0.9, -0.05
    q = schemes.backup_iteration(P, R, GAMMA, schemes.munchausen(alpha, 1e-3, floor), 2500)
    small = (1 - alpha) * floor < ADVANTAGE
    expected = np.where(small, -ADVANTAGE / (1 - alpha), -ADVANTAGE - alpha * floor)
    np.testing.assert_allclose(gaps(q), expected, atol=1e-10)


def test_o7_bounded_dpp_ends_at_the_true_gap_plus_the_clip():
    q = schemes.backup_iteration(P, R, GAMMA, schemes.munchausen(1.0, 1e-3, -1.0), 2500)
    expected = np.where(ADVANTAGE < -1e-9, 1.0 - ADVANTAGE, 0.0)
    np.testing.assert_allclose(gaps(q), expected, atol=1e-10)
    np.testing.assert_allclose(tabular.logsumexp(q, 1e-3), V_STAR, atol=1e-10)


@pytest.mark.parametrize(("alpha", "temperature"), [(0.9, 0.03), (0.5, 1.0), (1.0, 0.2)])
def test_o9_bandit_gap_grows_as_the_geometric_sum(alpha, temperature):
    """(1 - alpha^k) / (1 - alpha) after k steps from 0, for every temperature; k for DPP."""
    step = schemes.backup_step(BANDIT_P, BANDIT_R, GAMMA, schemes.munchausen(alpha, temperature))
    q = np.zeros((1, 2))
    for k in range(1, 30):
        q = step(q).numpy()
        expected = k if alpha == 1 else (1 - alpha**k) / (1 - alpha)
        assert q[0, 0] - q[0, 1] == pytest.approx(expected, abs=1e-11)


def test_o9_bandit_value_is_the_entropy_regularised_one():
    alpha, t = 0.9, 0.03
    q = schemes.backup_iteration(BANDIT_P, BANDIT_R, GAMMA, schemes.munchausen(alpha, t), 1500)
    tau = (1 - alpha) * t
    expected = (1 + tau * np.log1p(np.exp(-1 / tau))) / (1 - GAMMA)
    assert tabular.logsumexp(q, t)[0] == pytest.approx(expected, abs=1e-10)


def test_o9_bandit_gap_of_dual_averaging_is_one_minus_beta_to_the_k():
    declaration = Companion(
        rule="dual_averaging", kl_coefficient=0.8, entropy_coefficient=0.2,
        regularised_evaluation=True, weight=AveragingWeight(grows=False, largest=0.8),
    )
    q, h = BANDIT_R, np.zeros((1, 2))
    for k in range(30):
        q, h = schemes.companion_period(BANDIT_P, BANDIT_R, GAMMA, declaration, q, h, k)
        assert h[0, 0] - h[0, 1] == pytest.approx(1 - 0.8 ** (k + 1), abs=1e-12)


def test_o10_original_dpp_evaluates_its_policy_without_regularisation():
    """Its value is V of pi, and pi = softmax(q_pi / ((1 - alpha) t))."""
    backup = Backup(operator="boltzmann", temperature=1.0, gap_scale=0.9)
    psi = schemes.backup_iteration(P, R, GAMMA, backup, 6000)
    pi = schemes.policy(psi, 1.0)
    q_pi = tabular.policy_q(P, R, GAMMA, pi)
    np.testing.assert_allclose(boltzmann(psi, 1.0), (pi * q_pi).sum(-1), atol=1e-10)
    np.testing.assert_allclose(pi, tabular.softmax(q_pi, 0.1), atol=1e-10)


def test_o10_a_bonus_of_the_actors_own_sample_is_only_a_smaller_temperature():
    """E_a~pi alpha t log pi(a|s) = -alpha t H: q + alpha t H is soft q of pi at (1 - alpha) t."""
    alpha, t = 0.9, 0.1
    pi = np.random.default_rng(1).dirichlet(np.ones(R.shape[1]), len(R))
    log_pi = tf.constant(np.log(pi))
    entropy = policies.entropy(log_pi)
    bonus = tf.reduce_sum(
        tf.constant(pi) * actor_critic.log_policy_bonus(log_pi, t, alpha, (None, None)), axis=-1
    )
    reward = tf.constant(R) + bonus[:, tf.newaxis]

    def step(q):
        value = actor_critic.soft_policy_value(q, log_pi, t)
        return reward + GAMMA * tf.linalg.matvec(tf.constant(P), value)

    q = schemes.iterate(step, 400, np.zeros_like(R))
    expected = tabular.policy_q(P, R, GAMMA, pi, (1 - alpha) * t)
    np.testing.assert_allclose(q + alpha * t * entropy.numpy()[:, None], expected, atol=1e-11)


def test_o10_a_bonus_of_the_replayed_action_is_munchausen_vi():
    """With the exact actor softmax(q / t) the discrete actor-critic is M-VI, iterate by iterate."""
    alpha, t = 0.9, 0.1
    step = schemes.backup_step(P, R, GAMMA, schemes.munchausen(alpha, t))
    q = expected = np.random.default_rng(2).standard_normal(R.shape)
    for _ in range(30):
        log_pi = policies.log_policy(tf.constant(q), t)
        bonus = actor_critic.log_policy_bonus(log_pi, t, alpha, (None, 0.0)).numpy()
        q = R + bonus + GAMMA * P @ actor_critic.soft_policy_value(q, log_pi, t).numpy()
        expected = step(expected).numpy()
        np.testing.assert_allclose(q, expected, atol=1e-11)


def test_momentum_error_falls_as_one_over_k():
    """After 300 iterations the average is 0.0418 from q*: tests on it need a slow tolerance."""
    declaration = Companion(rule="momentum")
    rule = companion_rules.COMPANION_RULES["momentum"]
    transition, reward = tf.constant(P), tf.constant(R)

    def step(table):
        q, h, k = table[0], table[1], table[2, 0, 0]
        value = rule.next_value(declaration, companion_rules.Outputs(q, q, h, h), k)
        q = reward + GAMMA * tf.linalg.matvec(transition, value)
        beta = (k + 1) / (k + 2)
        return tf.stack([q, beta * h + (1 - beta) * q, table[2] + 1])

    h = schemes.iterate(step, 300, np.zeros((3, *R.shape)))[1]
    assert np.abs(h - Q_STAR).max() == pytest.approx(0.0418, abs=1e-4)
