"""Tabular schemes in NumPy float64, one line per line of the papers. Must not import erlctl.

Tables are q[s, a]; P[s, a, s'] and r[s, a] define the problem.
"""

import numpy as np

from tests.oracles import operators

# Checksums of `garnet(np.random.default_rng(0))` at gamma 0.9: sum of q*, v*[0], sum of rewards.
GARNET_CHECKSUMS = (119.3373015154, 1.3133939242, 1.2954949740)


def garnet(rng, num_states=30, num_actions=4, branching=4):
    """A random problem: `branching` next states a pair, rewards U(0, 1) on a tenth of states."""
    P = np.zeros((num_states, num_actions, num_states))
    for s in range(num_states):
        for a in range(num_actions):
            successors = rng.choice(num_states, branching, replace=False)
            cuts = np.sort(np.r_[0, rng.random(branching - 1), 1])
            P[s, a, successors] = np.diff(cuts)
    reward = np.zeros(num_states)
    count = max(1, num_states // 10)
    amounts = rng.random(count)
    reward[rng.choice(num_states, count, replace=False)] = amounts
    return P, np.repeat(reward[:, None], num_actions, 1)


def logsumexp(q, t):
    """t log sum exp(q / t) over actions; max at t = 0."""
    top = q.max(-1)
    return top if t == 0 else top + t * np.log(np.exp((q - top[..., None]) / t).sum(-1))


def scaled_log_policy(q, t):
    """t log softmax(q / t)."""
    return q - logsumexp(q, t)[..., None]


def softmax(q, t):
    """softmax(q / t); greedy (first action) at t = 0."""
    if t == 0:
        return np.eye(q.shape[-1])[q.argmax(-1)]
    return np.exp(scaled_log_policy(q, t) / t)


def mellowmax(q, t):
    """t log mean exp(q / t)."""
    return logsumexp(q, t) - t * np.log(q.shape[-1])


def boltzmann(q, t):
    """sum softmax(q / t) q."""
    return (softmax(q, t) * q).sum(-1)


def sparsemax(q, t):
    """max over p of <p, q> + t / 2 sum p (1 - p)."""
    return operators.rows(operators.sparsemax, q, t)


OPERATORS = {
    "logsumexp": logsumexp, "mellowmax": mellowmax, "boltzmann": boltzmann, "sparsemax": sparsemax,
}


def entropy(p):
    """-sum p log p, with 0 log 0 = 0."""
    return -(p * np.log(np.where(p > 0, p, 1.0))).sum(-1)


def kl_divergence(p, q):
    """sum p log(p / q), with 0 log 0 = 0."""
    return (p * (np.log(np.where(p > 0, p, 1.0)) - np.log(q))).sum(-1)


def repeat(step, count, table):
    """step applied `count` times."""
    for _ in range(count):
        table = step(table)
    return table


def optimal_q(P, r, gamma, count=4000):
    """Value iteration q <- r + gamma P max q."""
    return repeat(lambda q: r + gamma * P @ q.max(-1), count, np.zeros_like(r))


def soft_q(P, r, gamma, t, count=4000):
    """Soft value iteration q <- r + gamma P logsumexp(q)."""
    return repeat(lambda q: r + gamma * P @ logsumexp(q, t), count, np.zeros_like(r))


def policy_q(P, r, gamma, pi, t=0.0):
    """q of a policy, entropy-regularised with temperature t, by solving the linear system."""
    bonus = t * entropy(pi) if t > 0 else 0.0
    transition = np.einsum("sa,sat->st", pi, P)
    v = np.linalg.solve(np.eye(len(r)) - gamma * transition, (pi * r).sum(-1) + bonus)
    return r + gamma * P @ v


def munchausen_vi(P, r, gamma, q, *, alpha, t, floor=None):
    """One step: q <- r + alpha [t ln pi]_floor + gamma P <pi, q - t ln pi>, pi = softmax(q / t)."""
    log_pi = scaled_log_policy(q, t)
    bonus = log_pi if floor is None else np.maximum(log_pi, floor)
    return r + alpha * bonus + gamma * P @ (softmax(q, t) * (q - log_pi)).sum(-1)


def gap_increasing_vi(P, r, gamma, psi, *, alpha, t, operator):
    """One step of CVI (or, at alpha = 1, DPP): r + gamma P V psi + alpha (psi - V psi)."""
    value = OPERATORS[operator](psi, t)
    return r + gamma * P @ value + alpha * (psi - value[:, None])


def mirror_descent_step(q, log_pi, *, lam, tau):
    """log of pi_{k+1} ∝ pi_k^(lam / (lam + tau)) exp(q_k / (lam + tau))."""
    logits = (q + lam * log_pi) / (lam + tau)
    return logits - logsumexp(logits, 1.0)[:, None]


def mirror_descent_vi(P, r, gamma, q, log_pi, *, lam, tau, regularised):
    """One step of MD-VI, from (q_k, ln pi_k) to (q_{k+1}, ln pi_{k+1})."""
    new = mirror_descent_step(q, log_pi, lam=lam, tau=tau)
    pi = np.exp(new)
    value = (pi * q).sum(-1)
    if regularised:
        value = value - lam * (pi * (new - log_pi)).sum(-1) - tau * (pi * new).sum(-1)
    return r + gamma * P @ value, new


def momentum_vi(P, r, gamma, q, h, beta):
    """One step of MoVI: pi greedy in h, q <- T_pi q, h <- beta h + (1 - beta) q."""
    q = r + gamma * P @ q[np.arange(len(q)), h.argmax(-1)]
    return q, beta * h + (1 - beta) * q


def sample_successors(rng, P):
    """One next state for each state-action pair."""
    return (P.cumsum(-1) > rng.random((*P.shape[:2], 1))).argmax(-1)


MAZE_ROWS = ("SOOO", "O###", "OOOO", "O#RO")
MAZE_MOVES = ((0, 0), (0, -1), (0, 1), (-1, 0), (1, 0))  # noop, up, down, left, right
MAZE_HORIZON = 25


def maze(wall="#", slip=0.1, share_slip=True):
    """The 4x4 maze: P, r and the start distribution.

    With `share_slip` the slip probability is shared by the legal moves; without, every legal move
    has it. `wall` names the impassable tile ("S" in a published version, by mistake).
    """
    size = len(MAZE_ROWS)
    P = np.zeros((size**2, len(MAZE_MOVES), size**2))
    r = np.zeros((size**2, len(MAZE_MOVES)))
    start = np.zeros(size**2)
    for s in range(size**2):
        x, y = s % size, s // size
        r[s] = MAZE_ROWS[y][x] == "R"
        start[s] = MAZE_ROWS[y][x] == "S"
        landing = []
        legal = []
        for move, (dx, dy) in enumerate(MAZE_MOVES):
            inside = 0 <= x + dx < size and 0 <= y + dy < size
            if inside and MAZE_ROWS[y + dy][x + dx] != wall:
                legal.append(move)
                landing.append(s + dx + size * dy)
            else:
                landing.append(s)
        for action in range(len(MAZE_MOVES)):
            probability = np.zeros(len(MAZE_MOVES))
            probability[legal] = slip / len(legal) if share_slip else slip
            taken = action if not share_slip or action in legal else 0
            probability[taken] += 1 - probability.sum()
            for move, p in enumerate(probability):
                P[s, action, landing[move]] += p
    return P, r, start


def finite_horizon_q(P, r, gamma, value, horizon=MAZE_HORIZON):
    """Backward induction over `horizon` steps with the state values `value(q)`."""
    return repeat(lambda q: r + gamma * P @ value(q), horizon, np.zeros_like(r))
