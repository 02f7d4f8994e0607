"""Values, targets and losses of algorithms with a second network C beside Q.

C is an average of past action values (momentum, dual averaging), the logits of a policy (mirror
descent) or t * log pi (dynamic policy programming). One iteration is one period between two
synchronisations of the target networks. Nothing that serves as a target passes a gradient.
"""

from __future__ import annotations

import tensorflow as tf

from erlctl.algorithms.companion import AveragingWeight
from erlctl.maths import policies, values
from erlctl.maths.values import Temperature


def averaging_weight(schedule: AveragingWeight, syncs: tf.Tensor) -> tf.Tensor:
    """Return beta after `syncs` synchronisations.

    beta_k = min((k + offset) / (k + offset + 1), largest) where it grows, else `largest`. With
    offset 0 the average starts with the first values: beta_0 = 0, and without a cap C is the plain
    mean of all of them.

    Args:
        schedule: Numbers of the weight.
        syncs: Synchronisations so far, a scalar; its type is the result's type.

    Returns:
        A scalar in [0, 1].
    """
    largest = tf.convert_to_tensor(schedule.largest, syncs.dtype)
    if not schedule.grows:
        return largest
    count = syncs + tf.convert_to_tensor(schedule.offset, syncs.dtype)
    return tf.minimum(count / (count + 1.0), largest)


def averaging_target(companion: tf.Tensor, q: tf.Tensor, weight: Temperature) -> tf.Tensor:
    """Return beta * C + (1 - beta) * Q, what the companion network is fitted to.

    Args:
        companion: Target companion network, any shape.
        q: Action values of the same state-action pairs, same shape.
        weight: beta in [0, 1], the weight of the old average; it must grow to average (a weight
            that decays forgets instead).

    Returns:
        Same shape, no gradient.
    """
    return tf.stop_gradient(weight * companion + (1.0 - weight) * q)


def greedy_companion_value(
    q_tp1: tf.Tensor, companion_tp1: tf.Tensor, mask_tp1: tf.Tensor | None = None
) -> tf.Tensor:
    """Return Q(s', argmax_a C(s', a)), momentum DQN's value of the next state.

    Args:
        q_tp1: Target Q at s', shape [..., A].
        companion_tp1: Target companion at s', shape [..., A].
        mask_tp1: Legal actions at s', shape [..., A], or None.

    Returns:
        Shape [...], no gradient.
    """
    legal = values.mask_illegal(companion_tp1, mask_tp1)
    best = tf.argmax(legal, axis=-1, output_type=tf.int32)
    return tf.stop_gradient(values.take_action(q_tp1, best))


def evaluation_value(
    q_tp1: tf.Tensor,
    log_pi: tf.Tensor,
    log_prior: tf.Tensor,
    *,
    kl_coefficient: float,
    entropy_coefficient: float,
    regularised: bool,
) -> tf.Tensor:
    """Return the value of policy pi at s' with respect to `q_tp1`.

    <pi, q> - kl_coefficient * KL(pi || prior) + entropy_coefficient * H(pi) with regularised
    evaluation ("w/" in Vieillard et al. 2020, arXiv:2003.14089), <pi, q> without.

    Args:
        q_tp1: Target Q at s', shape [..., A], units of return.
        log_pi: Log-probabilities of the evaluated policy at s', shape [..., A].
        log_prior: Log-probabilities of the policy that the KL term pulls to, shape [..., A].
        kl_coefficient: lambda >= 0, units of return.
        entropy_coefficient: tau >= 0, units of return.
        regularised: Whether the two terms are part of the value.

    Returns:
        Shape [...], units of return, no gradient.
    """
    value = policies.expectation(log_pi, q_tp1)
    if regularised:
        value -= kl_coefficient * policies.kl_divergence(log_pi, log_prior)
        value += entropy_coefficient * policies.entropy(log_pi)
    return tf.stop_gradient(value)


def mirror_descent_logits(
    q: tf.Tensor,
    log_prior: tf.Tensor,
    *,
    kl_coefficient: float,
    entropy_coefficient: float,
    mask: tf.Tensor | None = None,
) -> tf.Tensor:
    """Return logits of the mirror-descent step: (q + lambda * log prior) / (lambda + tau).

    Their softmax maximises <pi, q> - lambda * KL(pi || prior) + tau * H(pi). Shifted by the row's
    maximum, which no policy notices and which keeps a network's regression target small.

    Args:
        q: Action values, shape [..., A], units of return.
        log_prior: Log-probabilities, shape [..., A].
        kl_coefficient: lambda >= 0, units of return.
        entropy_coefficient: tau >= 0, units of return; lambda + tau > 0.
        mask: Legal actions, shape [..., A], or None.

    Returns:
        Shape [..., A], at most 0, no gradient; illegal actions have 0.
    """
    kl_coefficient = tf.convert_to_tensor(kl_coefficient, q.dtype)
    logits = (q + kl_coefficient * log_prior) / (kl_coefficient + entropy_coefficient)
    logits, _ = values.centre(logits, mask)
    if mask is not None:
        logits = tf.where(mask, logits, tf.zeros_like(logits))
    return tf.stop_gradient(logits)


def mirror_descent_loss(
    q: tf.Tensor,
    log_pi: tf.Tensor,
    log_prior: tf.Tensor,
    *,
    kl_coefficient: float,
    entropy_coefficient: float,
) -> tf.Tensor:
    """Return lambda * KL(pi || prior) - tau * H(pi) - <pi, q>, the direct mirror-descent loss.

    Args:
        q: Action values, shape [..., A], units of return; a constant of the loss.
        log_pi: Log-probabilities of the policy network, shape [..., A]; gets the gradient.
        log_prior: Log-probabilities of its target copy, shape [..., A]; a constant of the loss.
        kl_coefficient: lambda >= 0, units of return.
        entropy_coefficient: tau >= 0, units of return.

    Returns:
        Shape [...], units of return.
    """
    kl = policies.kl_divergence(log_pi, tf.stop_gradient(log_prior))
    value = policies.expectation(log_pi, tf.stop_gradient(q))
    return kl_coefficient * kl - entropy_coefficient * policies.entropy(log_pi) - value


def dual_averaging_temperature(
    kl_coefficient: float, entropy_coefficient: float, syncs: tf.Tensor
) -> tf.Tensor:
    """Return the temperature t of dual averaging's policy softmax(C / t).

    tau where there is an entropy term, else lambda / (k + 1): the mean of k + 1 action values
    weighs as much as their sum does in mirror descent.

    Args:
        kl_coefficient: lambda >= 0, units of return.
        entropy_coefficient: tau >= 0, units of return; not both 0.
        syncs: k, synchronisations so far, a scalar; its type is the result's type.

    Returns:
        A scalar, units of return.
    """
    if entropy_coefficient > 0:
        return tf.convert_to_tensor(entropy_coefficient, syncs.dtype)
    return kl_coefficient / (syncs + 1.0)


def scaled_log_policy(
    preference: tf.Tensor,
    temperature: Temperature,
    low: float | None,
    mask: tf.Tensor | None = None,
) -> tf.Tensor:
    """Return t * log softmax(preference / t) clipped to [low, 0], for every action.

    With preference = Q + L and L the companion, this is the next L of dynamic policy programming
    in its Q-plus-log-policy form; Q itself never diverges.

    Args:
        preference: Shape [..., A], units of return.
        temperature: t > 0, units of return.
        low: Lower clip, at most 0, units of return; None is no clip, and L then diverges.
        mask: Legal actions, shape [..., A], or None.

    Returns:
        Shape [..., A], units of return, no gradient; illegal actions have 0.
    """
    shifted, _ = values.centre(preference, mask)
    scaled = shifted - values.logsumexp(shifted, temperature, mask)[..., tf.newaxis]
    if low is not None:
        scaled = tf.maximum(scaled, tf.convert_to_tensor(low, scaled.dtype))
    if mask is not None:
        scaled = tf.where(mask, scaled, tf.zeros_like(scaled))
    return tf.stop_gradient(scaled)
