"""Figures about a batch that say how a regularised agent is doing; pure functions, all scalars."""

from __future__ import annotations

import tensorflow as tf

from erlctl.maths import policies, tsallis
from erlctl.maths.values import Temperature, mask_illegal, sum_over_actions


def policy_figures(
    q: tf.Tensor,
    target_q: tf.Tensor,
    temperature: Temperature,
    mask: tf.Tensor | None = None,
    *,
    operator: str = "logsumexp",
) -> dict[str, tf.Tensor]:
    """Return mean value, action gap, alarm and, at a temperature, entropy and KL of the policy.

    Args:
        q: Online action values or preferences, shape [B, A], units of return.
        target_q: Target network's, shape [B, A].
        temperature: t of the policy softmax(q / t); 0 for the greedy policy.
        mask: True for legal actions, shape [B, A], or None.
        operator: Value operator; with "sparsemax" the policy is sparsemax(q / t).

    Returns:
        q_mean; action_gap (mean difference of the two best legal actions); preference_max
        (largest |q|: DPP's alarm); entropy in nats; kl_to_target in nats (0 where greedy). Sparse
        policies have an infinite KL divergence: theirs is the Bregman divergence of the Tsallis
        entropy, half the squared distance.
    """
    legal = mask_illegal(q, mask)
    best = tf.math.top_k(legal, k=2).values if q.shape[-1] > 1 else tf.repeat(legal, 2, axis=-1)
    present = tf.ones_like(q) if mask is None else tf.cast(mask, q.dtype)
    figures = {
        "q_mean": mean_over_legal(q, mask),
        "action_gap": tf.reduce_mean(best[..., 0] - best[..., 1]),
        "preference_max": tf.reduce_max(tf.abs(present * q)),
    }
    temperature = tf.convert_to_tensor(temperature, q.dtype)
    is_soft = temperature > 0
    safe = tf.where(is_soft, temperature, tf.ones_like(temperature))
    compare = _compare_sparse if operator == "sparsemax" else _compare_soft
    entropy, kl = map(tf.reduce_mean, compare(legal, mask_illegal(target_q, mask), safe, mask))
    zero = tf.zeros_like(temperature)
    return {
        **figures,
        "entropy": tf.where(is_soft, entropy, zero),
        # Rounding can leave the divergence of two equal policies a little below 0.
        "kl_to_target": tf.where(is_soft, tf.maximum(kl, 0.0), zero),
    }


def _compare_soft(
    q: tf.Tensor, target_q: tf.Tensor, temperature: tf.Tensor, mask: tf.Tensor | None
) -> tuple[tf.Tensor, tf.Tensor]:
    log_p = policies.log_policy(q, temperature, mask)
    log_target = policies.log_policy(target_q, temperature, mask)
    return policies.entropy(log_p), policies.kl_divergence(log_p, log_target)


def _compare_sparse(
    q: tf.Tensor, target_q: tf.Tensor, temperature: tf.Tensor, mask: tf.Tensor | None
) -> tuple[tf.Tensor, tf.Tensor]:
    del mask  # illegal actions have no mass
    p, target_p = (tsallis.sparsemax_policy(x, temperature) for x in (q, target_q))
    entropy = -sum_over_actions(tf.math.xlogy(p, p))
    return entropy, 0.5 * sum_over_actions(tf.math.squared_difference(p, target_p))


def mean_over_legal(q: tf.Tensor, mask: tf.Tensor | None = None) -> tf.Tensor:
    """Return the mean of `q` [B, A] over legal actions, a scalar."""
    if mask is None:
        return tf.reduce_mean(q)
    legal = tf.reduce_sum(tf.where(mask, q, tf.zeros_like(q)))
    return legal / tf.reduce_sum(tf.cast(mask, q.dtype))
