"""The one-network agent for actions of several factors: a row of preferences for each."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from tf_agents.networks import network as network_lib
from tf_agents.networks import sequential
from tf_agents.trajectories import trajectory

from erlctl.agents.context import AgentContext, Observation
from erlctl.agents.value import ValueAgent
from erlctl.networks.layers import Factors


class FactorialAgent(ValueAgent):
    """`ValueAgent` with preferences [B, M, A] of M factors, A the size of the largest.

    Entries beyond the size of a factor are masked as illegal. Every factor's target has the reward
    and the discount that all share; figures are means over the factors.

    Args:
        context: What every agent is built from; its actions are multi-discrete.
    """

    def __init__(self, context: AgentContext) -> None:
        sizes = context.factors
        legal = np.arange(max(sizes)) < np.array(sizes)[:, np.newaxis]
        self._legal = None if legal.all() else legal
        super().__init__(context)

    @staticmethod
    def _make_network(context: AgentContext) -> network_lib.Network:
        sizes = context.factors
        rows = context.value_network("preferences", sum(sizes))
        return sequential.Sequential(
            [rows, Factors(sizes)], input_spec=context.observation_spec, name="q_network"
        )

    def _split(self, observation: Observation) -> tuple[tf.Tensor, tf.Tensor | None]:
        if self._legal is None:
            return observation, None
        shape = (tf.shape(observation)[0], *self._legal.shape)
        return observation, tf.broadcast_to(self._legal, shape)

    def _prepare(self, batch: trajectory.Transition) -> trajectory.Transition:
        """Give rewards and discounts an axis along the factors, [B, 1]."""
        following = batch.next_time_step
        return batch._replace(next_time_step=following._replace(
            reward=following.reward[:, tf.newaxis], discount=following.discount[:, tf.newaxis]
        ))
