"""Tsallis entropy of index 2 on tensors: sparsemax policy, its regularised maximum, ln_q.

S(p) = 1/2 sum p (1 - p); max over p of <p, q> + t S(p) is attained by sparsemax(q / t), which gives
no mass to actions far below the best (Martins and Astudillo 2016; Lee et al. 2018). All [..., A].
"""

from __future__ import annotations

import tensorflow as tf


def sparsemax_policy(q: tf.Tensor, temperature: float | tf.Tensor) -> tf.Tensor:
    """Return the point of the simplex nearest to q / t: [..., A], t > 0 in units of return."""
    # Shifted, so that large values keep their differences in float32.
    z = (q - tf.reduce_max(q, axis=-1, keepdims=True)) / temperature
    ordered = tf.sort(z, axis=-1, direction="DESCENDING")
    total = tf.cumsum(ordered, axis=-1) - 1.0
    size = tf.range(1, tf.shape(z)[-1] + 1)
    kept = tf.cast(size, z.dtype) * ordered > total
    support = tf.reduce_sum(tf.cast(kept, z.dtype), axis=-1, keepdims=True)
    # The last kept sum is the threshold times the size of the support.
    threshold = tf.reduce_sum(tf.where(kept, ordered, 0.0), axis=-1, keepdims=True) - 1.0
    return tf.maximum(z - threshold / support, 0.0)


def regularised_maximum(q: tf.Tensor, temperature: float | tf.Tensor) -> tf.Tensor:
    """Return max over p of <p, q> + t S(p): [..., A] to [...].

    Between max(q) and max(q) + t (1 - 1 / A) / 2; the limit t -> 0 is max(q).
    """
    policy = sparsemax_policy(q, temperature)
    best = tf.reduce_max(q, axis=-1, keepdims=True)
    mean = tf.reduce_sum(policy * (q - best), axis=-1)
    entropy = 0.5 * (1.0 - tf.reduce_sum(tf.square(policy), axis=-1))
    return best[..., 0] + mean + temperature * entropy


def q_logarithm(p: tf.Tensor, index: float) -> tf.Tensor:
    """Return ln_q p = (p^(1 - q) - 1) / (1 - q) for p >= 0; the natural logarithm at q = 1.

    For q >= 1 it is -inf at p = 0: a bonus there must be the gap q - `regularised_maximum`.
    """
    if index == 1.0:
        return tf.math.log(p)
    return (tf.pow(p, 1.0 - index) - 1.0) / (1.0 - index)
