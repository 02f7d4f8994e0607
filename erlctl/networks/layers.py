"""Keras layers that the bodies need beside Keras's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf


class ToFloat(tf.keras.layers.Layer):
    """Cast observations to float32; uint8 images of 0..255 are scaled to 0..1.

    Args:
        scale: Factor after the cast.
        flatten: Whether all axes behind the batch become one.
    """

    def __init__(self, scale: float = 1.0, *, flatten: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._scale = scale
        self._flatten = flatten

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return `scale * float32(inputs)`, shape [B, ...] or [B, product]."""
        values = tf.cast(inputs, tf.float32)
        if self._scale != 1.0:
            values *= self._scale
        if self._flatten:
            values = tf.reshape(values, [-1, int(np.prod(inputs.shape[1:]))])
        return values

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "scale": self._scale, "flatten": self._flatten}


class JoinAction(tf.keras.layers.Layer):
    """Join an observation [B, ...] and an action [B, D] to one row of float32 numbers."""

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """Return [B, product + D]."""
        rows = [tf.reshape(tf.cast(x, tf.float32), [tf.shape(x)[0], int(np.prod(x.shape[1:]))])
                for x in inputs]
        return tf.concat(rows, axis=-1)


class Squeeze(tf.keras.layers.Layer):
    """Drop the last axis, which has one entry."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Map [B, 1] to [B]; never drops a batch axis of size 1."""
        return tf.squeeze(inputs, axis=-1)


class Factors(tf.keras.layers.Layer):
    """Split a row of outputs into one row for each factor, padded with zeros to the longest.

    Args:
        sizes: Number of outputs of each factor.
    """

    def __init__(self, sizes: tuple[int, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sizes = sizes

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Map [B, sum of the sizes] to [B, M, largest size]."""
        largest = max(self.sizes)
        if len(set(self.sizes)) == 1:
            return tf.reshape(inputs, [-1, len(self.sizes), largest])
        rows = [tf.pad(row, [[0, 0], [0, largest - size]])
                for row, size in zip(tf.split(inputs, self.sizes, axis=1), self.sizes, strict=True)]
        return tf.stack(rows, axis=1)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "sizes": self.sizes}


class PatchConv2D(tf.keras.layers.Layer):
    """A valid convolution as patches times a matrix, equal to Conv2D.

    XLA's own convolution on CPU is slow (MinAtar's network at batch 32: 285 updates/s against 706
    in this form, one thread); in graph mode oneDNN's Conv2D is the better choice.

    Args:
        filters: Output channels.
        kernel_size: Side of the square kernel.
        strides: Stride on both axes.
        activation: Keras activation.
    """

    def __init__(
        self, filters: int, kernel_size: int, strides: int = 1, *, activation: str | None = None,
        kernel_initializer: Any = "glorot_uniform", **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.strides = filters, kernel_size, strides
        self.activation = tf.keras.activations.get(activation)
        self.kernel_initializer = tf.keras.initializers.get(kernel_initializer)
        self.bias_initializer = tf.keras.initializers.Zeros()

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create kernel [k, k, C, filters] and bias [filters]."""
        shape = (self.kernel_size, self.kernel_size, int(input_shape[-1]), self.filters)
        self.kernel = self.add_weight("kernel", shape, initializer=self.kernel_initializer)
        self.bias = self.add_weight("bias", (self.filters,), initializer=self.bias_initializer)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Map [B, H, W, C] to [B, (H-k)//s+1, (W-k)//s+1, filters]."""
        size, stride = self.kernel_size, self.strides
        height, width = inputs.shape[1], inputs.shape[2]
        rows, columns = (height - size) // stride + 1, (width - size) // stride + 1
        patches = tf.concat(
            [
                inputs[:, i : i + (rows - 1) * stride + 1 : stride,
                       j : j + (columns - 1) * stride + 1 : stride, :]
                for i in range(size) for j in range(size)
            ],
            axis=-1,
        )  # [B, rows, columns, k * k * C]
        depth = size * size * inputs.shape[3]
        flat = tf.reshape(patches, [-1, depth]) @ tf.reshape(self.kernel, [depth, self.filters])
        return self.activation(tf.reshape(flat + self.bias, [-1, rows, columns, self.filters]))

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            **super().get_config(), "filters": self.filters, "kernel_size": self.kernel_size,
            "strides": self.strides,
            "activation": tf.keras.activations.serialize(self.activation),
            "kernel_initializer": tf.keras.initializers.serialize(self.kernel_initializer),
        }


class GraphConv2D(tf.keras.layers.Conv2D):
    """Keras' Conv2D with the bias added by `+`, for graphs.

    oneDNN computes the gradients of a kernel and its bias in one operation, slower than one after
    the other: without that an update of Nature's network takes 1 to 3 % less.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Map [B, H, W, C] to [B, H', W', filters]."""
        return self.activation(self.convolution_op(inputs, self.kernel) + self.bias)


class NarrowDense(tf.keras.layers.Dense):
    """Keras' Dense for a few units inside XLA: equal to rounding, with a faster backward pass.

    XLA's CPU backend computes dX = dY W^T with few columns by a naive loop, and packs all of X for
    dW = X^T dY. Here dX is a sum of scaled rows, which fuses with the gradient of the activation
    before it, and dW one matrix-vector product per unit. With two units on an AMD EPYC (TensorFlow
    2.20, one core) a whole DQN step of 64-64 units takes 11 % less time, of 256-256 units 9 %.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Map [B, F] to [B, units]."""
        return self.activation(_narrow_product(inputs, self.kernel.read_value()) + self.bias)


def _narrow_product(x: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
    """Return x [B, F] times w [F, A], a column at a time."""
    return tf.concat([tf.matmul(x, column) for column in tf.split(w, w.shape[1], axis=1)], axis=-1)


# How a dueling head centres its advantages. All are equivariant, centre(x + c) = centre(x) + c, so
# the value head is the centre of the action values. `logsumexp` has temperature 1.
CENTRES: Mapping[str, Callable[..., tf.Tensor]] = {
    "mean": tf.reduce_mean, "max": tf.reduce_max, "logsumexp": tf.reduce_logsumexp,
}


class Dueling(tf.keras.layers.Layer):
    """q = V + (A - centre_a A) (Wang et al. 2016, there with the mean).

    With DPP's preferences the mean-centred V head equals the mean preference, which falls without
    bound; `max` and `logsumexp` keep V at the optimal value (that observation is ours).

    Args:
        num_actions: Number of actions.
        centre: One of `CENTRES`.
        kernel_initializer: Of advantages and value.
        narrow: Whether the joint head is a `NarrowDense`.
    """

    def __init__(
        self, num_actions: int, centre: str, *, kernel_initializer: Any, narrow: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_actions, self.centre, self.narrow = num_actions, centre, narrow
        self.kernel_initializer = tf.keras.initializers.get(kernel_initializer)
        dense = NarrowDense if narrow else tf.keras.layers.Dense
        self.head = dense(num_actions + 1, kernel_initializer=self.kernel_initializer)

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create the joint head: advantages and one value."""
        self.head.build(input_shape)
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Map features [B, F] to action values [B, A]."""
        joint = self.head(inputs)
        advantages, value = joint[..., :-1], joint[..., -1:]
        return value + advantages - CENTRES[self.centre](advantages, axis=-1, keepdims=True)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            **super().get_config(), "num_actions": self.num_actions, "centre": self.centre,
            "narrow": self.narrow,
            "kernel_initializer": tf.keras.initializers.serialize(self.kernel_initializer),
        }
