"""O2, O3, O8: schemes that are the same iterate by iterate, on the Garnet of the oracles."""

import numpy as np
import pytest

from erlctl.algorithms.base import Backup
from erlctl.algorithms.companion import AveragingWeight, Companion
from erlctl.maths import companion_rules
from tests.maths import schemes
from tests.oracles import tabular

GAMMA = 0.9
P, R = tabular.garnet(np.random.default_rng(0))
NUM_STATES, NUM_ACTIONS = R.shape
LOG_COUNT = np.log(NUM_ACTIONS)
PLAIN_MEAN = AveragingWeight()


def random_table(seed=1):
    return 0.1 * np.random.default_rng(seed).standard_normal(R.shape)


def companion_rule(rule, lam, tau, regularised=True, weight=PLAIN_MEAN):
    return Companion(
        rule=rule, kl_coefficient=lam, entropy_coefficient=tau,
        regularised_evaluation=regularised, weight=weight,
    )


def constant(beta):
    return AveragingWeight(grows=False, largest=beta)


def test_the_generator_still_makes_the_same_problem():
    q = tabular.optimal_q(P, R, GAMMA)
    actual = (q.sum(), q.max(-1)[0], R[:, 0].sum())
    np.testing.assert_allclose(actual, tabular.GARNET_CHECKSUMS, rtol=0, atol=1e-10)


@pytest.mark.parametrize("alpha", [0.3, 0.9])
def test_o2_munchausen_vi_is_mirror_descent_vi(alpha):
    """q_k = q'_k + alpha t log pi_k from q_0 = q'_0 - alpha t log A, and the policies are equal."""
    t = 0.03
    lam, tau = alpha * t, (1 - alpha) * t
    step = schemes.backup_step(P, R, GAMMA, schemes.munchausen(alpha, t))
    q = random_table()
    q_md, log_pi = q + lam * LOG_COUNT, np.full(R.shape, -LOG_COUNT)
    for _ in range(60):
        new_q_md, new_log_pi = tabular.mirror_descent_vi(
            P, R, GAMMA, q_md, log_pi, lam=lam, tau=tau, regularised=True
        )
        np.testing.assert_allclose(schemes.policy(q, t), np.exp(new_log_pi), atol=1e-12)
        q = step(q).numpy()
        q_md, log_pi = new_q_md, new_log_pi
        np.testing.assert_allclose(q, q_md + lam * log_pi, atol=1e-12)


@pytest.mark.parametrize("form", ["mirror_descent_indirect", "dual_averaging"])
@pytest.mark.parametrize("regularised", [True, False])
def test_o2_exactly_fitted_companions_are_mirror_descent_vi(form, regularised):
    """One period with both networks fitted is one tabular iteration, for MD-VI and DA-VI."""
    lam, tau = 0.27, 0.03
    declaration = companion_rule(form, lam, tau, regularised, constant(lam / (lam + tau)))
    q = q_md = random_table()
    c, log_pi = np.zeros(R.shape), np.full(R.shape, -LOG_COUNT)
    for k in range(40):
        q, c = schemes.companion_period(P, R, GAMMA, declaration, q, c, k)
        q_md, log_pi = tabular.mirror_descent_vi(
            P, R, GAMMA, q_md, log_pi, lam=lam, tau=tau, regularised=regularised
        )
        temperature = tau if form == "dual_averaging" else 1.0
        np.testing.assert_allclose(q, q_md, atol=1e-11)
        np.testing.assert_allclose(schemes.policy(c, temperature), np.exp(log_pi), atol=1e-10)


def test_o2_dual_averaging_holds_the_munchausen_gaps():
    """(1 - alpha)(q_k - max q_k) = h_k - max h_k, from h_0 = (1 - alpha) q'_0."""
    alpha, t = 0.9, 0.03
    lam, tau = alpha * t, (1 - alpha) * t
    declaration = companion_rule("dual_averaging", lam, tau, True, constant(alpha))
    step = schemes.backup_step(P, R, GAMMA, schemes.munchausen(alpha, t))
    q = random_table()
    q_da, h = q + lam * LOG_COUNT, np.zeros(R.shape)
    for k in range(60):
        q_da, h = schemes.companion_period(P, R, GAMMA, declaration, q_da, h, k)
        np.testing.assert_allclose(
            (1 - alpha) * (q - q.max(-1, keepdims=True)), h - h.max(-1, keepdims=True), atol=1e-12
        )
        q = step(q).numpy()


def test_o2_cvi_with_logsumexp_is_munchausen_vi():
    alpha, t = 0.9, 0.03
    step = schemes.backup_step(
        P, R, GAMMA, Backup(operator="logsumexp", temperature=t, gap_scale=alpha)
    )
    q = q_paper = random_table()
    for _ in range(60):
        q = step(q).numpy()
        q_paper = tabular.munchausen_vi(P, R, GAMMA, q_paper, alpha=alpha, t=t)
        np.testing.assert_allclose(q, q_paper, atol=1e-12)


def test_o2_alpha_one_is_mirror_descent_and_dual_averaging_without_entropy():
    """DPP (logsumexp) = MD-VI(t, 0) = DA-VI(t, 0) with the plain mean."""
    t = 0.1
    step = schemes.backup_step(P, R, GAMMA, schemes.munchausen(1.0, t))
    mirror = companion_rule("mirror_descent_indirect", t, 0.0)
    averaging = companion_rule("dual_averaging", t, 0.0)
    psi = random_table()
    q_md = q_da = psi + t * LOG_COUNT
    logits, h = np.zeros(R.shape), np.zeros(R.shape)
    for k in range(40):
        q_md, logits = schemes.companion_period(P, R, GAMMA, mirror, q_md, logits, k)
        q_da, h = schemes.companion_period(P, R, GAMMA, averaging, q_da, h, k)
        np.testing.assert_allclose(schemes.policy(psi, t), schemes.policy(logits, 1.0), atol=1e-11)
        np.testing.assert_allclose(
            schemes.policy(psi, t), schemes.policy(h, t / (k + 1)), atol=1e-11
        )
        np.testing.assert_allclose(q_md, q_da, atol=1e-11)
        psi = step(psi).numpy()


def test_o2_the_direct_loss_has_its_minimum_at_the_mirror_descent_policy():
    """The gradient with respect to the logits vanishes there and not at the prior."""
    lam, tau = 0.3, 0.1
    declaration = companion_rule("mirror_descent_direct", lam, tau)
    q, log_pi = random_table(), np.log(schemes.policy(random_table(2), 0.1))
    minimum = tabular.mirror_descent_step(q, log_pi, lam=lam, tau=tau)
    rule = companion_rules.COMPANION_RULES["mirror_descent_direct"]
    slope = schemes.companion_gradient(rule, declaration, q, log_pi, minimum)
    np.testing.assert_allclose(slope, 0.0, atol=1e-12)
    assert np.abs(schemes.companion_gradient(rule, declaration, q, log_pi, log_pi)).max() > 1e-3


def test_o3_mellowmax_differs_from_logsumexp_by_one_number():
    """c_{k+1} = gamma c_k + (gamma - alpha) t log A for every state and action."""
    alpha, t = 0.7, 0.05
    soft = schemes.backup_step(P, R, GAMMA, schemes.munchausen(alpha, t))
    mellow = schemes.backup_step(
        P, R, GAMMA, Backup(operator="mellowmax", temperature=t, gap_scale=alpha)
    )
    psi = phi = np.zeros(R.shape)
    c = 0.0
    for _ in range(80):
        psi, phi = soft(psi).numpy(), mellow(phi).numpy()
        c = GAMMA * c + (GAMMA - alpha) * t * LOG_COUNT
        np.testing.assert_allclose(psi - phi, c, atol=1e-13)
    assert c == pytest.approx(0.13859915, abs=1e-8)
    assert (GAMMA - alpha) * t * LOG_COUNT / (1 - GAMMA) == pytest.approx(0.13862944, abs=1e-8)


def test_o3_with_a_terminal_state_mellowmax_prefers_to_finish_and_logsumexp_not_to():
    """One state, actions "stay" and "finish", reward 0: only the entropy's origin decides.

    At discount 0 the difference grows by -alpha t log A, so it is not one number.
    """
    alpha = t = 0.5
    P = np.array([[[1.0], [0.0]]])  # finishing leads nowhere: its row is 0
    r = np.array([[0.0, 0.1]])
    soft, mellow = (
        schemes.backup_iteration(
            P, r, GAMMA, Backup(operator=operator, temperature=t, gap_scale=alpha), 200
        )[0]
        for operator in ("logsumexp", "mellowmax")
    )
    assert soft.argmax() == 0
    assert mellow.argmax() == 1
    assert np.ptp(soft - mellow) > 0.1


def test_o3_mellowmax_and_logsumexp_coincide_at_alpha_equal_to_gamma():
    soft = schemes.backup_iteration(P, R, GAMMA, schemes.munchausen(GAMMA, 0.05), 80)
    mellow = schemes.backup_iteration(
        P, R, GAMMA, Backup(operator="mellowmax", temperature=0.05, gap_scale=GAMMA), 80
    )
    np.testing.assert_allclose(soft, mellow, atol=1e-12)


@pytest.mark.parametrize("form", ["preference", "bounded"])
def test_q_plus_log_policy_is_dpp_iterate_by_iterate(form):
    """Psi_k = Q_k + C_k: exactly, also with the clip of the gap."""
    t, floor = 0.1, None if form == "preference" else -0.05
    declaration = Companion(
        rule="dynamic_policy_programming", kl_coefficient=t, log_policy_clip=floor
    )
    step = schemes.backup_step(P, R, GAMMA, schemes.munchausen(1.0, t, floor))
    psi = q = random_table()
    c = np.zeros(R.shape)
    for k in range(60):
        psi = step(psi).numpy()
        q, c = schemes.companion_period(P, R, GAMMA, declaration, q, c, k)
        np.testing.assert_allclose(psi, q + c, atol=1e-11)


def test_o8_momentum_companion_is_the_mean_of_all_action_values():
    """Weights (k + 1) / (k + 2), the companion fitted to the Q of the same period."""
    declaration = Companion(rule="momentum", weight=AveragingWeight(offset=1.0))
    rule = companion_rules.COMPANION_RULES["momentum"]
    q = h = total = np.zeros(R.shape)
    q_paper = h_paper = np.zeros(R.shape)
    for k in range(60):
        q = R + GAMMA * P @ rule.next_value(declaration, schemes.outputs(q, q, h, h), None).numpy()
        h = schemes.fit_companion(rule, declaration, q, h, np.float64(k))
        total = total + q
        q_paper, h_paper = tabular.momentum_vi(P, R, GAMMA, q_paper, h_paper, (k + 1) / (k + 2))
        np.testing.assert_allclose(h, total / (k + 2), atol=1e-12)
        np.testing.assert_allclose(h, h_paper, atol=1e-12)


def test_o8_momentum_with_weight_zero_is_value_iteration():
    declaration = Companion(rule="momentum", weight=constant(0.0))
    rule = companion_rules.COMPANION_RULES["momentum"]
    q = h = np.zeros(R.shape)
    for k in range(20):
        expected = R + GAMMA * P @ q.max(-1)
        q = R + GAMMA * P @ rule.next_value(declaration, schemes.outputs(q, q, h, h), None).numpy()
        h = schemes.fit_companion(rule, declaration, q, h, np.float64(k))
        np.testing.assert_allclose(q, expected, atol=1e-13)


def test_o8_dual_averaging_without_regularisation_is_speedy_q_learning():
    """lambda -> 0: s_{k+1} = s_k + a_k (T s_{k-1} - s_k) + (1 - a_k)(T s_k - T s_{k-1})."""
    lam = 1e-9
    declaration = companion_rule("dual_averaging", lam, 0.0)

    def bellman(x):
        return R + GAMMA * P @ x.max(-1)

    old, new = np.zeros(R.shape), bellman(np.zeros(R.shape)) / 2
    q = h = np.zeros(R.shape)
    for k in range(60):
        q, h = schemes.companion_period(P, R, GAMMA, declaration, q, h, k)
        if k >= 2:
            a = 1 / (k + 1)
            t_old, t_new = bellman(old), bellman(new)
            old, new = new, new + a * (t_old - new) + (1 - a) * (t_new - t_old)
            np.testing.assert_allclose(h, new, atol=1e-6)
