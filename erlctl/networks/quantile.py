"""Implicit quantile network (Dabney et al. 2018): a body, an embedding of fractions, a head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tf_agents.networks import network as network_lib

from erlctl.fields import Options
from erlctl.maths.quantiles import cos_pi
from erlctl.networks.build import body, head_initializer, hidden_initializer, samplable


class QuantileNetwork(network_lib.Network):
    """z(s, a; sigma) = f(psi(s) * phi(sigma)); called as a Q-network it gives the mean.

    phi(sigma) = relu(W [cos(pi i sigma)]_i + b), i = 0 .. E-1 (Dopamine: 1 .. E). psi is the body
    without its last hidden layer, f that layer and the head, the division that Dopamine has; of a
    body with one hidden layer and no convolution f is the head alone. The mean reads the fixed
    fractions (k + 1/2) / K, so that acting needs no random numbers.

    Args:
        input_tensor_spec: Spec of one observation.
        options: Body.
        num_actions: A.
        num_policy_quantiles: K.
        embedding_size: E.
        xla: Whether the network will run inside XLA.
        name: Name of the network.
    """

    def __init__(
        self,
        input_tensor_spec: Any,
        options: Options,
        num_actions: int,
        num_policy_quantiles: int,
        embedding_size: int,
        *,
        xla: bool,
        name: str = "QuantileNetwork",
    ) -> None:
        super().__init__(samplable(input_tensor_spec), state_spec=(), name=name)
        self._num_policy_quantiles = num_policy_quantiles
        self._embedding_size = embedding_size
        layers = body(options, input_tensor_spec, xla=xla)
        splits = len(layers) > 2 and isinstance(layers[-1], tf.keras.layers.Dense)
        self._psi, last = (layers[:-1], layers[-1:]) if splits else (layers, [])
        self._embedding = tf.keras.layers.Dense(
            _num_features(self._psi, input_tensor_spec), activation="relu",
            kernel_initializer=hidden_initializer(),
        )
        self._head = tf.keras.layers.Dense(num_actions, kernel_initializer=head_initializer())
        self._f = [*last, self._head]

    def call(
        self, observation: tf.Tensor, step_type: Any = None, network_state: Any = (),
        training: bool = False,
    ) -> tuple[tf.Tensor, Any]:
        """Return the mean of the policy quantiles, [B, A], and no state."""
        del step_type, training
        count = self._num_policy_quantiles
        midpoints = (tf.range(count, dtype=tf.float32) + 0.5) / count
        return tf.reduce_mean(self.quantiles(observation, midpoints), axis=-2), network_state

    def quantiles(self, observation: tf.Tensor, fractions: tf.Tensor) -> tf.Tensor:
        """Return z [B, N, A] at `fractions` in [0, 1]: [B, N], or [N] for the same everywhere."""
        features = observation
        for layer in self._psi:
            features = layer(features)
        order = tf.range(self._embedding_size, dtype=tf.float32)
        z: tf.Tensor = self._embedding(cos_pi(order * fractions[..., tf.newaxis]))
        z = features[:, tf.newaxis, :] * z
        for layer in self._f:
            z = layer(z)
        return z


def _num_features(layers: Sequence[Any], observation: tf.TypeSpec) -> int:
    """Return F of the layers' output [B, F]; builds them."""
    shape = tf.TensorShape([1, *observation.shape])
    for layer in layers:
        shape = layer.compute_output_shape(shape)
    return int(shape[-1])
