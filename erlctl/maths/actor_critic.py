"""Terms of soft actor-critics, discrete and continuous, with and without the Munchausen bonus.

    y = r + bonus(s, a) + gamma * discount * V(s')

with a the replayed action. Were it drawn from the actor instead, the bonus would average to a
function of the state alone and regularise nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tensorflow as tf

from erlctl.maths import policies, targets
from erlctl.maths.values import Temperature


def soft_policy_value(q: tf.Tensor, log_pi: tf.Tensor, temperature: Temperature) -> tf.Tensor:
    """Return <pi, q> + t * H(pi) = sum_a pi_a (q_a - t log pi_a).

    At most logsumexp(q, t), with equality for pi = softmax(q / t).

    Args:
        q: The smaller of the target critics, shape [..., A], units of return.
        log_pi: Log-probabilities of the actor, shape [..., A].
        temperature: t >= 0, units of return.

    Returns:
        Shape [...], units of return.
    """
    return policies.expectation(log_pi, q) + temperature * policies.entropy(log_pi)


def discrete_actor_loss(q: tf.Tensor, log_pi: tf.Tensor, temperature: Temperature) -> tf.Tensor:
    """Return sum_a pi_a (t log pi_a - q_a) (Christodoulou 2019, arXiv:1910.07207).

    Args:
        q: The smaller of the critics, shape [..., A]; a constant of the loss.
        log_pi: Log-probabilities of the actor, shape [..., A]; gets the gradient.
        temperature: t >= 0, units of return; a constant of the loss.

    Returns:
        Shape [...], units of return.
    """
    constant = tf.stop_gradient(tf.convert_to_tensor(temperature, q.dtype))
    return -soft_policy_value(tf.stop_gradient(q), log_pi, constant)


def temperature_loss(
    log_temperature: tf.Tensor, entropy: tf.Tensor, target_entropy: Temperature
) -> tf.Tensor:
    """Return t * (H - target): its descent raises t where the entropy is below the target.

    Args:
        log_temperature: log t, a scalar; gets the gradient.
        entropy: Entropy of the actor or -log pi of its samples, shape [...]; a constant.
        target_entropy: In nats.

    Returns:
        Shape [...].
    """
    return tf.exp(log_temperature) * tf.stop_gradient(entropy - target_entropy)


def log_policy_bonus(
    log_prob: tf.Tensor,
    temperature: Temperature,
    alpha: float,
    bounds: tuple[float | None, float | None],
) -> tf.Tensor:
    """Return alpha * clip(t * log pi(a|s), low, high) of the replayed action.

    Args:
        log_prob: Log-probability or log-density of the replayed action, shape [B].
        temperature: t >= 0, units of return.
        alpha: Weight in [0, 1].
        bounds: (low, high) in units of return; None is no clip. A density can exceed 1, so the
            upper bound is needed for continuous actions.

    Returns:
        Shape [B], units of return, no gradient.
    """
    return tf.stop_gradient(alpha * targets.clip(temperature * log_prob, bounds))


def clipped_fraction(
    scaled: tf.Tensor, alpha: float, bounds: tuple[float | None, float | None]
) -> tf.Tensor:
    """Return the share of t * log pi(a|s), `scaled` [B], below the lower clip of the bonus.

    Returns:
        A scalar in [0, 1]; 0 where there is no bonus (alpha = 0) or no lower clip.
    """
    low = bounds[0]
    if low is None or alpha == 0:
        return tf.zeros([], scaled.dtype)
    return tf.reduce_mean(tf.cast(scaled < low, scaled.dtype))


def _clip_unit(x: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(x, -1.0, 1.0)


# How mirror-descent actor-critic bounds t * log pi after division by its scale.
BOUNDING_FUNCTIONS: Mapping[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "clip": _clip_unit, "tanh": tf.math.tanh,
}


def bounded_log_density(
    log_prob: tf.Tensor, temperature: Temperature, bounding: str, scale: float
) -> tf.Tensor:
    """Return f(t * log pi / scale), f a function with values in [-1, 1].

    Stands in for both t * log pi terms of the critic's target in mirror-descent actor-critic
    (Iwaki, arXiv:2502.03854). That x is t * log pi in units of return is our reading.

    Args:
        log_prob: Log-density, shape [...].
        temperature: t >= 0, units of return.
        bounding: A key of `BOUNDING_FUNCTIONS`.
        scale: Greater than 0, units of return.

    Returns:
        Shape [...], units of return, in [-1, 1].
    """
    return BOUNDING_FUNCTIONS[bounding](temperature * log_prob / scale)
