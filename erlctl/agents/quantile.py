"""Implicit quantile agents: the one-network target on samples of the return's distribution."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tf_agents.agents import tf_agent
from tf_agents.agents.dqn import dqn_agent
from tf_agents.trajectories import trajectory

from erlctl.agents.base import AgentContext, split_mask, unmoved
from erlctl.agents.regularised_dqn import RegularisedDqnAgent, dqn_arguments
from erlctl.maths import quantiles
from erlctl.maths.values import take_action
from erlctl.networks.quantile import QuantileNetwork


class QuantileAgent(RegularisedDqnAgent):
    """`RegularisedDqnAgent` on a quantile network: policies read the mean, the loss the quantiles.

    Args:
        generator: Source of the fractions sigma.
        **kwargs: As `RegularisedDqnAgent`; `q_network` is a `QuantileNetwork`.
    """

    def __init__(self, *args: Any, generator: tf.random.Generator, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._generator = generator

    def diagnostics(self, transition: trajectory.Transition) -> dict[str, tf.Tensor]:
        """Return policy, gap, value and gradient figures of a batch."""
        with unmoved(self._generator):
            return super().diagnostics(transition)

    def _loss(
        self, experience: trajectory.Transition, gamma: float = 1.0, **kwargs: Any
    ) -> tf_agent.LossInfo:
        del kwargs  # upstream's loss function and reward scale have no meaning here
        step, action_step, next_step = self._as_transition(experience)
        algorithm: Any = self.algorithm
        inputs, mask_t = split_mask(step.observation)
        next_inputs, mask_tp1 = split_mask(next_step.observation)
        target = quantiles.quantile_target(
            self._backup,
            next_step.reward,
            gamma * next_step.discount,
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
        return tf_agent.LossInfo(
            tf.reduce_mean(losses), dqn_agent.DqnLossInfo(td_loss=losses, td_error=error)
        )

    def _fractions(self, observation: tf.Tensor, count: int) -> tf.Tensor:
        return self._generator.uniform((tf.shape(observation)[0], count))


def build(context: AgentContext) -> QuantileAgent:
    """Return the agent of a quantile declaration."""
    arguments = dqn_arguments(context)
    algorithm = context.algorithm
    network = QuantileNetwork(
        context.observation_spec, context.network, context.num_actions,
        algorithm.num_policy_quantiles, algorithm.embedding_size, xla=context.xla,
        name="q_network",
    )
    agent = QuantileAgent(q_network=network, generator=context.generator, **arguments)
    arguments["optimizer"].build(network.trainable_weights)
    return agent
