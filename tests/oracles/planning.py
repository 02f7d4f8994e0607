"""Planning schemes state by state, as the papers print them. Must not import erlctl.

P[s, a, s'] and r[s, a] define the problem; `noise(k)` is the error table of iteration k.
"""

import math

import numpy as np


def softmax(row, t):
    """Weights exp(x / t), normalised; at t = 0 equal shares of the best."""
    best = max(row)
    w = [float(x == best) if t == 0 else math.exp((x - best) / t) for x in row]
    return [x / sum(w) for x in w]


def lse(row, t):
    """t log sum exp(x / t); the maximum at t = 0."""
    best = max(row)
    return best if t == 0 else best + t * math.log(sum(math.exp((x - best) / t) for x in row))


def boltzmann(row, t):
    """Mean of the row under its softmax."""
    return sum(p * x for p, x in zip(softmax(row, t), row, strict=True))


def sparsemax(row):
    """Bisection on the threshold c of sum max(x - c, 0) = 1."""
    low, high = min(row) - 1.0, max(row)
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if sum(max(x - middle, 0.0) for x in row) > 1.0 else (low, middle)
        )
    return [max(x - low, 0.0) for x in row]


def tsallis(row, t):
    """<p, x> + t / 2 sum p (1 - p) at p = sparsemax(x / t)."""
    policy = sparsemax([x / t for x in row])
    return sum(p * x + t / 2 * p * (1 - p) for p, x in zip(policy, row, strict=True))


def backup(P, r, gamma, v):
    """r + gamma P v, one pair at a time."""
    new = np.zeros_like(r)
    for s in range(r.shape[0]):
        for a in range(r.shape[1]):
            new[s, a] = r[s, a] + gamma * sum(P[s, a, s2] * v[s2] for s2 in range(r.shape[0]))
    return new


def gap_increasing(P, r, gamma, value, alpha, iterations, noise, floor=-math.inf):
    """q <- r + alpha max(q - V(q), floor) + gamma P V(q) + noise, from 0."""
    q = np.zeros_like(r)
    for k in range(1, iterations + 1):
        v = [value(list(row)) for row in q]
        new = backup(P, r, gamma, v) + noise(k)
        for s in range(len(q)):
            for a in range(q.shape[1]):
                new[s, a] += alpha * max(q[s, a] - v[s], floor)
        q = new
    return q


def mirror_descent(P, r, gamma, kl, entropy, iterations, noise, regularised=True):
    """MD-VI, with its policies: pi' ~ pi^(kl / (kl + entropy)) exp(q / (kl + entropy))."""
    q, pi = np.zeros_like(r), np.full(r.shape, 1 / r.shape[1])
    for k in range(1, iterations + 1):
        new = np.array([
            softmax([kl * math.log(p) + x for p, x in zip(pi[s], q[s], strict=True)], kl + entropy)
            for s in range(len(q))
        ])
        v = []
        for s in range(len(q)):
            terms = [
                p * (x - regularised * (kl * math.log(p / old) + entropy * math.log(p)))
                for p, old, x in zip(new[s], pi[s], q[s], strict=True)
            ]
            v.append(sum(terms))
        q, pi = backup(P, r, gamma, v) + noise(k), new
    return q, pi


def momentum(P, r, gamma, iterations, noise):
    """MoVI: q <- T_pi q + noise with pi greedy in the mean of all q so far (shared on ties)."""
    tables = [np.zeros_like(r)]
    for k in range(1, iterations + 1):
        mean = sum(tables) / len(tables)
        v = [
            sum(p * x for p, x in zip(softmax(mean[s], 0), tables[-1][s], strict=True))
            for s in range(len(r))
        ]
        tables.append(backup(P, r, gamma, v) + noise(k))
    return tables[-1]
