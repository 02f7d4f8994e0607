"""Agents with a second network beside Q: momentum DQN, DA-VI, MD-VI, DPP as Q plus log-policy."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf
from tf_agents.agents import tf_agent
from tf_agents.trajectories import trajectory

from erlctl.agents.base import LOSSES, Agent, Descent, TargetPair, both_values, td_loss
from erlctl.agents.context import AgentContext, Observation, split_mask
from erlctl.agents.policies import Temperature
from erlctl.algorithms.base import Backup
from erlctl.maths import diagnostics, targets
from erlctl.maths.companion_rules import COMPANION_RULES, Outputs


class TargetOutputs(NamedTuple):
    """Outputs of the target networks of Q and of C, [B, A] each."""

    q: tf.Tensor
    companion: tf.Tensor


class Batch(NamedTuple):
    """A batch with the outputs of the target networks at s and at s', which both losses read."""

    transition: trajectory.Transition
    targets_t: TargetOutputs
    targets_tp1: TargetOutputs


class CompanionAgent(Agent):
    """A Q-network with a companion network C that decides what Q is evaluated for.

    Q: y = r + gamma * discount * V(s') with V of the declaration's rule; C is fitted by the rule's
    loss, before Q. Both networks have target copies, which are synchronised in the same update,
    and an optimiser each. Policies act on C, or on Q + C where C is a log-policy.

    Args:
        context: What every agent is built from; the algorithm gives the `Companion`.
    """

    def __init__(self, context: AgentContext) -> None:
        self._declaration = context.lift(lambda algorithm: algorithm.companion())
        self._rule = COMPANION_RULES[self._declaration.rule]
        q, companion = (
            TargetPair.of(context.value_network(f"{name}_network")) for name in ("q", "companion")
        )
        self._q_network, self._target_q_network = q
        self._companion_network, self._target_companion_network = companion
        self._num_syncs = tf.Variable(0, dtype=tf.int64, trainable=False)
        super().__init__(
            context,
            networks={"weights/q": q.online, "weights/companion": companion.online},
            targets={"target_q": q, "target_companion": companion},
            descents=[
                Descent(
                    "companion_loss", "companion_optimizer",
                    context.make_optimizer(lambda algorithm: algorithm.companion_learning_rate),
                    companion.online.trainable_weights, self._companion_loss,
                ),
                Descent(
                    "loss", "optimizer", context.make_optimizer(),
                    q.online.trainable_weights, self._q_loss,
                ),
            ],
            # The temperature of dual averaging's own policy depends on it.
            extra_state={"weights/num_syncs": [self._num_syncs]},
        )

    def preferences(self, observation: Observation) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Return what actions are ranked by, [B, A], and the mask of legal actions."""
        inputs, mask = split_mask(observation)
        preferences = self._companion_network(inputs)[0]
        if self._rule.ranks_by_sum:
            preferences += self._q_network(inputs)[0]
        return preferences, mask

    def own_temperature(self) -> Temperature:
        """Return the rule's temperature, which may depend on the number of synchronisations."""
        return self._temperature

    def _temperature(self) -> tf.Tensor:
        return self._rule.temperature(self._declaration, self._syncs())

    def _syncs(self) -> tf.Tensor:
        return tf.cast(self._num_syncs.read_value(), tf.float32)

    def _synchronise(self, polyak: float) -> tf.Operation:
        return tf.group(self._copy_to_targets(polyak), self._num_syncs.assign_add(1))

    def _prepare(self, transition: trajectory.Transition) -> Batch:
        inputs, _ = split_mask(transition.time_step.observation)
        next_inputs, _ = split_mask(transition.next_time_step.observation)
        q_t, q_tp1 = both_values(self._target_q_network, inputs, next_inputs)
        c_t, c_tp1 = both_values(self._target_companion_network, inputs, next_inputs)
        return Batch(transition, TargetOutputs(q_t, c_t), TargetOutputs(q_tp1, c_tp1))

    def _outputs(self, observation: Observation, target_outputs: TargetOutputs) -> Outputs:
        # What a rule does not read is pruned when the update is compiled.
        inputs, mask = split_mask(observation)
        return Outputs(
            q=self._q_network(inputs)[0],
            q_target=target_outputs.q,
            companion=self._companion_network(inputs)[0],
            companion_target=target_outputs.companion,
            mask=mask,
        )

    def _companion_loss(self, batch: Batch) -> tf_agent.LossInfo:
        step, action_step, _ = batch.transition
        losses = self._rule.loss(
            self._declaration, self._outputs(step.observation, batch.targets_t),
            action_step.action, self._syncs(), LOSSES[self.algorithm.loss],
        )
        return tf_agent.LossInfo(tf.reduce_mean(losses), ())

    def _q_loss(self, batch: Batch) -> tf_agent.LossInfo:
        step, action_step, next_step = batch.transition
        after = self._outputs(next_step.observation, batch.targets_tp1)
        value = self._rule.next_value(self._declaration, after, self._syncs())
        y = next_step.reward + self.algorithm.gamma * next_step.discount * value
        q = self._q_network(split_mask(step.observation)[0])[0]
        return td_loss(self.algorithm.loss, y, q, action_step.action)

    def _figures(self, batch: Any) -> dict[str, tf.Tensor]:
        step, action_step, _ = batch.transition
        preferences, mask = self.preferences(step.observation)
        q = self._q_network(split_mask(step.observation)[0])[0]
        target = batch.targets_t.companion
        if self._rule.ranks_by_sum:
            target += batch.targets_t.q
        # What is clipped where C is t * log pi, in the one-network family's terms.
        clip = Backup(
            operator="logsumexp", temperature=self._declaration.kl_coefficient, gap_scale=1.0,
            gap_range=(self._declaration.log_policy_clip, None),
        )
        return {
            **diagnostics.policy_figures(preferences, target, self._temperature(), mask),
            "q_mean": diagnostics.mean_over_legal(q, mask),
            "clipped_fraction": targets.clipped_fraction(clip, target, action_step.action, mask),
        }
