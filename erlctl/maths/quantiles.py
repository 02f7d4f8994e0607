"""Implicit quantile networks: loss and targets, with and without the Munchausen bonus.

Quantile axes come before the action axis: z is [B, N, A], fractions are [B, N].
"""

from __future__ import annotations

import math

import tensorflow as tf

from erlctl.algorithms.base import Backup
from erlctl.maths import policies, targets


def quantile_huber_loss(
    predictions: tf.Tensor, fractions: tf.Tensor, target: tf.Tensor, kappa: float = 1.0
) -> tf.Tensor:
    """Return the sum over fractions j of the mean over samples i of the asymmetric Huber loss.

    sum_j mean_i |sigma_j - 1{u_ij < 0}| * huber_kappa(u_ij) / kappa,  u_ij = target_i - z_j
    (Dabney et al. 2018, arXiv:1806.06923).

    Args:
        predictions: z_j(s, a) of the replayed action, shape [B, N].
        fractions: sigma_j in [0, 1], shape [B, N].
        target: Samples of the target, shape [B, M]; a constant of the loss.
        kappa: Where the loss turns from square to linear, greater than 0, units of return.

    Returns:
        Shape [B].
    """
    kappa = tf.convert_to_tensor(kappa, predictions.dtype)
    error = tf.stop_gradient(target)[:, tf.newaxis, :] - predictions[:, :, tf.newaxis]
    size = tf.abs(error)
    huber = tf.where(size <= kappa, 0.5 * tf.square(error), kappa * (size - 0.5 * kappa))
    weight = tf.abs(fractions[:, :, tf.newaxis] - tf.cast(error < 0.0, error.dtype))
    return tf.reduce_sum(tf.reduce_mean(weight * huber / kappa, axis=2), axis=1)


def quantile_next_value(
    backup: Backup, z_tp1: tf.Tensor, q_tp1: tf.Tensor, mask_tp1: tf.Tensor | None = None
) -> tf.Tensor:
    """Return sum_a' pi(a'|s') (z_i(s', a') - t log pi(a'|s')) with pi = softmax(q / t).

    With temperature 0 it is z_i(s', argmax_a' q(s', a')), IQN's.

    Args:
        backup: Numbers of the target; operator `max` or `logsumexp`.
        z_tp1: Target quantile values at s', shape [B, M, A], units of return.
        q_tp1: Mean of the target's policy quantiles at s', shape [B, A].
        mask_tp1: Legal actions at s', shape [B, A], or None.

    Returns:
        Shape [B, M], units of return, no gradient.
    """
    if backup.temperature == 0 or backup.operator == "max":
        pi = policies.greedy_policy(q_tp1, mask_tp1)
        return tf.stop_gradient(tf.reduce_sum(pi[:, tf.newaxis, :] * z_tp1, axis=-1))
    log_pi = policies.log_policy(q_tp1, backup.temperature, mask_tp1)
    value = tf.reduce_sum(tf.exp(log_pi)[:, tf.newaxis, :] * z_tp1, axis=-1)
    bonus = backup.temperature * policies.entropy(log_pi)
    return tf.stop_gradient(value + bonus[:, tf.newaxis])


def quantile_target(
    backup: Backup,
    r_tp1: tf.Tensor,
    discount_tp1: tf.Tensor,
    q_t: tf.Tensor,
    a_t: tf.Tensor,
    q_tp1: tf.Tensor,
    z_tp1: tf.Tensor,
    *,
    mask_t: tf.Tensor | None = None,
    mask_tp1: tf.Tensor | None = None,
) -> tf.Tensor:
    """Return the samples r + alpha * gap(q(s), a) + discount * value_i(s') of the target.

    Args:
        backup: Numbers of the target.
        r_tp1: Rewards, shape [B].
        discount_tp1: gamma times the environment's discount (0 on termination), shape [B].
        q_t: Mean of the target's policy quantiles at s, shape [B, A].
        a_t: Replayed action, shape [B].
        q_tp1: Mean of the target's policy quantiles at s', shape [B, A].
        z_tp1: Target quantile values at s', shape [B, M, A].
        mask_t: Legal actions at s, shape [B, A], or None.
        mask_tp1: Legal actions at s', shape [B, A], or None.

    Returns:
        Shape [B, M], units of return, no gradient.
    """
    bonus = targets.gap_term(backup, q_t, a_t, q_tp1, mask_t=mask_t, mask_tp1=mask_tp1)
    value = quantile_next_value(backup, z_tp1, q_tp1, mask_tp1)
    return (r_tp1 + bonus)[:, tf.newaxis] + discount_tp1[:, tf.newaxis] * value


def cos_pi(x: tf.Tensor) -> tf.Tensor:
    """Return cos(pi * x), for float32 within 2e-7 of the exact value; any shape.

    A polynomial, because XLA on a CPU calls the C library for each cosine, which would take longer
    than the rest of an update: cos(pi x) = sin(pi v) with v = 1/2 - |x - 2 round(x / 2)| in
    [-1/2, 1/2].
    """
    v = 0.5 - tf.abs(x - 2.0 * tf.round(0.5 * x))
    angle = tf.constant(math.pi, x.dtype) * v
    square = tf.square(angle)
    series = tf.zeros_like(x)
    for n in (13, 11, 9, 7, 5, 3, 1):  # sin(y) = y - y^3 / 3! + y^5 / 5! - ...
        sign = -1.0 if n % 4 == 3 else 1.0
        series = series * square + tf.constant(sign / math.factorial(n), x.dtype)
    return angle * series
