"""Log-density of stored actions under a Gaussian that tanh squashes into a box.

    u ~ N(loc, scale),  a = (low + high) / 2 + half * tanh(u),  half = (high - low) / 2
    log pi(a) = log N(u; loc, scale) - sum_i log(half_i) - sum_i log(1 - tanh(u_i)^2)
"""

from __future__ import annotations

import math

import tensorflow as tf

# Float32 holds nothing between 1 - 6e-8 and 1, and atanh(1) is infinite. About 1e-6, and a multiple
# of that spacing: 1 - 1e-6 would be rounded to it, and densities at the bounds not be the stated.
MARGIN = 17 * 2.0**-24


def unsquash(action: tf.Tensor, low: tf.Tensor, high: tf.Tensor) -> tf.Tensor:
    """Return u with action = middle + half * tanh(u), from an action at most MARGIN from a bound.

    Args:
        action: Actions in [low, high], shape [..., D].
        low: Lower bounds, shape [D].
        high: Upper bounds, shape [D].

    Returns:
        Shape [..., D], in +-7.25.
    """
    unit = (2.0 * action - (high + low)) / (high - low)
    return tf.math.atanh(tf.clip_by_value(unit, -1.0 + MARGIN, 1.0 - MARGIN))


def log_slope_of_tanh(u: tf.Tensor) -> tf.Tensor:
    """Return log(1 - tanh(u)^2) = 2 (log 2 - u - softplus(-2u)): finite for every u."""
    return 2.0 * (math.log(2.0) - u - tf.math.softplus(-2.0 * u))


def log_density(
    action: tf.Tensor, loc: tf.Tensor, scale: tf.Tensor, low: tf.Tensor, high: tf.Tensor
) -> tf.Tensor:
    """Return log pi(action) of the squashed Gaussian.

    Args:
        action: Stored actions in [low, high], shape [..., D].
        loc: Mean of u, shape [..., D].
        scale: Standard deviation of u, greater than 0, shape [..., D].
        low: Lower bounds, shape [D].
        high: Upper bounds, shape [D].

    Returns:
        Shape [...], in nats; may be positive, it is a density.
    """
    u = unsquash(action, low, high)
    normal = -0.5 * tf.square((u - loc) / scale) - tf.math.log(scale) - 0.5 * math.log(2 * math.pi)
    slope = log_slope_of_tanh(u) + tf.math.log((high - low) / 2.0)
    return tf.reduce_sum(normal - slope, axis=-1)
