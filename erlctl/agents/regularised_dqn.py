"""One agent for the whole one-network family: TF-Agents' `DqnAgent` with any `Backup`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tf_agents.agents import tf_agent
from tf_agents.agents.dqn import dqn_agent
from tf_agents.policies import tf_policy
from tf_agents.trajectories import time_step as ts
from tf_agents.trajectories import trajectory
from tf_agents.utils import common

from erlctl.agents.base import (
    AgentContext,
    Observation,
    global_norm,
    new_counter,
    split_mask,
    start_networks,
)
from erlctl.agents.policies import Clock, preference_policy
from erlctl.algorithms.base import Backup, ValueAlgorithm
from erlctl.fields import Options, Schedule
from erlctl.maths import diagnostics as diagnostics_lib
from erlctl.maths import targets

LOSSES = {
    "huber": common.element_wise_huber_loss,
    "squared": common.element_wise_squared_loss,
}


class RegularisedDqnAgent(dqn_agent.DqnAgent):
    """DQN whose target is any `Backup`; with the default one it computes what `DqnAgent` does.

    y = r + alpha * clip(q(s, a) - V(q(s)), low, high) + gamma * discount * V(q(s')), where q is the
    target network. All of y enters upstream's loss as the reward of a transition without a next
    value, so the loss itself and all bookkeeping stay upstream's.

    Args:
        algorithm: Declaration; gives the `Backup`.
        q_network: Online network, [B, ...] -> [B, A].
        **kwargs: As `DqnAgent`; `n_step_update` stays 1 because the replay reduces n steps.
    """

    def __init__(
        self,
        time_step_spec: ts.TimeStep,
        action_spec: Any,
        q_network: Any,
        *,
        algorithm: ValueAlgorithm,
        **kwargs: Any,
    ) -> None:
        super().__init__(time_step_spec, action_spec, q_network, **kwargs)
        self.algorithm = algorithm
        self._backup: Backup = algorithm.backup()

    def preferences(self, observation: Observation) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Return the online network's action values [B, A] and the mask of legal actions."""
        return self._values(self._q_network, observation)

    def acting_policy(
        self, options: Options, clock: Clock | None, *, random_steps: int = 0
    ) -> tf_policy.TFPolicy:
        """Return the policy that `options` describes on the online network."""
        return preference_policy(
            self, self._q_network, options, clock, random_steps=random_steps,
            own_temperature=Schedule.constant(self.algorithm.policy_temperature),
        )

    def losses(self, info: tf_agent.LossInfo) -> dict[str, tf.Tensor]:
        """Return the scalars of an update that are logged."""
        return {"loss": info.loss}

    def start(self, seed: np.random.SeedSequence) -> None:
        """Give the network fresh weights and copy them to the target."""
        start_networks([self._q_network], seed)
        self.initialize()

    def state_groups(self) -> dict[str, Sequence[tf.Variable]]:
        """Return every variable: networks, optimiser, counters."""
        return {
            "weights/q": self._q_network.variables,
            "target_q": self._target_q_network.variables,
            "optimizer": self._optimizer.variables,
            "counters": [self.train_step_counter, *self._update_target.variables],
        }

    def diagnostics(self, transition: trajectory.Transition) -> dict[str, tf.Tensor]:
        """Return policy, gap, value and gradient figures of a batch."""
        with tf.GradientTape() as tape:
            info = self._loss(
                transition, td_errors_loss_fn=self._td_errors_loss_fn, gamma=self._gamma
            )
        gradients = tape.gradient(info.loss, self._q_network.trainable_weights)
        q, mask = self.preferences(transition.time_step.observation)
        target_q, _ = self._values(self._target_q_network, transition.time_step.observation)
        return {
            **diagnostics_lib.policy_figures(
                q, target_q, self.algorithm.policy_temperature, mask
            ),
            "clipped_fraction": targets.clipped_fraction(
                self._backup, target_q, transition.action_step.action, mask
            ),
            "gradient_norm": global_norm(gradients),
        }

    def _values(
        self, network: Any, observation: Observation
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        inputs, mask = split_mask(observation)
        return network(inputs)[0], mask

    def _loss(
        self, experience: trajectory.Transition, gamma: float = 1.0, **kwargs: Any
    ) -> tf_agent.LossInfo:
        time_step, action_step, next_step = self._as_transition(experience)
        inputs, mask_t = split_mask(time_step.observation)
        next_inputs, mask_tp1 = split_mask(next_step.observation)
        if self._backup.gap_scale > 0:
            q_t, q_tp1 = both_values(self._target_q_network, inputs, next_inputs)
        else:  # nothing reads the values at s
            q_t = q_tp1 = self._target_q_network(next_inputs)[0]
        y = targets.regularised_target(
            self._backup, next_step.reward, gamma * next_step.discount,
            q_t, action_step.action, q_tp1,
            online_q_tp1=self._q_network(next_inputs)[0] if self._backup.double else None,
            mask_t=mask_t, mask_tp1=mask_tp1,
        )
        # Upstream's loss adds discount * _compute_next_q_values = 0 to the reward.
        return super()._loss(
            trajectory.Transition(time_step, action_step, next_step._replace(reward=y)), **kwargs
        )

    def _compute_next_q_values(self, next_time_steps: ts.TimeStep, info: Any) -> tf.Tensor:
        """Return 0: `_loss` has put the whole target into the reward."""
        del info
        return tf.zeros_like(next_time_steps.reward)


def both_values(
    network: Any, inputs: tf.Tensor, next_inputs: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return `network` at s and at s', [B, A] each, in one pass: cheaper than two small ones."""
    q_t, q_tp1 = tf.split(network(tf.concat([inputs, next_inputs], axis=0))[0], 2)
    return q_t, q_tp1


def dqn_arguments(context: AgentContext) -> dict[str, Any]:
    """Return the arguments that `DqnAgent` and its children share."""
    algorithm = context.algorithm
    return {
        "time_step_spec": context.time_step_spec,
        "action_spec": context.action_spec,
        "algorithm": algorithm,
        "optimizer": context.make_optimizer(),
        "observation_and_action_constraint_splitter": split_mask if context.has_mask else None,
        "target_update_tau": context.target_update_polyak,
        "target_update_period": context.target_update_every,
        "td_errors_loss_fn": LOSSES[algorithm.loss],
        "gamma": algorithm.gamma,
        "gradient_clipping": algorithm.gradient_clip_norm,
        "epsilon_greedy": 0.0,  # upstream's own collect policy is not used
        "train_step_counter": new_counter(),
    }


def build(context: AgentContext) -> RegularisedDqnAgent:
    """Return the agent of a one-network declaration."""
    arguments = dqn_arguments(context)
    network = context.value_network("q_network")
    agent = RegularisedDqnAgent(q_network=network, **arguments)
    arguments["optimizer"].build(network.trainable_weights)
    return agent
