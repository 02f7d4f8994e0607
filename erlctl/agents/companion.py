"""Agents with a second network beside Q: momentum DQN, DA-VI, MD-VI, DPP as Q plus log-policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tf_agents.agents import tf_agent
from tf_agents.agents.dqn import dqn_agent
from tf_agents.policies import tf_policy
from tf_agents.trajectories import time_step as ts
from tf_agents.trajectories import trajectory
from tf_agents.utils import common, eager_utils

from erlctl.agents.base import (
    AgentContext,
    Observation,
    global_norm,
    new_counter,
    split_mask,
    start_networks,
)
from erlctl.agents.policies import Clock, preference_policy
from erlctl.agents.regularised_dqn import both_values, dqn_arguments
from erlctl.algorithms.base import Backup
from erlctl.fields import Options
from erlctl.maths import diagnostics as diagnostics_lib
from erlctl.maths import targets
from erlctl.maths.companion_rules import COMPANION_RULES, Outputs


class CompanionLossInfo(NamedTuple):
    """Extra of the loss info: upstream's figures and the companion's loss, a scalar."""

    td_loss: Any
    td_error: Any
    companion_loss: Any


class TargetOutputs(NamedTuple):
    """Outputs of the target networks of Q and of C, [B, A] each."""

    q: tf.Tensor
    companion: tf.Tensor


class CompanionAgent(dqn_agent.DqnAgent):
    """TF-Agents' DQN with a companion network C that decides what Q is evaluated for.

    Q: y = r + gamma * discount * V(s') with V of the declaration's rule; C is fitted by the rule's
    loss. Both networks have target copies, which are synchronised in the same update, and an
    optimiser each. Policies act on C, or on Q + C where C is a log-policy.

    Args:
        algorithm: Declaration; gives the `Companion`.
        q_network: Q, [B, ...] -> [B, A].
        companion_network: C, same shapes.
        companion_optimizer: Optimiser of C.
        **kwargs: As `DqnAgent`.
    """

    def __init__(
        self,
        time_step_spec: ts.TimeStep,
        action_spec: Any,
        q_network: Any,
        *,
        algorithm: Any,
        companion_network: Any,
        companion_optimizer: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(time_step_spec, action_spec, q_network, **kwargs)
        self.algorithm = algorithm
        self._declaration = algorithm.companion()
        self._rule = COMPANION_RULES[self._declaration.rule]
        self._companion_network = companion_network
        self._target_companion_network = common.maybe_copy_target_network_with_checks(
            companion_network, None, name="target_companion_network"
        )
        self._companion_optimizer = companion_optimizer
        self._num_syncs = new_counter()
        self._networks = tf.Module()  # what policies track
        self._networks.networks = [q_network, companion_network]

    def preferences(self, observation: Observation) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Return what actions are ranked by, [B, A], and the mask of legal actions."""
        inputs, mask = split_mask(observation)
        preferences = self._companion_network(inputs)[0]
        if self._declaration.rule == "dynamic_policy_programming":
            preferences += self._q_network(inputs)[0]
        return preferences, mask

    def acting_policy(
        self, options: Options, clock: Clock | None, *, random_steps: int = 0
    ) -> tf_policy.TFPolicy:
        """Return the policy that `options` describes on the preferences."""
        return preference_policy(
            self, self._networks, options, clock, random_steps=random_steps,
            own_temperature=self._own_temperature,
        )

    def start(self, seed: np.random.SeedSequence) -> None:
        """Give both networks fresh weights and copy them to the targets."""
        start_networks([self._q_network, self._companion_network], seed)
        self.initialize()

    def state_groups(self) -> dict[str, Sequence[tf.Variable]]:
        """Return every variable: networks, optimisers, counters."""
        return {
            "weights/q": self._q_network.variables,
            "weights/companion": self._companion_network.variables,
            "target_q": self._target_q_network.variables,
            "target_companion": self._target_companion_network.variables,
            "optimizer": self._optimizer.variables,
            "companion_optimizer": self._companion_optimizer.variables,
            # The temperature of dual averaging's own policy depends on it.
            "weights/num_syncs": [self._num_syncs],
            "counters": [self.train_step_counter, *self._update_target.variables],
        }

    def losses(self, info: tf_agent.LossInfo) -> dict[str, tf.Tensor]:
        """Return the losses of both networks."""
        return {"loss": info.loss, "companion_loss": info.extra.companion_loss}

    def diagnostics(self, transition: trajectory.Transition) -> dict[str, tf.Tensor]:
        """Return policy, gap, value and gradient figures of a batch."""
        targets_t, targets_tp1 = self._target_outputs(transition)
        with tf.GradientTape() as tape:
            info = self._loss(
                self._with_target(transition, targets_tp1),
                td_errors_loss_fn=self._td_errors_loss_fn, gamma=self._gamma,
            )
        gradients = tape.gradient(info.loss, self._q_network.trainable_weights)
        at = self._outputs(transition.time_step.observation, targets_t)
        preferences, mask = self.preferences(transition.time_step.observation)
        target = at.companion_target
        if self._declaration.rule == "dynamic_policy_programming":
            target += at.q_target
        figures = diagnostics_lib.policy_figures(
            preferences, target, self._own_temperature(), mask
        )
        return {
            **figures,
            "q_mean": diagnostics_lib.mean_over_legal(at.q, mask),
            "clipped_fraction": targets.clipped_fraction(
                self._clip_of_log_policy(), target, transition.action_step.action, mask
            ),
            "gradient_norm": global_norm(gradients),
        }

    def _clip_of_log_policy(self) -> Backup:
        """What is clipped where C is t * log pi, in the one-network family's terms."""
        declaration = self._declaration
        return Backup(
            operator="logsumexp", temperature=declaration.kl_coefficient, gap_scale=1.0,
            gap_range=(declaration.log_policy_clip, None),
        )

    def _own_temperature(self) -> tf.Tensor:
        return self._rule.temperature(self._declaration, self._syncs())

    def _syncs(self) -> tf.Tensor:
        return tf.cast(self._num_syncs.read_value(), tf.float32)

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

    def _target_outputs(
        self, transition: trajectory.Transition
    ) -> tuple[TargetOutputs, TargetOutputs]:
        """Return the outputs of both target networks at s and at s'."""
        inputs, _ = split_mask(transition.time_step.observation)
        next_inputs, _ = split_mask(transition.next_time_step.observation)
        q_t, q_tp1 = both_values(self._target_q_network, inputs, next_inputs)
        c_t, c_tp1 = both_values(self._target_companion_network, inputs, next_inputs)
        return TargetOutputs(q_t, c_t), TargetOutputs(q_tp1, c_tp1)

    def _with_target(
        self, transition: trajectory.Transition, targets_tp1: TargetOutputs
    ) -> trajectory.Transition:
        """Return `transition` with the whole target r + gamma * discount * V(s') as its reward."""
        after = transition.next_time_step
        at = self._outputs(after.observation, targets_tp1)
        value = self._rule.next_value(self._declaration, at, self._syncs())
        y = after.reward + self._gamma * after.discount * value
        return transition._replace(next_time_step=after._replace(reward=y))

    def _initialize(self) -> None:
        super()._initialize()
        common.soft_variables_update(
            self._companion_network.variables, self._target_companion_network.variables, tau=1.0
        )

    def _get_target_updater(self, tau: float = 1.0, period: int = 1) -> common.Periodically:
        def update() -> tf.Operation:
            # Upstream's constructor asks for this before there is a companion; it runs later.
            pairs = (
                (self._q_network, self._target_q_network),
                (self._companion_network, self._target_companion_network),
            )
            updates = [
                common.soft_variables_update(online.variables, target.variables, tau)
                for online, target in pairs
            ]
            return tf.group(*updates, self._num_syncs.assign_add(1))

        return common.Periodically(update, period, "synchronise_targets")

    def _compute_next_q_values(self, next_time_steps: ts.TimeStep, info: Any) -> tf.Tensor:
        """Return 0: `_with_target` has put the whole target into the reward."""
        del info
        return tf.zeros_like(next_time_steps.reward)

    def _train(self, experience: trajectory.Transition, weights: Any) -> tf_agent.LossInfo:
        transition = self._as_transition(experience)
        targets_t, targets_tp1 = self._target_outputs(transition)
        # The companion first: upstream's update of Q ends with the synchronisation of both.
        companion_loss = self._train_companion(transition, targets_t)
        info = super()._train(self._with_target(transition, targets_tp1), weights)
        extra = CompanionLossInfo(info.extra.td_loss, info.extra.td_error, companion_loss)
        return info._replace(extra=extra)

    def _train_companion(
        self, transition: trajectory.Transition, targets_t: TargetOutputs
    ) -> tf.Tensor:
        step, action_step, _ = transition
        variables = self._companion_network.trainable_weights
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            at = self._outputs(step.observation, targets_t)
            loss = tf.reduce_mean(
                self._rule.loss(
                    self._declaration, at, action_step.action, self._syncs(),
                    self._td_errors_loss_fn,
                )
            )
        pairs = list(zip(tape.gradient(loss, variables), variables, strict=True))
        if self._gradient_clipping is not None:
            pairs = eager_utils.clip_gradient_norms(pairs, self._gradient_clipping)
        self._companion_optimizer.apply_gradients(pairs)
        return loss


def build(context: AgentContext) -> CompanionAgent:
    """Return the agent of a two-network declaration."""
    arguments = dqn_arguments(context)
    companion_optimizer = context.make_optimizer(context.algorithm.companion_learning_rate)
    q_network = context.value_network("q_network")
    companion_network = context.value_network("companion_network")
    companion_network.create_variables()
    agent = CompanionAgent(
        q_network=q_network, companion_network=companion_network,
        companion_optimizer=companion_optimizer, **arguments,
    )
    arguments["optimizer"].build(q_network.trainable_weights)
    companion_optimizer.build(companion_network.trainable_weights)
    return agent
