"""Tsallis entropy of index 2, by optimisation instead of by formula. Must not import erlctl."""

import numpy as np
from scipy.optimize import minimize


def entropy(p):
    """1/2 sum p (1 - p)."""
    return 0.5 * sum(x * (1.0 - x) for x in p)


def best_policy(q, t):
    """argmax over the simplex of <p, q> + t S(p)."""
    found = minimize(
        lambda p: -(p @ q + t * entropy(p)) / t, np.full(len(q), 1 / len(q)),
        jac=lambda p: -(q / t + 0.5 - p), bounds=[(0, 1)] * len(q), method="SLSQP",
        constraints={"type": "eq", "fun": lambda p: p.sum() - 1}, options={"ftol": 1e-15},
    )
    return found.x


def value(q, t):
    """The maximum itself."""
    p = best_policy(q, t)
    return p @ q + t * entropy(p)
