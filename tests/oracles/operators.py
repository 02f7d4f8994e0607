"""NumPy float64 transcriptions of the value operators, row by row. Must not import erlctl."""

import math

import numpy as np


def softmax(q, t):
    """exp(q / t) / sum exp(q / t), for one row; a hard maximum (first index) at t = 0."""
    q = np.asarray(q, float)
    if t == 0:
        return np.array([float(a == int(np.argmax(q))) for a in range(len(q))])
    weights = [math.exp((x - max(q)) / t) for x in q]
    return np.array([w / sum(weights) for w in weights])


def logsumexp(q, t):
    """t * log sum_a exp(q_a / t), for one row; max at t = 0."""
    if t == 0:
        return float(max(q))
    return max(q) + t * math.log(sum(math.exp((x - max(q)) / t) for x in q))


def mellowmax(q, t):
    """t * log( (1/A) sum_a exp(q_a / t) ): Asadi and Littman's operator, Kozuno's m_beta."""
    return max(q) + t * math.log(sum(math.exp((x - max(q)) / t) for x in q) / len(q))


def boltzmann(q, t):
    """sum_a softmax(q / t)_a q_a: Azar's M_eta."""
    return sum(p * x for p, x in zip(softmax(q, t), q, strict=True))


def hard_max(q, t):
    """max_a q_a."""
    return float(max(q))


def sparse_policy(q, t):
    """sparsemax(q / t) of one row: max(q / t - theta, 0) with theta found by bisection."""
    z = (np.asarray(q, float) - max(q)) / t
    low, high = -1.0, 0.0  # the best action has mass -theta or less than 1
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if np.maximum(z - middle, 0).sum() > 1 else (low, middle)
    return np.maximum(z - (low + high) / 2, 0)


def sparsemax(q, t):
    """<p, q> + t / 2 sum p (1 - p) at p = sparsemax(q / t)."""
    if t == 0:
        return float(max(q))
    p = sparse_policy(q, t)
    return max(q) + float(p @ (np.asarray(q) - max(q))) + t / 2 * float(p @ (1 - p))


OPERATORS = {
    "max": hard_max, "logsumexp": logsumexp, "mellowmax": mellowmax, "boltzmann": boltzmann,
    "sparsemax": sparsemax,
}


def scaled_log_policy(q, t):
    """t * log softmax(q / t) of one row, written as q - logsumexp."""
    return np.array([x - logsumexp(q, t) for x in q])


def entropy(p):
    """-sum p log p of one row, with 0 log 0 = 0."""
    return -sum(x * math.log(x) for x in p if x > 0)


def kl_divergence(p, q):
    """sum p log(p / q) of one row, with 0 log 0 = 0."""
    return sum(x * math.log(x / y) for x, y in zip(p, q, strict=True) if x > 0)


def rows(operator, q, t):
    """An operator on every row of a matrix."""
    return np.array([operator(row, t) for row in np.asarray(q, float)])
