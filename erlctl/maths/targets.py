"""The one target of the one-network family, and its parts.

    y = r + alpha * clip(q(s, a) - V(q(s)), low, high) + gamma * discount * V(q(s'))

All action values are the target network's, apart from the online argmax of `double`. Nothing here
passes a gradient: results are constants of the loss.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tensorflow as tf

from erlctl.algorithms.base import Backup
from erlctl.maths import tsallis, values


def state_value(backup: Backup, q: tf.Tensor, mask: tf.Tensor | None = None) -> tf.Tensor:
    """Return V(q) of the backup's operator and temperature; temperature 0 is the maximum.

    Args:
        backup: Numbers of the target.
        q: Action values, shape [..., A], units of return.
        mask: True for legal actions, shape [..., A], or None for all legal.

    Returns:
        Shape [...], units of return.
    """
    name = backup.operator if backup.temperature > 0 else "max"
    return values.VALUE_OPERATORS[name](q, backup.temperature, mask)


def gap(
    backup: Backup, q: tf.Tensor, action: tf.Tensor, mask: tf.Tensor | None = None
) -> tf.Tensor:
    """Return q(s, a) - V(q(s)), or what else `backup.gap` names, clipped to `gap_range`.

    With `logsumexp` this is t * log pi(a|s) of pi = softmax(q / t). It is at most 0 for `max`,
    `logsumexp` and `sparsemax` and may be positive for `mellowmax` (by up to t log A) and
    `boltzmann`.

    Args:
        backup: Numbers of the target.
        q: Action values, shape [..., A], units of return.
        action: Integers in [0, A), shape [...].
        mask: True for legal actions, shape [..., A], or None for all legal.

    Returns:
        Shape [...], units of return.
    """
    return clip(GAPS[backup.gap](backup, q, action, mask), backup.gap_range)


def _advantage(
    backup: Backup, q: tf.Tensor, action: tf.Tensor, mask: tf.Tensor | None
) -> tf.Tensor:
    # Shifted first: q - V of values near 1000 would lose four of float32's seven digits.
    shifted, _ = values.centre(q, mask)
    return values.take_action(shifted, action) - state_value(backup, shifted, mask)


def _q_logarithm(
    backup: Backup, q: tf.Tensor, action: tf.Tensor, mask: tf.Tensor | None
) -> tf.Tensor:
    """Return t * ln_2 pi(a|s) of the sparsemax policy; minus infinity where that never acts so."""
    policy = tsallis.sparsemax_policy(values.mask_illegal(q, mask), backup.temperature)
    return backup.temperature * tsallis.q_logarithm(values.take_action(policy, action), 2.0)


GAPS: Mapping[str, Callable[..., tf.Tensor]] = {
    "advantage": _advantage, "q_logarithm": _q_logarithm,
}


def clip(x: tf.Tensor, bounds: tuple[float | None, float | None]) -> tf.Tensor:
    """Return `x` limited to `bounds` = (low, high); None on a side is no limit there."""
    low, high = bounds
    x = x if low is None else tf.maximum(x, tf.convert_to_tensor(low, x.dtype))
    return x if high is None else tf.minimum(x, tf.convert_to_tensor(high, x.dtype))


def clipped_fraction(
    backup: Backup, q: tf.Tensor, action: tf.Tensor, mask: tf.Tensor | None = None
) -> tf.Tensor:
    """Return the share of samples whose gap lies below the lower clip: a scalar in [0, 1].

    Where it is not 0 the algorithm is a bounded-gap method and no longer mirror descent.
    """
    low = backup.gap_range[0]
    if low is None or backup.gap_scale == 0:
        return tf.zeros([], q.dtype)
    unclipped = GAPS[backup.gap](backup, q, action, mask)
    return tf.reduce_mean(tf.cast(unclipped < tf.convert_to_tensor(low, q.dtype), q.dtype))


def gap_term(
    backup: Backup,
    q_t: tf.Tensor,
    a_t: tf.Tensor,
    q_tp1: tf.Tensor,
    *,
    mask_t: tf.Tensor | None = None,
    mask_tp1: tf.Tensor | None = None,
) -> tf.Tensor:
    """Return what the target adds to the reward: alpha * gap.

    The persistent form (PFRL's PAL after Bellemare et al. 2016) takes the larger of the gaps of the
    same action at s and s': -alpha * min(V(s) - q(s, a), V(s') - q(s', a)), also at terminal s'.

    Args:
        backup: Numbers of the target.
        q_t: Target network at s, shape [B, A].
        a_t: Replayed action, shape [B].
        q_tp1: Target network at s', shape [B, A]; read by the persistent form only.
        mask_t: Legal actions at s, shape [B, A], or None.
        mask_tp1: Legal actions at s', shape [B, A], or None.

    Returns:
        Shape [B], units of return; exactly 0 for alpha = 0.
    """
    if backup.gap_scale == 0:
        return tf.zeros_like(q_t[..., 0])
    term = gap(backup, q_t, a_t, mask_t)
    if backup.persistent:
        term = tf.maximum(term, gap(backup, q_tp1, a_t, mask_tp1))
    return tf.stop_gradient(backup.gap_scale * term)


def next_value(
    backup: Backup,
    q_tp1: tf.Tensor,
    *,
    online_q_tp1: tf.Tensor | None = None,
    mask_tp1: tf.Tensor | None = None,
) -> tf.Tensor:
    """Return V(q(s')), or the target value of the online network's argmax where `double` is set.

    Args:
        backup: Numbers of the target.
        q_tp1: Target network at s', shape [B, A].
        online_q_tp1: Online network at s', shape [B, A]; needed by `double` only.
        mask_tp1: Legal actions at s', shape [B, A], or None.

    Returns:
        Shape [B], units of return.
    """
    if not backup.double:
        return tf.stop_gradient(state_value(backup, q_tp1, mask_tp1))
    assert online_q_tp1 is not None, "a double target needs the online network at s'"
    best = tf.argmax(values.mask_illegal(online_q_tp1, mask_tp1), axis=-1, output_type=tf.int32)
    return tf.stop_gradient(values.take_action(q_tp1, best))


def regularised_target(
    backup: Backup,
    r_tp1: tf.Tensor,
    discount_tp1: tf.Tensor,
    q_t: tf.Tensor,
    a_t: tf.Tensor,
    q_tp1: tf.Tensor,
    *,
    online_q_tp1: tf.Tensor | None = None,
    mask_t: tf.Tensor | None = None,
    mask_tp1: tf.Tensor | None = None,
) -> tf.Tensor:
    """Return y = r + alpha * gap(q(s), a) + discount * V(q(s')), without a gradient.

    The gap term belongs to s and stays on terminal transitions.

    Args:
        backup: Numbers of the target.
        r_tp1: Rewards, shape [B].
        discount_tp1: gamma times the environment's discount (0 on termination), shape [B].
        q_t: Target network at s, shape [B, A].
        a_t: Replayed action, shape [B].
        q_tp1: Target network at s', shape [B, A].
        online_q_tp1: Online network at s', shape [B, A]; needed by `double` only.
        mask_t: Legal actions at s, shape [B, A], or None.
        mask_tp1: Legal actions at s', shape [B, A], or None.

    Returns:
        Shape [B], units of return.
    """
    bonus = gap_term(backup, q_t, a_t, q_tp1, mask_t=mask_t, mask_tp1=mask_tp1)
    value = next_value(backup, q_tp1, online_q_tp1=online_q_tp1, mask_tp1=mask_tp1)
    return r_tp1 + bonus + discount_tp1 * value
