"""Soft actor-critics: what discrete and continuous ones share, and the discrete one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tf_agents.agents import tf_agent
from tf_agents.networks import network as network_lib
from tf_agents.trajectories import trajectory

from erlctl.agents.base import LOSSES, Agent, Descent, TargetPair
from erlctl.agents.context import AgentContext, Observation, split_mask
from erlctl.maths import actor_critic as terms
from erlctl.maths import diagnostics, policies, values


class ActorCriticAgent(Agent):
    """Twin critics with target copies, an actor and a temperature that may be learned.

    A step of the critics, then of the actor against the new critics, then of the temperature.

    Args:
        context: What every agent is built from.
        critics: The two critics.
        actor: Actor.
        has_temperature_descent: Whether the temperature has an optimiser.
    """

    figure_names = (*Agent.figure_names, "temperature")

    def __init__(
        self, context: AgentContext, critics: Sequence[network_lib.Network],
        actor: network_lib.Network, *, has_temperature_descent: bool,
    ) -> None:
        algorithm = context.algorithm
        self._bonus = context.lift(lambda algorithm: algorithm.bonus())
        self._element_loss = LOSSES[algorithm.loss]
        pairs = [TargetPair.of(critic) for critic in critics]
        self._critics = [pair.online for pair in pairs]
        self._target_critics = [pair.target for pair in pairs]
        actor.create_variables()
        self._actor = actor
        self._log_temperature = context.variable(
            lambda algorithm: math.log(algorithm.temperature)
        )
        descents = [
            Descent(
                "loss", "critic_optimizer", context.make_optimizer(),
                [weight for critic in critics for weight in critic.trainable_weights],
                self._critic_loss,
            ),
            Descent(
                "actor_loss", "actor_optimizer",
                context.make_optimizer(lambda algorithm: algorithm.actor_learning_rate),
                actor.trainable_weights, self._actor_loss,
            ),
        ]
        if has_temperature_descent:
            descents.append(Descent(
                "temperature_loss", "temperature_optimizer",
                context.make_optimizer(lambda algorithm: algorithm.temperature_learning_rate),
                [self._log_temperature], self._temperature_loss,
            ))
        super().__init__(
            context,
            networks={"critic_1": critics[0], "critic_2": critics[1], "weights/actor": actor},
            targets={f"target_critic_{i}": pair for i, pair in enumerate(pairs, start=1)},
            descents=descents,
            extra_state={"temperature": [self._log_temperature]},
        )

    @property
    def _temperature(self) -> tf.Tensor:
        return tf.exp(self._log_temperature)

    def _critic_loss(self, batch: trajectory.Transition) -> tf_agent.LossInfo:
        raise NotImplementedError

    def _actor_loss(self, batch: trajectory.Transition) -> tf_agent.LossInfo:
        raise NotImplementedError

    def _temperature_loss(self, batch: trajectory.Transition) -> tf_agent.LossInfo:
        raise NotImplementedError


def smaller(critics: Sequence[Any], inputs: Any) -> tf.Tensor:
    """Return the smaller of two critics' values of `inputs`, elementwise."""
    first, second = (critic(inputs)[0] for critic in critics)
    return tf.minimum(first, second)


def mean_loss(losses: tf.Tensor) -> tf_agent.LossInfo:
    """Return the mean of losses [B]; there is nothing else to tell."""
    return tf_agent.LossInfo(tf.reduce_mean(losses), ())


class DiscreteActorCriticAgent(ActorCriticAgent):
    """Twin critics q_1, q_2 and an actor over A actions, all expectations exact.

    Critics: y = r + alpha * clip(t log pi(a|s)) + gamma * discount * sum_a' pi(a'|s') (min q_target
    - t log pi(a'|s')) with a the replayed action; actor: sum_a pi (t log pi - min q); temperature
    (where learned): t * (H(pi) - target entropy). The policy of the bonus is the current actor.

    Args:
        context: What every agent is built from.
    """

    def __init__(self, context: AgentContext) -> None:
        algorithm = context.algorithm
        self._target_entropy = context.lift(
            lambda algorithm: algorithm.target_entropy_scale * math.log(context.num_actions)
        )
        super().__init__(
            context, [context.value_network(f"critic_{i}") for i in (1, 2)],
            context.value_network("actor"), has_temperature_descent=algorithm.learn_temperature,
        )

    def preferences(self, observation: Observation) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Return the actor's logits [B, A] and the mask of legal actions."""
        inputs, mask = split_mask(observation)
        return self._actor(inputs)[0], mask

    def _log_policy(self, observation: Observation) -> tf.Tensor:
        logits, mask = self.preferences(observation)
        return policies.log_policy(logits, 1.0, mask)

    def _critic_loss(self, batch: trajectory.Transition) -> tf_agent.LossInfo:
        step, action_step, next_step = batch
        t, reward = self._temperature, next_step.reward
        if self._bonus.alpha > 0:
            log_prob = values.take_action(self._log_policy(step.observation), action_step.action)
            reward += terms.log_policy_bonus(log_prob, t, self._bonus.alpha, self._bonus.bounds)
        value = terms.soft_policy_value(
            smaller(self._target_critics, split_mask(next_step.observation)[0]),
            self._log_policy(next_step.observation), t,
        )
        target = tf.stop_gradient(reward + self.algorithm.gamma * next_step.discount * value)
        inputs, _ = split_mask(step.observation)
        losses = [
            self._element_loss(target, values.take_action(critic(inputs)[0], action_step.action))
            for critic in self._critics
        ]
        return tf_agent.LossInfo(tf.add_n([tf.reduce_mean(each) for each in losses]), ())

    def _actor_loss(self, batch: trajectory.Transition) -> tf_agent.LossInfo:
        observation = batch.time_step.observation
        q = smaller(self._critics, split_mask(observation)[0])
        log_pi = self._log_policy(observation)
        return mean_loss(terms.discrete_actor_loss(q, log_pi, self._temperature))

    def _temperature_loss(self, batch: trajectory.Transition) -> tf_agent.LossInfo:
        entropy = policies.entropy(self._log_policy(batch.time_step.observation))
        return mean_loss(
            terms.temperature_loss(self._log_temperature, entropy, self._target_entropy)
        )

    def _figures(self, batch: Any) -> dict[str, tf.Tensor]:
        observation, action = batch.time_step.observation, batch.action_step.action
        inputs, mask = split_mask(observation)
        log_pi = self._log_policy(observation)
        q, t = smaller(self._critics, inputs), self._temperature
        improved = policies.log_policy(q, t, mask)
        return {
            **diagnostics.policy_figures(q, q, t, mask),
            "entropy": tf.reduce_mean(policies.entropy(log_pi)),
            # How far the actor is from the exact improvement softmax(q / t).
            "kl_to_target": tf.reduce_mean(policies.kl_divergence(log_pi, improved)),
            "clipped_fraction": terms.clipped_fraction(
                t * values.take_action(log_pi, action), self._bonus.alpha, self._bonus.bounds
            ),
            "temperature": t,
        }
