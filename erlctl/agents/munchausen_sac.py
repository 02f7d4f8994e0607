"""Soft actor-critic for continuous actions on TF-Agents' `SacAgent`, with the Munchausen bonus."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tf_agents.agents import tf_agent
from tf_agents.agents.sac import sac_agent
from tf_agents.policies import tf_policy
from tf_agents.trajectories import time_step as ts
from tf_agents.trajectories import trajectory

from erlctl.agents.base import (
    AgentContext,
    Observation,
    global_norm,
    new_counter,
    start_networks,
    unmoved,
)
from erlctl.agents.gaussian_policy import SquashedGaussianPolicy
from erlctl.agents.policies import Clock
from erlctl.agents.regularised_dqn import LOSSES
from erlctl.fields import Options
from erlctl.maths import actor_critic as terms
from erlctl.maths import squashed_gaussian
from erlctl.networks.build import state_action_network

# Bounds of the log standard deviation before squashing, those of Haarnoja et al.'s code.
_LOG_SCALE = (-20.0, 2.0)


class MunchausenSacAgent(sac_agent.SacAgent):
    """`SacAgent` with its own random numbers and a bonus on the replayed action's log-density.

    y = r + alpha * clip(t log pi(a|s), low, high) + gamma * discount * (min q_target(s', a') -
    t log pi(a'|s')), a the replayed action, a' ~ pi. With `bounding` both log-density terms go
    through a bounded function instead (mirror-descent actor-critic).

    Args:
        context: What every agent is built from.
    """

    def __init__(self, context: AgentContext) -> None:
        algorithm = context.algorithm
        spec = context.action_spec
        self._low = tf.constant(np.broadcast_to(spec.minimum, spec.shape), tf.float32)
        self._high = tf.constant(np.broadcast_to(spec.maximum, spec.shape), tf.float32)
        num_dimensions = int(np.prod(spec.shape))
        actor = context.value_network("actor", 2 * num_dimensions)
        critics = [
            state_action_network(
                context.network, context.observation_spec, spec, name=f"critic_{i}"
            )
            for i in (1, 2)
        ]
        super().__init__(
            context.time_step_spec,
            spec,
            critic_network=critics[0],
            critic_network_2=critics[1],
            actor_network=actor,
            critic_optimizer=context.make_optimizer(),
            actor_optimizer=context.make_optimizer(algorithm.actor_learning_rate),
            alpha_optimizer=context.make_optimizer(algorithm.temperature_learning_rate),
            actor_policy_ctor=self._actor_policy,
            alpha_loss_weight=1.0 if algorithm.learn_temperature else 0.0,
            target_update_tau=context.target_update_polyak,
            target_update_period=context.target_update_every,
            td_errors_loss_fn=LOSSES[algorithm.loss],
            gamma=algorithm.gamma,
            initial_log_alpha=math.log(algorithm.temperature),
            use_log_alpha_in_alpha_loss=False,
            target_entropy=-algorithm.target_entropy_scale * num_dimensions,
            gradient_clipping=algorithm.gradient_clip_norm,
            train_step_counter=new_counter(),
        )
        self.algorithm = algorithm
        self._bonus = algorithm.bonus()
        self._generator = context.generator
        self._bounds_log_density = False
        self._build_optimizers()

    def acting_policy(
        self, options: Options, clock: Clock | None, *, random_steps: int = 0
    ) -> tf_policy.TFPolicy:
        """Return the mean action for greedy sections, draws from the actor for Boltzmann ones."""
        samples = hasattr(options, "temperature")
        epsilon = getattr(options, "epsilon", None)
        is_random = samples or epsilon is not None or random_steps > 0
        return SquashedGaussianPolicy(
            self.time_step_spec, self.action_spec, self._gaussian, self._actor_network,
            clock if is_random else None,
            samples=samples, epsilon=epsilon, random_steps=random_steps,
        )

    def start(self, seed: np.random.SeedSequence) -> None:
        """Give all networks fresh weights and copy the critics to their targets."""
        networks = [self._critic_network_1, self._critic_network_2, self._actor_network]
        start_networks(networks, seed)
        self.initialize()

    def state_groups(self) -> dict[str, Sequence[tf.Variable]]:
        """Return every variable: networks, optimisers, temperature, counters."""
        return {
            "weights/actor": self._actor_network.variables,
            "critic_1": self._critic_network_1.variables,
            "critic_2": self._critic_network_2.variables,
            "target_critic_1": self._target_critic_network_1.variables,
            "target_critic_2": self._target_critic_network_2.variables,
            "critic_optimizer": self._critic_optimizer.variables,
            "actor_optimizer": self._actor_optimizer.variables,
            "temperature_optimizer": self._alpha_optimizer.variables,
            "temperature": [self._log_alpha],
            "counters": [self.train_step_counter, *self._update_target.variables],
        }

    def losses(self, info: tf_agent.LossInfo) -> dict[str, tf.Tensor]:
        """Return the critics' loss, the actor's and the temperature's."""
        return {
            "loss": info.extra.critic_loss, "actor_loss": info.extra.actor_loss,
            "temperature_loss": info.extra.alpha_loss,
        }

    def diagnostics(self, transition: trajectory.Transition) -> dict[str, tf.Tensor]:
        """Return value, entropy, clip and gradient figures of a batch."""
        with unmoved(self._generator):
            return self._figures(transition)

    def _figures(self, transition: trajectory.Transition) -> dict[str, tf.Tensor]:
        step, action_step, next_step = transition
        inputs = (step.observation, action_step.action)
        q = tf.minimum(self._critic_network_1(inputs)[0], self._critic_network_2(inputs)[0])
        variables = [
            *self._critic_network_1.trainable_weights, *self._critic_network_2.trainable_weights
        ]
        with tf.GradientTape() as tape:
            loss = self.critic_loss(
                step, action_step.action, next_step,
                td_errors_loss_fn=self._td_errors_loss_fn, gamma=self._gamma,
            )
        _, log_pi = self._actions_and_log_probs(step)
        t = tf.exp(self._log_alpha)
        low = self._bonus.bounds[0]
        replayed = t * self._log_density(step.observation, action_step.action)
        is_clipped = self._bonus.alpha > 0 and self._bonus.bounding is None and low is not None
        return {
            "q_mean": tf.reduce_mean(q),
            "preference_max": tf.reduce_max(tf.abs(q)),
            "entropy": -tf.reduce_mean(log_pi),
            "clipped_fraction": (
                tf.reduce_mean(tf.cast(replayed < low, tf.float32)) if is_clipped else tf.zeros([])
            ),
            "gradient_norm": global_norm(tape.gradient(loss, variables)),
            "temperature": t,
        }

    def critic_loss(
        self, time_steps: ts.TimeStep, actions: tf.Tensor, next_time_steps: ts.TimeStep,
        *args: Any, **kwargs: Any,
    ) -> tf.Tensor:
        """Return upstream's critic loss with the bonus in the reward; a scalar."""
        bonus = self._bonus
        if bonus.alpha > 0:
            log_density = self._log_density(time_steps.observation, actions)
            t = tf.exp(self._log_alpha)
            if bonus.bounding is None:
                term = terms.log_policy_bonus(log_density, t, bonus.alpha, bonus.bounds)
            else:
                term = bonus.alpha * terms.bounded_log_density(
                    log_density, t, bonus.bounding, bonus.scale
                )
            reward = next_time_steps.reward + tf.stop_gradient(term)
            next_time_steps = next_time_steps._replace(reward=reward)
        # Upstream asks `_actions_and_log_probs` for the next actions while it builds this loss.
        self._bounds_log_density = bonus.bounding is not None
        try:
            return super().critic_loss(time_steps, actions, next_time_steps, *args, **kwargs)
        finally:
            self._bounds_log_density = False

    def _actions_and_log_probs(
        self, time_steps: ts.TimeStep, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Draw reparameterised actions [B, D] and their log-densities [B] from the run's stream."""
        del training
        loc, scale = self._gaussian(time_steps.observation)
        noise = self._generator.normal(tf.shape(loc))
        pre = loc + scale * noise
        half = (self._high - self._low) / 2.0
        action = (self._low + self._high) / 2.0 + half * tf.tanh(pre)
        # From the noise and not from the action: atanh would lose the tails.
        normal = -0.5 * tf.square(noise) - tf.math.log(scale) - 0.5 * math.log(2.0 * math.pi)
        slope = squashed_gaussian.log_slope_of_tanh(pre) + tf.math.log(half)
        log_pi = tf.reduce_sum(normal - slope, axis=-1)
        if self._bounds_log_density:
            # Upstream multiplies by t; the bounded term takes the place of the product.
            t = tf.exp(self._log_alpha)
            bonus = self._bonus
            assert bonus.bounding is not None
            log_pi = terms.bounded_log_density(log_pi, t, bonus.bounding, bonus.scale) / t
        return action, log_pi

    def _log_density(self, observation: Observation, action: tf.Tensor) -> tf.Tensor:
        loc, scale = self._gaussian(observation)
        return squashed_gaussian.log_density(action, loc, scale, self._low, self._high)

    def _gaussian(self, observation: Observation) -> tuple[tf.Tensor, tf.Tensor]:
        loc, log_scale = tf.split(self._actor_network(observation)[0], 2, axis=-1)
        return loc, tf.exp(tf.clip_by_value(log_scale, *_LOG_SCALE))

    def _actor_policy(self, **arguments: Any) -> tf_policy.TFPolicy:
        # What upstream keeps as `policy`: greedy; training asks `_actions_and_log_probs`.
        return SquashedGaussianPolicy(
            arguments["time_step_spec"], arguments["action_spec"], self._gaussian,
            arguments["actor_network"], None, samples=False,
        )

    def _convert_optimizer_to_legacy(self, optimizer: Any) -> Any:
        # Upstream would take Keras' legacy optimisers, which are slower inside XLA.
        return optimizer

    def _build_optimizers(self) -> None:
        critics = [
            *self._critic_network_1.trainable_weights, *self._critic_network_2.trainable_weights
        ]
        self._critic_optimizer.build(critics)
        self._actor_optimizer.build(self._actor_network.trainable_weights)
        self._alpha_optimizer.build([self._log_alpha])


def build(context: AgentContext) -> MunchausenSacAgent:
    """Return the agent of a continuous actor-critic declaration."""
    return MunchausenSacAgent(context)
