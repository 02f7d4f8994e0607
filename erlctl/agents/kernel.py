"""The agent whose update solves for its weights: ridge regression on fixed features."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tf_agents.agents import tf_agent
from tf_agents.networks import network as network_lib
from tf_agents.networks import sequential
from tf_agents.trajectories import trajectory

from erlctl.agents.base import Descent, td_loss
from erlctl.agents.context import AgentContext, Observation
from erlctl.agents.value import ValueAgent
from erlctl.maths import targets
from erlctl.networks.build import body, samplable
from erlctl.networks.features import Ald


class KernelAgent(ValueAgent):
    """`ValueAgent` whose preferences are linear in float64 and solved for at each update.

    An update is an iteration: the dictionary of `features: ald` grows by the batch, targets are
    made with the network as it is, p_k, and the network becomes the fit, p_{k+1}; its target copy
    is p_k from then on, so that the figures tell what an iteration changed. `target_update_every`
    and the optimiser are not read.

    Args:
        context: What every agent is built from; its network is features or linear.
    """

    def __init__(self, context: AgentContext) -> None:
        super().__init__(context)
        layers = (layer for layer in self._q_network.submodules if isinstance(layer, Ald))
        self._dictionary = next(layers, None)

    @staticmethod
    def _make_network(context: AgentContext) -> network_lib.Network:
        observation = context.observation_spec
        head = tf.keras.layers.Dense(
            context.num_actions, use_bias=False, kernel_initializer="zeros", dtype=tf.float64
        )
        return sequential.Sequential(
            [*body(context.network, observation, xla=context.xla), head],
            input_spec=samplable(observation), name="q_network",
        )

    def _descent(self, context: AgentContext) -> Descent:
        del context
        return Descent("loss", "", None, self._q_network.trainable_weights, self._q_loss)

    def preferences(self, observation: Observation) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Return the preferences [B, A] in float32 and the mask of legal actions."""
        rows, mask = super().preferences(observation)
        return tf.cast(rows, tf.float32), mask

    def _prepare(self, batch: trajectory.Transition) -> trajectory.Transition:
        """Give rewards and discounts the dtype of the preferences."""
        following = batch.next_time_step
        return batch._replace(next_time_step=following._replace(
            reward=tf.cast(following.reward, tf.float64),
            discount=tf.cast(following.discount, tf.float64),
        ))

    def _descend(self, descent: Descent, batch: Any) -> tf_agent.LossInfo:
        (weights,) = descent.weights
        step, action_step, next_step = batch
        inputs, mask_t = self._split(step.observation)
        next_inputs, mask_tp1 = self._split(next_step.observation)
        if self._dictionary is not None:
            self._dictionary.grow(inputs)
        self._copy_to_targets(1.0)
        both = tf.concat([inputs, next_inputs], axis=0)
        for layer in self._q_network.layers[:-1]:
            both = layer(both)
        features, next_features = tf.split(tf.cast(both, tf.float64), 2)
        y = targets.regularised_target(
            self._backup, next_step.reward, self.algorithm.gamma * next_step.discount,
            features @ weights, action_step.action, next_features @ weights,
            mask_t=mask_t, mask_tp1=mask_tp1,
        )
        solution = ridge_weights(
            features, action_step.action, y, weights.shape[1], self.algorithm.ridge
        )
        weights.assign(solution)
        return td_loss("squared", y, features @ solution, action_step.action)

    def losses(self, info: tf_agent.LossInfo) -> dict[str, tf.Tensor]:
        """See the base class; float32 as every figure."""
        return {name: tf.cast(loss, tf.float32) for name, loss in super().losses(info).items()}

    def _synchronise(self, polyak: float) -> tf.Operation:
        """Leave the target copy, which an iteration sets itself."""
        del polyak
        return tf.no_op()


def ridge_weights(
    features: tf.Tensor, action: tf.Tensor, y: tf.Tensor, num_actions: int, ridge: float
) -> tf.Tensor:
    """Return argmin over w of sum (y - features . w_action)^2 + ridge |w|^2.

    By the normal equations of each action. A feature that is 0 in all of an action's rows has
    weight 0, also without ridge.

    Args:
        features: float64 [B, F].
        action: Integers in [0, A), [B].
        y: float64 [B].
        num_actions: A.
        ridge: At least 0. Not finite results, with 0, where features are linearly dependent.

    Returns:
        float64 [F, A].
    """
    rows = tf.one_hot(action, num_actions, dtype=features.dtype)  # [B, A]
    # One after the other: as slow as all at once, with a fraction of the memory.
    gram = tf.stack([
        tf.matmul(features * row[:, tf.newaxis], features, transpose_a=True)
        for row in tf.unstack(rows, axis=1)
    ])
    diagonal = tf.linalg.diag_part(gram) + tf.convert_to_tensor(ridge, gram.dtype)
    gram = tf.linalg.set_diag(gram, tf.where(diagonal > 0, diagonal, 1.0))
    moments = tf.matmul(features, rows * y[:, tf.newaxis], transpose_a=True)  # [F, A]
    factor = tf.linalg.cholesky(gram)
    return tf.transpose(tf.linalg.cholesky_solve(factor, tf.transpose(moments)[..., tf.newaxis])[
        ..., 0])
