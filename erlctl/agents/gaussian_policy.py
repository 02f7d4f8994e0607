"""Squashed Gaussian behaviour for continuous actions, drawing only from the run's generator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tf_agents.policies import tf_policy
from tf_agents.trajectories import policy_step
from tf_agents.trajectories import time_step as ts

from erlctl.agents.inputs import number_of
from erlctl.agents.policies import Clock
from erlctl.agents.schedules import schedule_value
from erlctl.fields import Schedule

Gaussian = Callable[[Any], tuple[tf.Tensor, tf.Tensor]]


class SquashedGaussianPolicy(tf_policy.TFPolicy):
    """a = middle + half * tanh(loc + scale * n), n standard normal; greedy: n = 0.

    Args:
        time_step_spec: Spec of time steps.
        action_spec: Bounded spec of an action [D].
        gaussian: Observation -> (loc [B, D], scale [B, D]) before squashing.
        network: Holds the weights; tracked for saving.
        clock: Time and random numbers; None only for the greedy policy.
        samples: Whether actions are drawn.
        epsilon: Probability of a uniform action, or None for 0.
        random_steps: Before this environment step every action is uniform in the box.
    """

    def __init__(
        self,
        time_step_spec: ts.TimeStep,
        action_spec: Any,
        gaussian: Gaussian,
        network: Any,
        clock: Clock | None,
        *,
        samples: bool,
        epsilon: Schedule | None = None,
        random_steps: int = 0,
    ) -> None:
        super().__init__(time_step_spec, action_spec, clip=False, automatic_state_reset=False)
        self._gaussian = gaussian
        self._network = network
        self._clock = clock
        self._samples = samples
        self._epsilon = epsilon or Schedule.constant(0.0)
        self._random_steps = random_steps

    def figures(self, step: int) -> dict[str, float]:
        """Return the probability of a uniform action at an environment step."""
        epsilon = self._epsilon.changed(number_of).value(step)
        return {"epsilon": 1.0 if step < self._random_steps else epsilon}

    def _variables(self) -> list[tf.Variable]:
        return list(self._network.variables)

    def _action(
        self, time_step: ts.TimeStep, policy_state: Any, seed: Any
    ) -> policy_step.PolicyStep:
        del seed  # TF-Agents' hidden randomness is not used.
        loc, scale = self._gaussian(time_step.observation)
        unit = tf.tanh(loc)
        if self._clock is not None:
            generator, step = self._clock.generator, self._clock.step.read_value()
            if self._samples:
                unit = tf.tanh(loc + scale * generator.normal(tf.shape(loc)))
            draws = generator.uniform((tf.shape(loc)[0], loc.shape[-1] + 1))
            epsilon = tf.where(
                step < self._random_steps, 1.0, schedule_value(self._epsilon, step)
            )
            unit = tf.where(draws[:, -1:] < epsilon, 2.0 * draws[:, :-1] - 1.0, unit)
        low, high = self.action_spec.minimum, self.action_spec.maximum
        action = (low + high) / 2.0 + (high - low) / 2.0 * unit
        return policy_step.PolicyStep(action, policy_state, ())
