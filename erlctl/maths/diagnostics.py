"""Figures about a batch that say how a regularised agent is doing; pure functions, all scalars."""

from __future__ import annotations

import tensorflow as tf

from erlctl.maths import policies
from erlctl.maths.values import mask_illegal


def policy_figures(
    q: tf.Tensor, target_q: tf.Tensor, temperature: float, mask: tf.Tensor | None = None
) -> dict[str, tf.Tensor]:
    """Return mean value, action gap, alarm and, at a temperature, entropy and KL of the policy.

    Args:
        q: Online action values or preferences, shape [B, A], units of return.
        target_q: Target network's, shape [B, A].
        temperature: t of the policy softmax(q / t); 0 for the greedy policy.
        mask: True for legal actions, shape [B, A], or None.

    Returns:
        q_mean; action_gap (mean difference of the two best legal actions); preference_max
        (largest |q|: DPP's alarm); entropy in nats; kl_to_target in nats (0 where greedy).
    """
    legal = mask_illegal(q, mask)
    best = tf.math.top_k(legal, k=2).values if q.shape[-1] > 1 else tf.repeat(legal, 2, axis=-1)
    present = tf.ones_like(q) if mask is None else tf.cast(mask, q.dtype)
    figures = {
        "q_mean": tf.reduce_sum(present * q) / tf.reduce_sum(present),
        "action_gap": tf.reduce_mean(best[:, 0] - best[:, 1]),
        "preference_max": tf.reduce_max(tf.abs(present * q)),
    }
    if temperature > 0:
        log_p = policies.log_policy(q, temperature, mask)
        log_target = policies.log_policy(target_q, temperature, mask)
        return {
            **figures,
            "entropy": tf.reduce_mean(policies.entropy(log_p)),
            "kl_to_target": tf.reduce_mean(policies.kl_divergence(log_p, log_target)),
        }
    return {**figures, "entropy": tf.zeros([]), "kl_to_target": tf.zeros([])}
