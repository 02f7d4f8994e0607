"""State values and policies of action values [..., A], in NumPy float64.

`temperature` is t >= 0; t = 0 is the maximum, shared equally by actions that tie exactly, which is
the limit of every policy here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from erlctl.planning.model import Array


def log_policy(q: Array, temperature: float) -> Array:
    """Return log softmax(q / t); -inf for actions that are not greedy at t = 0."""
    shifted = q - q.max(-1, keepdims=True)
    if temperature == 0.0:
        best = shifted == 0.0
        return np.where(best, -np.log(best.sum(-1, keepdims=True)), -np.inf)
    scaled = shifted / temperature
    return scaled - np.log(np.exp(scaled).sum(-1, keepdims=True))


def log_sparsemax(q: Array, temperature: float) -> Array:
    """Return log sparsemax(q / t), the policy of Tsallis entropy with index 2."""
    if temperature == 0.0:
        return log_policy(q, 0.0)
    policy = sparsemax(q / temperature)
    return np.log(policy, out=np.full(q.shape, -np.inf), where=policy > 0.0)


def sparsemax(z: Array) -> Array:
    """Return the point of the simplex nearest to z (Martins and Astudillo 2016)."""
    ordered = -np.sort(-z, axis=-1)
    total = np.cumsum(ordered, axis=-1) - 1.0
    size = np.arange(1, z.shape[-1] + 1)
    support = (size * ordered > total).sum(-1, keepdims=True)
    threshold = np.take_along_axis(total, support - 1, -1) / support
    return np.maximum(z - threshold, 0.0)


def logsumexp(q: Array, temperature: float) -> Array:
    """Return t log sum exp(q / t)."""
    top = q.max(-1)
    if temperature == 0.0:
        return top
    return top + temperature * np.log(np.exp((q - top[..., np.newaxis]) / temperature).sum(-1))


def mellowmax(q: Array, temperature: float) -> Array:
    """Return t log mean exp(q / t)."""
    return logsumexp(q, temperature) - temperature * np.log(q.shape[-1])


def boltzmann(q: Array, temperature: float) -> Array:
    """Return the mean of q under softmax(q / t)."""
    return (np.exp(log_policy(q, temperature)) * q).sum(-1)


def tsallis(q: Array, temperature: float) -> Array:
    """Return max over p of <p, q> + t / 2 (1 - sum p^2), which sparsemax(q / t) attains."""
    policy = np.exp(log_sparsemax(q, temperature))
    return (policy * q).sum(-1) + 0.5 * temperature * (1.0 - (policy**2).sum(-1))


OPERATORS: Mapping[str, Callable[[Array, float], Array]] = {
    "logsumexp": logsumexp, "mellowmax": mellowmax, "boltzmann": boltzmann, "tsallis": tsallis,
}
