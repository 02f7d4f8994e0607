"""One agent for the whole one-network family: a Q-network, its target copy and any `Backup`."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tf_agents.agents import tf_agent
from tf_agents.networks import network as network_lib
from tf_agents.trajectories import trajectory

from erlctl.agents.base import Agent, Descent, TargetPair, both_values, td_loss
from erlctl.agents.context import AgentContext, Observation, split_mask
from erlctl.maths import diagnostics, targets
from erlctl.networks.layers import CENTRES


class ValueAgent(Agent):
    """DQN whose target is any `Backup`; with the default one it computes what `DqnAgent` does.

    y = r + alpha * clip(q(s, a) - V(q(s)), low, high) + gamma * discount * V(q(s')), where q is the
    target network.

    Args:
        context: What every agent is built from; the algorithm gives the `Backup`.
    """

    def __init__(self, context: AgentContext) -> None:
        self._backup = context.lift(lambda algorithm: algorithm.backup())
        self._centre = CENTRES.get(getattr(context.network, "dueling", None) or "")
        if self._centre is not None:
            self.figure_names = (*self.figure_names, "value_head")
        pair = TargetPair.of(self._make_network(context))
        self._q_network, self._target_q_network = pair
        super().__init__(
            context,
            networks={"weights/q": self._q_network},
            targets={"target_q": pair},
            descents=[self._descent(context)],
        )

    def _descent(self, context: AgentContext) -> Descent:
        return Descent(
            "loss", "optimizer", context.make_optimizer(), self._q_network.trainable_weights,
            self._q_loss,
        )

    def preferences(self, observation: Observation) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Return the online network's action values [B, A] and the mask of legal actions."""
        inputs, mask = self._split(observation)
        return self._q_network(inputs)[0], mask

    def _split(self, observation: Observation) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Return what the network reads and the mask of its outputs."""
        return split_mask(observation)

    @staticmethod
    def _make_network(context: AgentContext) -> network_lib.Network:
        return context.value_network("q_network")

    def _q_loss(self, batch: trajectory.Transition) -> tf_agent.LossInfo:
        step, action_step, next_step = batch
        inputs, mask_t = self._split(step.observation)
        next_inputs, mask_tp1 = self._split(next_step.observation)
        if self._backup.gap_scale > 0:
            q_t, q_tp1 = both_values(self._target_q_network, inputs, next_inputs)
        else:  # nothing reads the values at s
            q_t = q_tp1 = self._target_q_network(next_inputs)[0]
        y = targets.regularised_target(
            self._backup, next_step.reward, self.algorithm.gamma * next_step.discount,
            q_t, action_step.action, q_tp1,
            online_q_tp1=self._q_network(next_inputs)[0] if self._backup.double else None,
            mask_t=mask_t, mask_tp1=mask_tp1,
        )
        return td_loss(self.algorithm.loss, y, self._q_network(inputs)[0], action_step.action)

    def _figures(self, batch: Any) -> dict[str, tf.Tensor]:
        observation, action = batch.time_step.observation, batch.action_step.action
        q, mask = self.preferences(observation)
        target_q = tf.cast(self._target_q_network(self._split(observation)[0])[0], q.dtype)
        # The centre of dueling action values is the value head, because centres are equivariant.
        head = {} if self._centre is None else {"value_head": self._centre(q, axis=-1)}
        return {
            **{name: tf.reduce_mean(values) for name, values in head.items()},
            **diagnostics.policy_figures(
                q, target_q, self._policy_temperature, mask,
                operator=self._backup.operator,
            ),
            "clipped_fraction": targets.clipped_fraction(self._backup, target_q, action, mask),
        }
