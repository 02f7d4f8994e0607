"""NumPy float64 transcriptions of every target, one loop per sample. Must not import erlctl."""

import math

import numpy as np

from tests.oracles.operators import (
    OPERATORS,
    boltzmann,
    entropy,
    kl_divergence,
    logsumexp,
    mellowmax,
    softmax,
    sparse_policy,
    sparsemax,
)


def _samples(q_t, a_t, r_tp1, discount_tp1, q_tp1):
    return zip(q_t, a_t, r_tp1, discount_tp1, q_tp1, strict=True)


def dqn(q_t, a_t, r_tp1, discount_tp1, q_tp1):
    """r + gamma d max_a' q(s', a')  (Mnih et al. 2015)."""
    return np.array([
        r + d * max(q_next) for _, _, r, d, q_next in _samples(q_t, a_t, r_tp1, discount_tp1, q_tp1)
    ])


def double_dqn(q_t, a_t, r_tp1, discount_tp1, q_tp1, *, online_q_tp1):
    """r + gamma d q_target(s', argmax_a q_online(s', a))  (van Hasselt et al. 2016)."""
    targets = []
    for r, d, q_next, online in zip(r_tp1, discount_tp1, q_tp1, online_q_tp1, strict=True):
        targets.append(r + d * q_next[int(np.argmax(online))])
    return np.array(targets)


def soft_dqn(q_t, a_t, r_tp1, discount_tp1, q_tp1, *, t):
    """r + gamma d sum_a' pi(a'|s') (q(s', a') - t ln pi(a'|s')), pi = softmax(q / t)."""
    targets = []
    for _, _, r, d, q_next in _samples(q_t, a_t, r_tp1, discount_tp1, q_tp1):
        pi = softmax(q_next, t)
        targets.append(r + d * (sum(pi * q_next) + t * entropy(pi)))
    return np.array(targets)


def advantage_learning(q_t, a_t, r_tp1, discount_tp1, q_tp1, *, alpha):
    """r + gamma d max q(s') - alpha (max_b q(s, b) - q(s, a))  (Bellemare et al. 2016)."""
    targets = []
    for q, a, r, d, q_next in _samples(q_t, a_t, r_tp1, discount_tp1, q_tp1):
        targets.append(r + d * max(q_next) - alpha * (max(q) - q[a]))
    return np.array(targets)


def persistent_advantage_learning(q_t, a_t, r_tp1, discount_tp1, q_tp1, *, alpha):
    """r + gamma d max q(s') - alpha min(max q(s) - q(s, a), max q(s') - q(s', a)): PFRL's form."""
    targets = []
    for q, a, r, d, q_next in _samples(q_t, a_t, r_tp1, discount_tp1, q_tp1):
        gap = min(max(q) - q[a], max(q_next) - q_next[a])
        targets.append(r + d * max(q_next) - alpha * gap)
    return np.array(targets)


def dpp(q_t, a_t, r_tp1, discount_tp1, q_tp1, *, t, operator):
    """r + Psi(s, a) - V(Psi(s)) + gamma d V(Psi(s'))  (Azar et al. 2012), V = L or M."""
    value = {"logsumexp": logsumexp, "boltzmann": boltzmann}[operator]
    targets = []
    for psi, a, r, d, psi_next in _samples(q_t, a_t, r_tp1, discount_tp1, q_tp1):
        targets.append(r + psi[a] - value(psi, t) + d * value(psi_next, t))
    return np.array(targets)


def bounded_dpp(q_t, a_t, r_tp1, discount_tp1, q_tp1, *, t, floor):
    """r + clip(Psi(s, a) - L Psi(s), floor, 0) + gamma d L Psi(s')."""
    targets = []
    for psi, a, r, d, psi_next in _samples(q_t, a_t, r_tp1, discount_tp1, q_tp1):
        gap = np.clip(psi[a] - logsumexp(psi, t), floor, 0.0)
        targets.append(r + gap + d * logsumexp(psi_next, t))
    return np.array(targets)


def cvi(q_t, a_t, r_tp1, discount_tp1, q_tp1, *, t, alpha):
    """r + gamma d m(Psi(s')) + alpha (Psi(s, a) - m(Psi(s))), m mellowmax  (Kozuno et al. 2019)."""
    targets = []
    for psi, a, r, d, psi_next in _samples(q_t, a_t, r_tp1, discount_tp1, q_tp1):
        gap = psi[a] - mellowmax(psi, t)
        targets.append(r + d * mellowmax(psi_next, t) + alpha * gap)
    return np.array(targets)


def original_dpp(q_t, a_t, r_tp1, discount_tp1, q_tp1, *, t, alpha):
    """r + gamma d M(P(s')) + alpha (P(s, a) - M(P(s))): the original repository's DPP_DQN."""
    targets = []
    for p, a, r, d, p_next in _samples(q_t, a_t, r_tp1, discount_tp1, q_tp1):
        targets.append(r + d * boltzmann(p_next, t) + alpha * (p[a] - boltzmann(p, t)))
    return np.array(targets)


def munchausen_dqn(q_t, a_t, r_tp1, discount_tp1, q_tp1, *, t, alpha, floor):
    """r + alpha [t ln pi(a|s)]_floor^0 + gamma d sum pi (q(s') - t ln pi)  (arXiv:2007.14430)."""
    targets = []
    for q, a, r, d, q_next in _samples(q_t, a_t, r_tp1, discount_tp1, q_tp1):
        bonus = q[a] - logsumexp(q, t)  # t ln pi(a|s); ln(softmax) would underflow
        if floor is not None:
            bonus = min(max(bonus, floor), 0.0)
        pi_next = softmax(q_next, t)
        value = sum(pi_next * q_next) + t * entropy(pi_next)
        targets.append(r + alpha * bonus + d * value)
    return np.array(targets)


def regularised(q_t, a_t, r_tp1, discount_tp1, q_tp1, *, operator, t, alpha, low, high):
    """The scheme in general: r + alpha clip(q(s, a) - V q(s), low, high) + gamma d V q(s')."""
    value = OPERATORS[operator]
    targets = []
    for q, a, r, d, q_next in _samples(q_t, a_t, r_tp1, discount_tp1, q_tp1):
        gap = q[a] - value(q, t)
        gap = gap if low is None else max(gap, low)
        gap = gap if high is None else min(gap, high)
        targets.append(r + alpha * gap + d * value(q_next, t))
    return np.array(targets)


def averaged_companion(companion_t, q_t, a_t, *, beta):
    """beta H(s, a) + (1 - beta) Q(s, a)."""
    return np.array([
        beta * h[a] + (1 - beta) * q[a] for h, q, a in zip(companion_t, q_t, a_t, strict=True)
    ])


def momentum_value(q_tp1, companion_tp1):
    """Q(s', argmax_a H(s', a))."""
    return np.array([q[int(np.argmax(h))] for q, h in zip(q_tp1, companion_tp1, strict=True)])


def evaluation_value(q_tp1, pi, prior, *, lam, tau, regularised):
    """<pi, q> - lam KL(pi || prior) + tau H(pi), or <pi, q>  (arXiv:2003.14089)."""
    results = []
    for q, p, m in zip(q_tp1, pi, prior, strict=True):
        value = sum(p * q)
        if regularised:
            value += -lam * kl_divergence(p, m) + tau * entropy(p)
        results.append(value)
    return np.array(results)


def mirror_descent_policy(q, prior, *, lam, tau):
    """pi ∝ prior^(lam / (lam + tau)) exp(q / (lam + tau)), as a product of probabilities."""
    results = []
    for row, m in zip(q, prior, strict=True):
        weights = np.array([
            m_a ** (lam / (lam + tau)) * math.exp((x - max(row)) / (lam + tau))
            for m_a, x in zip(m, row, strict=True)
        ])
        results.append(weights / weights.sum())
    return np.array(results)


def mirror_descent_loss(q, pi, prior, *, lam, tau):
    """lam KL(pi || prior) - tau H(pi) - <pi, q>."""
    return -evaluation_value(q, pi, prior, lam=lam, tau=tau, regularised=True)


def sac_discrete_target(r_tp1, discount_tp1, q1_tp1, q2_tp1, pi_tp1, *, t):
    """r + gamma d sum_a pi(a|s') [min_i q_i(s', a) - t ln pi(a|s')]  (arXiv:1910.07207)."""
    targets = []
    for r, d, q1, q2, pi in zip(r_tp1, discount_tp1, q1_tp1, q2_tp1, pi_tp1, strict=True):
        terms = [
            p * (min(x, y) - t * math.log(p)) for p, x, y in zip(pi, q1, q2, strict=True) if p > 0
        ]
        targets.append(r + d * sum(terms))
    return np.array(targets)


def sac_discrete_actor_loss(q1, q2, pi, *, t):
    """sum_a pi(a|s) [t ln pi(a|s) - min_i q_i(s, a)]."""
    return np.array([
        sum(p * (t * math.log(p) - min(x, y)) for p, x, y in zip(row, a, b, strict=True) if p > 0)
        for row, a, b in zip(pi, q1, q2, strict=True)
    ])


def squashed_log_density(action, loc, scale, low, high):
    """ln N(u) - sum ln(da/du), u = atanh of the action scaled to (-1, 1)."""
    results = []
    for a, m, s in zip(action, loc, scale, strict=True):
        total = 0.0
        for a_i, m_i, s_i, low_i, high_i in zip(a, m, s, low, high, strict=True):
            unit = (a_i - (low_i + high_i) / 2) / ((high_i - low_i) / 2)
            u = 0.5 * math.log((1 + unit) / (1 - unit))
            normal = -((u - m_i) ** 2) / (2 * s_i**2) - math.log(s_i * math.sqrt(2 * math.pi))
            total += normal - math.log((1 - unit**2) * (high_i - low_i) / 2)
        results.append(total)
    return np.array(results)


def quantile_huber_loss(predictions, fractions, target, *, kappa):
    """sum_j mean_i |sigma_j - 1{u < 0}| Huber(u) / kappa, u = y_i - z_j  (arXiv:1806.06923)."""
    results = []
    for z, sigma, y in zip(predictions, fractions, target, strict=True):
        total = 0.0
        for z_j, sigma_j in zip(z, sigma, strict=True):
            for y_i in y:
                u = y_i - z_j
                huber = u * u / 2 if abs(u) <= kappa else kappa * (abs(u) - kappa / 2)
                total += abs(sigma_j - (1.0 if u < 0 else 0.0)) * huber / kappa / len(y)
        results.append(total)
    return np.array(results)


def munchausen_iqn(r_tp1, discount_tp1, q_t, a_t, q_tp1, z_tp1, *, t, alpha, floor):
    """r + alpha [t ln pi(a|s)]_floor^0 + gamma d sum pi(a') (z_i(s', a') - t ln pi(a'))."""
    targets = []
    for q, a, r, d, q_next, z in zip(q_t, a_t, r_tp1, discount_tp1, q_tp1, z_tp1, strict=True):
        bonus = 0.0 if alpha == 0 else alpha * min(max(q[a] - logsumexp(q, t), floor), 0.0)
        pi = softmax(q_next, t)
        targets.append([r + bonus + d * (sum(pi * z_i) + t * entropy(pi)) for z_i in z])
    return np.array(targets)


def tsallis_dqn_logarithm(q_t, a_t, r_tp1, discount_tp1, q_tp1, *, t, alpha, floor):
    """r + alpha max(t (1 - 1 / pi(a|s)), floor) + gamma d V q(s'), pi = sparsemax(q / t)."""
    targets = []
    for q, a, r, d, q_next in _samples(q_t, a_t, r_tp1, discount_tp1, q_tp1):
        p = sparse_policy(q, t)[a]
        bonus = max(t * (1.0 - 1.0 / p), floor) if p > 0 else floor
        targets.append(r + alpha * bonus + d * sparsemax(q_next, t))
    return np.array(targets)
