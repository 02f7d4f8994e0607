"""Implicit quantile network (Dabney et al. 2018): a body, an embedding of fractions, a head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tf_agents.networks import network as network_lib

from erlctl.fields import Options
from erlctl.maths.quantiles import cos_pi
from erlctl.networks.build import body, head_initializer, hidden_initializer


class QuantileNetwork(network_lib.Network):
    """z(s, a; sigma) = head(psi(s) * phi(sigma)); called as a Q-network it gives the mean.

    phi(sigma) = relu(W [cos(pi i sigma)]_i + b), i = 0 .. E-1. The mean reads the fixed fractions
    (k + 1/2) / K, so that acting needs no random numbers; the paper draws them.

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
        super().__init__(input_tensor_spec, state_spec=(), name=name)
        self._num_policy_quantiles = num_policy_quantiles
        self._embedding_size = embedding_size
        self._body = body(options, input_tensor_spec, xla=xla)
        units = _num_features(self._body, input_tensor_spec)
        self._embedding = tf.keras.layers.Dense(
            units, activation="relu", kernel_initializer=hidden_initializer()
        )
        self._head = tf.keras.layers.Dense(num_actions, kernel_initializer=head_initializer())

    def call(
        self, observation: tf.Tensor, step_type: Any = None, network_state: Any = (),
        training: bool = False,
    ) -> tuple[tf.Tensor, Any]:
        """Return the mean of the policy quantiles, [B, A], and no state."""
        del step_type, training
        count = self._num_policy_quantiles
        midpoints = (tf.range(count, dtype=tf.float32) + 0.5) / count
        # The head is linear: the mean of its outputs is its output at the mean embedding.
        mean_embedding = tf.reduce_mean(self._embed(midpoints), axis=0)  # [F]
        return self._head(self._features(observation) * mean_embedding), network_state

    def quantiles(self, observation: tf.Tensor, fractions: tf.Tensor) -> tf.Tensor:
        """Return z [B, N, A] at `fractions` [B, N] in [0, 1]."""
        mixed = self._features(observation)[:, tf.newaxis, :] * self._embed(fractions)
        result: tf.Tensor = self._head(mixed)
        return result

    def _features(self, observation: tf.Tensor) -> tf.Tensor:
        features = observation
        for layer in self._body:
            features = layer(features)
        return features

    def _embed(self, fractions: tf.Tensor) -> tf.Tensor:
        """Return phi [..., F] of fractions [...]."""
        order = tf.range(self._embedding_size, dtype=tf.float32)
        embedded: tf.Tensor = self._embedding(cos_pi(order * fractions[..., tf.newaxis]))
        return embedded


def _num_features(body: Sequence[Any], observation: tf.TypeSpec) -> int:
    """Return F of the body's output [B, F]; builds its layers."""
    shape = tf.TensorShape([1, *observation.shape])
    for layer in body:
        shape = layer.compute_output_shape(shape)
    return int(shape[-1])
