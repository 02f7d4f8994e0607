"""State values V(q, temperature) from a row of action values; all map `[..., A]` to `[...]`.

max(q) - t log A <= mellowmax <= max(q) <= logsumexp <= max(q) + t log A, and boltzmann <= max(q);
all four tend to max(q) as t -> 0. Reductions are over the last axis. `mask` [..., A] is true for
legal actions; the result is that of the row with the other columns dropped.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TypeAlias

import tensorflow as tf

from erlctl.maths import tsallis

# Up to so many actions a reduction is a chain of columns: XLA's inner loop over two numbers made a
# step of munchausen_dqn on CartPole 4 to 6 % longer.
MAX_UNROLLED = 8

Temperature: TypeAlias = "float | tf.Tensor"
ValueOperator: TypeAlias = Callable[..., tf.Tensor]


def max_over_actions(x: tf.Tensor) -> tf.Tensor:
    """Return the maximum over the last axis: [..., A] to [...]."""
    if not _is_short(x):
        return tf.reduce_max(x, axis=-1)
    return functools.reduce(tf.maximum, tf.unstack(x, axis=-1))


def sum_over_actions(x: tf.Tensor) -> tf.Tensor:
    """Return the sum over the last axis: [..., A] to [...]."""
    return tf.add_n(tf.unstack(x, axis=-1)) if _is_short(x) else tf.reduce_sum(x, axis=-1)


def _is_short(x: tf.Tensor) -> bool:
    return x.shape[-1] is not None and 0 < x.shape[-1] <= MAX_UNROLLED


def mask_illegal(q: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
    """Return `q` with illegal entries at a large finite negative number.

    Finite, because the difference of two minus infinities is not a number.

    Args:
        q: Action values, shape [..., A].
        mask: True for legal actions, shape [..., A], or None for all legal.

    Returns:
        Shape [..., A].
    """
    return q if mask is None else tf.where(mask, q, tf.constant(q.dtype.min / 2, q.dtype))


def centre(q: tf.Tensor, mask: tf.Tensor | None = None) -> tuple[tf.Tensor, tf.Tensor]:
    """Return q - m and m with m = max(q) over the legal actions.

    Every operator here commutes with adding a constant, so it can work on small numbers and add
    m at the end; m takes no part in gradients (its contributions would cancel).

    Args:
        q: Action values, shape [..., A].
        mask: True for legal actions, shape [..., A], or None for all legal.

    Returns:
        Shifted values, shape [..., A], and the shift, shape [...].
    """
    q = mask_illegal(q, mask)
    shift = tf.stop_gradient(max_over_actions(q))
    return q - shift[..., tf.newaxis], shift


def hard_max(q: tf.Tensor, temperature: Temperature, mask: tf.Tensor | None = None) -> tf.Tensor:
    """Return max(q); `temperature` is accepted so that every operator has one signature."""
    del temperature
    return max_over_actions(mask_illegal(q, mask))


def logsumexp(q: tf.Tensor, temperature: Temperature, mask: tf.Tensor | None = None) -> tf.Tensor:
    """Return the entropy-regularised maximum of `q`.

    V = t * log(sum_a exp(q_a / t)) = max over policies p of  sum_a p_a q_a + t * H(p).

    Args:
        q: Action values, shape [..., A], in units of return.
        temperature: t > 0, in units of return. The limit t -> 0 is `hard_max`.
        mask: True for legal actions, shape [..., A], or None for all legal.

    Returns:
        Shape [...]; between max(q) and max(q) + t * log(A).
    """
    shifted, shift = centre(q, mask)
    return shift + temperature * tf.math.log(sum_over_actions(tf.exp(shifted / temperature)))


def mellowmax(q: tf.Tensor, temperature: Temperature, mask: tf.Tensor | None = None) -> tf.Tensor:
    """Return t * log of the mean of exp(q / t) over the legal actions.

    V = logsumexp(q, t) - t * log(A)  (Asadi and Littman 2017; m_beta of CVI with beta = 1 / t).

    Args:
        q: Action values, shape [..., A], in units of return.
        temperature: t > 0, in units of return.
        mask: True for legal actions, shape [..., A], or None for all legal.

    Returns:
        Shape [...]; between max(q) - t * log(A) and max(q).
    """
    return logsumexp(q, temperature, mask) - temperature * tf.math.log(count_legal(q, mask))


def boltzmann(q: tf.Tensor, temperature: Temperature, mask: tf.Tensor | None = None) -> tf.Tensor:
    """Return the mean of `q` under softmax(q / t), DPP's operator M with eta = 1 / t.

    V = sum_a softmax(q / t)_a * q_a. Not a non-expansion: see the test of that name.

    Args:
        q: Action values, shape [..., A], in units of return.
        temperature: t > 0, in units of return.
        mask: True for legal actions, shape [..., A], or None for all legal.

    Returns:
        Shape [...]; at most max(q).
    """
    shifted, shift = centre(q, mask)
    weighted = tf.nn.softmax(shifted / temperature, axis=-1) * shifted
    if mask is not None:
        weighted = tf.where(mask, weighted, tf.zeros_like(weighted))
    return shift + sum_over_actions(weighted)


def sparsemax(q: tf.Tensor, temperature: Temperature, mask: tf.Tensor | None = None) -> tf.Tensor:
    """Return the maximum regularised by the Tsallis entropy of index 2, S(p) = sum p (1 - p) / 2.

    V = max over policies p of  sum_a p_a q_a + t * S(p), attained by sparsemax(q / t).

    Args:
        q: Action values, shape [..., A], in units of return.
        temperature: t > 0, in units of return.
        mask: True for legal actions, shape [..., A], or None for all legal.

    Returns:
        Shape [...]; between max(q) and max(q) + t * (1 - 1 / A) / 2.
    """
    return tsallis.regularised_maximum(mask_illegal(q, mask), temperature)


def count_legal(q: tf.Tensor, mask: tf.Tensor | None = None) -> tf.Tensor:
    """Return the number of legal actions in q's type: shape [...] with a mask, else a scalar."""
    if mask is None:
        return tf.cast(tf.shape(q)[-1], q.dtype)
    return tf.reduce_sum(tf.cast(mask, q.dtype), axis=-1)


def take_action(q: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
    """Return q[..., action].

    Args:
        q: Shape [..., A].
        action: Integers in [0, A), shape [...].

    Returns:
        Shape [...].
    """
    if action.shape.rank < 2:
        return tf.gather(q, action, axis=-1, batch_dims=action.shape.rank)
    # Of factors: XLA on a CPU scatters the gradient of a gather entry by entry.
    return sum_over_actions(q * tf.one_hot(action, q.shape[-1], dtype=q.dtype))


VALUE_OPERATORS: Mapping[str, ValueOperator] = {
    "max": hard_max, "logsumexp": logsumexp, "mellowmax": mellowmax, "boltzmann": boltzmann,
    "sparsemax": sparsemax,
}
