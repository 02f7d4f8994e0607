"""Policies over the last axis: log-probabilities, entropy, divergence, greedy and mixed ones.

A row of log-probabilities is finite everywhere: an illegal action has a large negative entry, whose
probability is exactly 0, so that p * log p is 0 and never not-a-number.
"""

from __future__ import annotations

import tensorflow as tf

from erlctl.maths import values
from erlctl.maths.values import Temperature, sum_over_actions


def log_policy(q: tf.Tensor, temperature: Temperature, mask: tf.Tensor | None = None) -> tf.Tensor:
    """Return log softmax(q / t), computed as (q - logsumexp(q, t)) / t.

    The difference is taken first, on values shifted by their maximum: log(softmax(q / t)) would
    underflow to minus infinity below about -88 t in float32.

    Args:
        q: Action values, shape [..., A], in units of return.
        temperature: t > 0, in units of return.
        mask: True for legal actions, shape [..., A], or None for all legal.

    Returns:
        Shape [..., A]; at most 0.
    """
    shifted, _ = values.centre(q, mask)
    value = values.logsumexp(shifted, temperature, mask)
    return values.mask_illegal((shifted - value[..., tf.newaxis]) / temperature, mask)


def greedy_policy(q: tf.Tensor, mask: tf.Tensor | None = None) -> tf.Tensor:
    """Return the probabilities of the greedy policy; ties go to the first action.

    Args:
        q: Action values, shape [..., A].
        mask: True for legal actions, shape [..., A], or None for all legal.

    Returns:
        Zeros and a one in each row, shape [..., A].
    """
    best = tf.argmax(values.mask_illegal(q, mask), axis=-1, output_type=tf.int32)
    return tf.one_hot(best, tf.shape(q)[-1], dtype=q.dtype)


def mix_with_uniform(
    probabilities: tf.Tensor, epsilon: Temperature, mask: tf.Tensor | None = None
) -> tf.Tensor:
    """Return (1 - epsilon) * p + epsilon * uniform over the legal actions.

    Args:
        probabilities: Shape [..., A].
        epsilon: In [0, 1].
        mask: True for legal actions, shape [..., A], or None for all legal.

    Returns:
        Shape [..., A].
    """
    legal = tf.ones_like(probabilities) if mask is None else tf.cast(mask, probabilities.dtype)
    uniform = legal / tf.reduce_sum(legal, axis=-1, keepdims=True)
    return (1.0 - epsilon) * probabilities + epsilon * uniform


def entropy(log_p: tf.Tensor) -> tf.Tensor:
    """Return H(p) = -sum_a p_a log p_a; `log_p` [..., A] finite, result [...] in nats."""
    return -sum_over_actions(tf.exp(log_p) * log_p)


def kl_divergence(log_p: tf.Tensor, log_q: tf.Tensor) -> tf.Tensor:
    """Return KL(p || q) = sum_a p_a (log p_a - log q_a).

    Args:
        log_p: Log-probabilities, finite, shape [..., A].
        log_q: Log-probabilities, finite, shape [..., A]; the same actions must be illegal.

    Returns:
        Shape [...], in nats, at least 0.
    """
    return sum_over_actions(tf.exp(log_p) * (log_p - log_q))


def expectation(log_p: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """Return <p, x> = sum_a p_a x_a; both [..., A] and finite, result [...]."""
    return sum_over_actions(tf.exp(log_p) * x)
