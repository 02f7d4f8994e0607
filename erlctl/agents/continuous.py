"""Soft actor-critic for continuous actions, with the Munchausen bonus or bounded densities."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf
from tf_agents.agents import tf_agent
from tf_agents.policies import tf_policy
from tf_agents.trajectories import trajectory

from erlctl.agents.actor_critic import ActorCriticAgent, mean_loss, smaller
from erlctl.agents.context import AgentContext, Observation
from erlctl.agents.gaussian_policy import SquashedGaussianPolicy
from erlctl.agents.policies import Clock
from erlctl.fields import Options
from erlctl.maths import actor_critic as terms
from erlctl.maths import squashed_gaussian
from erlctl.networks.build import state_action_network

# Bounds of the log standard deviation before squashing, those of Haarnoja et al.'s code.
_LOG_SCALE = (-20.0, 2.0)
# Weight of the critics' loss in TF-Agents' SacAgent; matters to SGD and to gradient clipping.
_CRITIC_LOSS_WEIGHT = 0.5


class ContinuousActorCriticAgent(ActorCriticAgent):
    """A squashed Gaussian actor with twin critics: TF-Agents' `SacAgent` and its extensions.

    y = r + alpha * clip(t log pi(a|s), low, high) + gamma * discount * (min q_target(s', a') -
    t log pi(a'|s')), a the replayed action, a' ~ pi. With `bounding` both log-density terms go
    through a bounded function instead (mirror-descent actor-critic).

    Args:
        context: What every agent is built from.
    """

    figure_names = (
        "q_mean", "preference_max", "entropy", "clipped_fraction", "temperature",
    )

    def __init__(self, context: AgentContext) -> None:
        spec = context.action_spec
        self._low = tf.constant(np.broadcast_to(spec.minimum, spec.shape), tf.float32)
        self._high = tf.constant(np.broadcast_to(spec.maximum, spec.shape), tf.float32)
        num_dimensions = int(np.prod(spec.shape))
        self._target_entropy = context.lift(
            lambda algorithm: -algorithm.target_entropy_scale * num_dimensions
        )
        critics = [
            state_action_network(
                context.network, context.observation_spec, spec, name=f"critic_{i}"
            )
            for i in (1, 2)
        ]
        # The step of a fixed temperature has size 0. It exists because checkpoints of all versions
        # hold its optimiser, and its draws are part of the run's stream.
        super().__init__(
            context, critics, context.value_network("actor", 2 * num_dimensions),
            has_temperature_descent=True,
        )

    def acting_policy(
        self, options: Options, clock: Clock | None, *, random_steps: int = 0
    ) -> tf_policy.TFPolicy:
        """Return the mean action for greedy sections, draws from the actor for Boltzmann ones."""
        samples = hasattr(options, "temperature")
        epsilon = getattr(options, "epsilon", None)
        is_random = samples or epsilon is not None or random_steps > 0
        return SquashedGaussianPolicy(
            self.time_step_spec, self.action_spec, self._gaussian, self._acting,
            clock if is_random else None,
            samples=samples, epsilon=epsilon, random_steps=random_steps,
        )

    def _critic_loss(self, batch: trajectory.Transition) -> tf_agent.LossInfo:
        step, action_step, next_step = batch
        reward = next_step.reward
        if self._bonus.alpha > 0:
            reward += self._log_density_bonus(step.observation, action_step.action)
        next_action, next_log_pi = self._draw(next_step.observation)
        value = smaller(
            self._target_critics, (next_step.observation, next_action)
        ) - self._entropy_term(next_log_pi)
        target = tf.stop_gradient(reward + self.algorithm.gamma * next_step.discount * value)
        inputs = (step.observation, action_step.action)
        first, second = (
            self._element_loss(target, critic(inputs)[0]) for critic in self._critics
        )
        return tf_agent.LossInfo(_CRITIC_LOSS_WEIGHT * tf.reduce_mean(first + second), ())

    def _actor_loss(self, batch: trajectory.Transition) -> tf_agent.LossInfo:
        observation = batch.time_step.observation
        action, log_pi = self._draw(observation)
        q = smaller(self._critics, (observation, action))
        return mean_loss(self._temperature * log_pi - q)

    def _temperature_loss(self, batch: trajectory.Transition) -> tf_agent.LossInfo:
        _, log_pi = self._draw(batch.time_step.observation)
        losses = terms.temperature_loss(self._log_temperature, -log_pi, self._target_entropy)
        loss = tf.reduce_mean(losses) * (1.0 if self.algorithm.learn_temperature else 0.0)
        return tf_agent.LossInfo(loss, ())

    def _figures(self, batch: Any) -> dict[str, tf.Tensor]:
        observation, action = batch.time_step.observation, batch.action_step.action
        q, t = smaller(self._critics, (observation, action)), self._temperature
        _, log_pi = self._draw(observation)
        bonus = self._bonus
        return {
            "q_mean": tf.reduce_mean(q),
            "preference_max": tf.reduce_max(tf.abs(q)),
            "entropy": -tf.reduce_mean(log_pi),
            "clipped_fraction": terms.clipped_fraction(
                t * self._log_density(observation, action),
                bonus.alpha if bonus.bounding is None else 0.0, bonus.bounds,
            ),
            "temperature": t,
        }

    def _log_density_bonus(self, observation: Observation, action: tf.Tensor) -> tf.Tensor:
        """Return what the replayed action adds to the reward, [B], without a gradient."""
        log_density, bonus = self._log_density(observation, action), self._bonus
        if bonus.bounding is None:
            return terms.log_policy_bonus(
                log_density, self._temperature, bonus.alpha, bonus.bounds
            )
        return tf.stop_gradient(bonus.alpha * self._entropy_term(log_density))

    def _entropy_term(self, log_density: tf.Tensor) -> tf.Tensor:
        """Return t * log pi, or the bounded function that stands in for it, [B]."""
        bonus = self._bonus
        if bonus.bounding is None:
            return self._temperature * log_density
        return terms.bounded_log_density(
            log_density, self._temperature, bonus.bounding, bonus.scale
        )

    def _draw(self, observation: Observation) -> tuple[tf.Tensor, tf.Tensor]:
        """Draw reparameterised actions [B, D] and their log-densities [B] from the run's stream."""
        loc, scale = self._gaussian(observation)
        noise = self._generator.normal(tf.shape(loc))
        pre = loc + scale * noise
        half = (self._high - self._low) / 2.0
        action = (self._low + self._high) / 2.0 + half * tf.tanh(pre)
        # From the noise and not from the action: atanh would lose the tails.
        normal = -0.5 * tf.square(noise) - tf.math.log(scale) - 0.5 * math.log(2.0 * math.pi)
        slope = squashed_gaussian.log_slope_of_tanh(pre) + tf.math.log(half)
        return action, tf.reduce_sum(normal - slope, axis=-1)

    def _log_density(self, observation: Observation, action: tf.Tensor) -> tf.Tensor:
        loc, scale = self._gaussian(observation)
        return squashed_gaussian.log_density(action, loc, scale, self._low, self._high)

    def _gaussian(self, observation: Observation) -> tuple[tf.Tensor, tf.Tensor]:
        loc, log_scale = tf.split(self._actor(observation)[0], 2, axis=-1)
        return loc, tf.exp(tf.clip_by_value(log_scale, *_LOG_SCALE))
