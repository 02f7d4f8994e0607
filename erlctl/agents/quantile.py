"""Implicit quantile agents: the one-network target on samples of the return's distribution."""

from __future__ import annotations

import tensorflow as tf
from tf_agents.agents import tf_agent
from tf_agents.networks import network as network_lib
from tf_agents.trajectories import trajectory

from erlctl.agents.base import TdLossInfo
from erlctl.agents.context import AgentContext, split_mask
from erlctl.agents.value import ValueAgent
from erlctl.maths import quantiles
from erlctl.maths.values import take_action
from erlctl.networks.quantile import QuantileNetwork


class QuantileAgent(ValueAgent):
    """`ValueAgent` on a quantile network: policies read the mean, the loss the quantiles."""

    @staticmethod
    def _make_network(context: AgentContext) -> network_lib.Network:
        algorithm = context.algorithm
        return QuantileNetwork(
            context.observation_spec, context.network, context.num_actions,
            algorithm.num_policy_quantiles, algorithm.embedding_size, xla=context.xla,
            name="q_network",
        )

    def _q_loss(self, batch: trajectory.Transition) -> tf_agent.LossInfo:
        step, action_step, next_step = batch
        algorithm = self.algorithm
        inputs, mask_t = split_mask(step.observation)
        next_inputs, mask_tp1 = split_mask(next_step.observation)
        target = quantiles.quantile_target(
            self._backup,
            next_step.reward,
            algorithm.gamma * next_step.discount,
            self._target_q_network(inputs)[0],
            action_step.action,
            self._target_q_network(next_inputs)[0],
            self._target_q_network.quantiles(
                next_inputs, self._fractions(next_inputs, algorithm.num_target_quantiles)
            ),
            mask_t=mask_t, mask_tp1=mask_tp1,
        )
        fractions = self._fractions(inputs, algorithm.num_quantiles)
        z = self._q_network.quantiles(inputs, fractions)
        actions = tf.tile(action_step.action[:, tf.newaxis], [1, algorithm.num_quantiles])
        predictions = take_action(z, actions)  # [B, N]
        losses = quantiles.quantile_huber_loss(predictions, fractions, target, algorithm.kappa)
        error = tf.reduce_mean(target, axis=1) - tf.reduce_mean(predictions, axis=1)
        return tf_agent.LossInfo(tf.reduce_mean(losses), TdLossInfo(losses, error))

    def _fractions(self, observation: tf.Tensor, count: int) -> tf.Tensor:
        return self._generator.uniform((tf.shape(observation)[0], count))
