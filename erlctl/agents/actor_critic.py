"""Soft actor-critics for discrete actions, with or without the Munchausen bonus."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tf_agents.agents import tf_agent
from tf_agents.policies import tf_policy
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
from erlctl.agents.regularised_dqn import LOSSES
from erlctl.fields import Options, Schedule
from erlctl.maths import actor_critic as terms
from erlctl.maths import diagnostics as diagnostics_lib
from erlctl.maths import policies, values
from erlctl.options.policies import Greedy


class ActorCriticLossInfo(NamedTuple):
    """Extra of the loss info, scalars."""

    actor_loss: Any
    temperature_loss: Any


class DiscreteActorCriticAgent(tf_agent.TFAgent):
    """Twin critics q_1, q_2 and an actor over A actions, all expectations exact.

    Critics: y = r + alpha * clip(t log pi(a|s)) + gamma * discount * sum_a' pi(a'|s') (min q_target
    - t log pi(a'|s')) with a the replayed action; actor: sum_a pi (t log pi - min q); temperature
    (where learned): t * (H(pi) - target entropy). The policy of the bonus is the current actor.

    Args:
        context: What every agent is built from.
    """

    def __init__(self, context: AgentContext) -> None:
        tf.Module.__init__(self)
        algorithm = context.algorithm
        self.algorithm = algorithm
        self._bonus = algorithm.bonus()
        self._critics = [context.value_network(f"critic_{i}") for i in (1, 2)]
        self._actor = context.value_network("actor")
        for network in (*self._critics, self._actor):
            network.create_variables()
        self._target_critics = [
            common.maybe_copy_target_network_with_checks(critic, None, name=f"target_{critic.name}")
            for critic in self._critics
        ]
        self._log_temperature = tf.Variable(math.log(algorithm.temperature), dtype=tf.float32)
        self._target_entropy = algorithm.target_entropy_scale * math.log(context.num_actions)
        self._optimizers = self._make_optimizers(context)
        self._update_target = common.Periodically(
            lambda: self._synchronise(context.target_update_polyak), context.target_update_every,
            "synchronise_targets",
        )
        self._element_loss = LOSSES[algorithm.loss]
        policy = preference_policy(
            _Specs(context.time_step_spec, context.action_spec, self.preferences), self._actor,
            Greedy(), None, own_temperature=Schedule.constant(1.0),
        )
        super().__init__(
            context.time_step_spec, context.action_spec, policy, policy,
            train_sequence_length=None, train_step_counter=new_counter(),
        )

    def preferences(self, observation: Observation) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Return the actor's logits [B, A] and the mask of legal actions."""
        inputs, mask = split_mask(observation)
        return self._actor(inputs)[0], mask

    def acting_policy(
        self, options: Options, clock: Clock | None, *, random_steps: int = 0
    ) -> tf_policy.TFPolicy:
        """Return the policy that `options` describes on the actor."""
        return preference_policy(
            self, self._actor, options, clock, random_steps=random_steps,
            own_temperature=Schedule.constant(self.algorithm.policy_temperature),
        )

    def start(self, seed: np.random.SeedSequence) -> None:
        """Give all networks fresh weights and copy the critics to their targets."""
        start_networks([*self._critics, self._actor], seed)
        self.initialize()

    def state_groups(self) -> dict[str, Sequence[tf.Variable]]:
        """Return every variable: networks, optimisers, temperature, counters."""
        groups: dict[str, Sequence[tf.Variable]] = {"weights/actor": self._actor.variables}
        for i, (critic, target) in enumerate(
            zip(self._critics, self._target_critics, strict=True), start=1
        ):
            groups |= {f"critic_{i}": critic.variables, f"target_critic_{i}": target.variables}
        for name, optimizer in self._optimizers.items():
            groups[f"{name}_optimizer"] = optimizer.variables
        return groups | {
            "temperature": [self._log_temperature],
            "counters": [self.train_step_counter, *self._update_target.variables],
        }

    def losses(self, info: tf_agent.LossInfo) -> dict[str, tf.Tensor]:
        """Return the critics' loss, the actor's and the temperature's."""
        return {
            "loss": info.loss, "actor_loss": info.extra.actor_loss,
            "temperature_loss": info.extra.temperature_loss,
        }

    def diagnostics(self, transition: trajectory.Transition) -> dict[str, tf.Tensor]:
        """Return policy, gap, value and gradient figures of a batch."""
        observation = transition.time_step.observation
        logits, mask = self.preferences(observation)
        q = self._smaller(self._critics, observation)
        t = tf.exp(self._log_temperature)
        variables = self._critic_weights()
        with tf.GradientTape() as tape:
            loss = self._critic_loss(transition)
        bonus_low = self._bonus.bounds[0]
        log_prob = values.take_action(
            policies.log_policy(logits, 1.0, mask), transition.action_step.action
        )
        clipped = tf.zeros([]) if bonus_low is None or self._bonus.alpha == 0 else tf.reduce_mean(
            tf.cast(t * log_prob < bonus_low, tf.float32)
        )
        figures = diagnostics_lib.policy_figures(q, q, t, mask)
        return {
            **figures,
            "entropy": tf.reduce_mean(policies.entropy(policies.log_policy(logits, 1.0, mask))),
            # How far the actor is from the exact improvement softmax(q / t).
            "kl_to_target": tf.reduce_mean(
                policies.kl_divergence(
                    policies.log_policy(logits, 1.0, mask), policies.log_policy(q, t, mask)
                )
            ),
            "clipped_fraction": clipped,
            "gradient_norm": global_norm(tape.gradient(loss, variables)),
            "temperature": t,
        }

    def _make_optimizers(self, context: AgentContext) -> dict[str, Any]:
        algorithm = context.algorithm
        optimizers = {
            "critic": (context.make_optimizer(), self._critic_weights()),
            "actor": (
                context.make_optimizer(algorithm.actor_learning_rate),
                self._actor.trainable_weights,
            ),
        }
        if algorithm.learn_temperature:
            optimizers["temperature"] = (
                context.make_optimizer(algorithm.temperature_learning_rate),
                [self._log_temperature],
            )
        for optimizer, variables in optimizers.values():
            optimizer.build(variables)
        return {name: optimizer for name, (optimizer, _) in optimizers.items()}

    def _critic_weights(self) -> list[tf.Variable]:
        return [weight for critic in self._critics for weight in critic.trainable_weights]

    def _synchronise(self, polyak: float) -> tf.Operation:
        return tf.group(
            *(
                common.soft_variables_update(critic.variables, target.variables, polyak)
                for critic, target in zip(self._critics, self._target_critics, strict=True)
            )
        )

    def _initialize(self) -> None:
        self._synchronise(1.0)

    def _smaller(self, critics: Sequence[Any], observation: Observation) -> tf.Tensor:
        inputs, _ = split_mask(observation)
        first, second = (critic(inputs)[0] for critic in critics)
        return tf.minimum(first, second)

    def _log_policy(self, observation: Observation) -> tf.Tensor:
        logits, mask = self.preferences(observation)
        return policies.log_policy(logits, 1.0, mask)

    def _critic_loss(self, transition: trajectory.Transition) -> tf.Tensor:
        step, action_step, next_step = transition
        t = tf.exp(self._log_temperature)
        reward = next_step.reward
        if self._bonus.alpha > 0:
            log_prob = values.take_action(self._log_policy(step.observation), action_step.action)
            reward += terms.log_policy_bonus(log_prob, t, self._bonus.alpha, self._bonus.bounds)
        value = terms.soft_policy_value(
            self._smaller(self._target_critics, next_step.observation),
            self._log_policy(next_step.observation), t,
        )
        target = tf.stop_gradient(reward + self.algorithm.gamma * next_step.discount * value)
        inputs, _ = split_mask(step.observation)
        return tf.add_n(
            [
                tf.reduce_mean(
                    self._element_loss(
                        target, values.take_action(critic(inputs)[0], action_step.action)
                    )
                )
                for critic in self._critics
            ]
        )

    def _actor_loss(self, transition: trajectory.Transition) -> tf.Tensor:
        observation = transition.time_step.observation
        q = self._smaller(self._critics, observation)
        t = tf.exp(self._log_temperature)
        return tf.reduce_mean(terms.discrete_actor_loss(q, self._log_policy(observation), t))

    def _temperature_loss(self, transition: trajectory.Transition) -> tf.Tensor:
        entropy = policies.entropy(self._log_policy(transition.time_step.observation))
        return tf.reduce_mean(
            terms.temperature_loss(self._log_temperature, entropy, self._target_entropy)
        )

    def _train(self, experience: trajectory.Transition, weights: Any) -> tf_agent.LossInfo:
        assert weights is None, "importance weights are not supported"
        critic = self._descend("critic", self._critic_weights(), self._critic_loss, experience)
        actor = self._descend("actor", self._actor.trainable_weights, self._actor_loss, experience)
        temperature = tf.zeros([])
        if self.algorithm.learn_temperature:
            temperature = self._descend(
                "temperature", [self._log_temperature], self._temperature_loss, experience
            )
        self.train_step_counter.assign_add(1)
        self._update_target()
        return tf_agent.LossInfo(critic, ActorCriticLossInfo(actor, temperature))

    def _descend(
        self, name: str, variables: list[tf.Variable], loss_of: Any,
        experience: trajectory.Transition,
    ) -> tf.Tensor:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            loss = loss_of(experience)
        pairs = list(zip(tape.gradient(loss, variables), variables, strict=True))
        if self.algorithm.gradient_clip_norm is not None:
            pairs = eager_utils.clip_gradient_norms(pairs, self.algorithm.gradient_clip_norm)
        self._optimizers[name].apply_gradients(pairs)
        return loss


class _Specs(NamedTuple):
    """What `preference_policy` reads of an agent that is still being built."""

    time_step_spec: Any
    action_spec: Any
    preferences: Any


def build(context: AgentContext) -> DiscreteActorCriticAgent:
    """Return the agent of a discrete actor-critic declaration."""
    return DiscreteActorCriticAgent(context)
