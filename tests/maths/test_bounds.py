"""O11: the theorems' inequalities, never tight, on the Garnet of the oracles."""

import numpy as np
import pytest

from erlctl.algorithms.base import Backup
from tests.maths import schemes
from tests.oracles import tabular

GAMMA = 0.9
P, R = tabular.garnet(np.random.default_rng(0))
LOG_COUNT = np.log(R.shape[1])
Q_STAR = tabular.optimal_q(P, R, GAMMA)


def policy_error(q, temperature):
    """Return the largest loss of value of the policy softmax(q / t)."""
    return np.abs(Q_STAR - tabular.policy_q(P, R, GAMMA, schemes.policy(q, temperature))).max()


def test_o11_entropy_regularisation_costs_at_most_geists_bounds():
    """0 <= q* - q_pi <= t log A / (1 - gamma) and 0 <= q_t - q* <= gamma t log A / (1 - gamma)."""
    t = 0.05
    soft = schemes.backup_iteration(P, R, GAMMA, schemes.munchausen(0.0, t), 600)
    loss = Q_STAR - tabular.policy_q(P, R, GAMMA, schemes.policy(soft, t))
    assert loss.min() >= -1e-12
    assert loss.max() <= t * LOG_COUNT / (1 - GAMMA)
    assert loss.max() == pytest.approx(0.1836, abs=1e-4)
    excess = soft - Q_STAR
    assert excess.min() >= -1e-12
    assert excess.max() <= GAMMA * t * LOG_COUNT / (1 - GAMMA)
    assert excess.max() == pytest.approx(0.2271, abs=1e-4)


def test_o11_kl_alone_converges_at_one_over_k():
    """|q* - q_pi_k| <= 4 v_max / ((1 - gamma) k), v_max = (r_max + lambda log A) / (1 - gamma).

    The constant is reconstructed from the text of arXiv:2003.14089 and holds here with room.
    """
    lam = 0.1
    v_max = (R.max() + lam * LOG_COUNT) / (1 - GAMMA)
    step = schemes.backup_step(P, R, GAMMA, schemes.munchausen(1.0, lam))
    psi = np.full(R.shape, -lam * LOG_COUNT)  # q_0 = 0 and a uniform first policy
    worst = 0.0
    for k in range(1, 101):
        worst = max(worst, policy_error(psi, lam) * (1 - GAMMA) * k / (4 * v_max))
        psi = step(psi).numpy()
    assert 0 < worst <= 0.05


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.8, 0.99])
def test_o11_entropy_and_kl_together_converge_geometrically(beta):
    """|q_t* - q_pi_k| <= gamma^k (1 + (1 - beta) / (1 - gamma)) sum_j (beta / gamma)^j v_max."""
    tau = 0.05
    total = tau / (1 - beta)
    optimal = tabular.soft_q(P, R, GAMMA, tau, 1000)
    v_max = (R.max() + tau * LOG_COUNT) / (1 - GAMMA)
    step = schemes.backup_step(P, R, GAMMA, schemes.munchausen(beta, total))
    q = np.full(R.shape, -beta * total * LOG_COUNT)
    for k in range(60):
        achieved = tabular.policy_q(P, R, GAMMA, schemes.policy(q, total), tau)
        error = np.abs(optimal - achieved).max()
        ratios = sum((beta / GAMMA) ** j for j in range(k + 1))
        bound = GAMMA**k * (1 + (1 - beta) / (1 - GAMMA)) * ratios * v_max
        assert error <= 0.1 * bound + 1e-11
        q = step(q).numpy()


@pytest.mark.parametrize("operator", ["logsumexp", "boltzmann"])
def test_o11_dpp_converges_at_one_over_k(operator):
    """|q* - q_pi_k| = O(1 / k), far below a bound in the style of Azar's (constants not his)."""
    t = 0.1
    backup = Backup(operator=operator, temperature=t, gap_scale=1.0)
    v_max = R.max() / (1 - GAMMA)
    psi = np.zeros_like(R)
    done = 0
    for k in (1, 10, 300):
        psi = schemes.backup_iteration(P, R, GAMMA, backup, k - done, psi)
        done = k
        bound = 2 * GAMMA * (4 * v_max + t * LOG_COUNT) / ((1 - GAMMA) ** 2 * (k + 1))
        assert policy_error(psi, t) <= 0.01 * bound


def test_o11_averaging_divides_the_variance_of_independent_errors():
    """Var E_beta = (1 - beta) / (1 + beta) Var e: within five standard errors of a seeded draw."""
    beta, count = 0.9, 200_000
    noise = np.random.default_rng(0).standard_normal(count)
    averaged = np.empty(count)
    state = 0.0
    for i, e in enumerate(noise):
        state = beta * state + (1 - beta) * e
        averaged[i] = state
    expected = (1 - beta) / (1 + beta)
    # Neighbours are correlated over (1 + beta) / (1 - beta) samples.
    error = expected * np.sqrt((2 / count) * (1 + beta**2) / (1 - beta**2))
    assert averaged[1000:].var() == pytest.approx(expected, abs=5 * error)
