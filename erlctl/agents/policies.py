"""Behaviour and evaluation policies over preferences, drawing only from the run's own generator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp
from tf_agents.policies import tf_policy
from tf_agents.trajectories import policy_step
from tf_agents.trajectories import time_step as ts

from erlctl.agents.inputs import number_of
from erlctl.agents.schedules import schedule_value
from erlctl.fields import Options, Schedule
from erlctl.maths import policies, tsallis
from erlctl.maths.values import mask_illegal

Preferences = Callable[[Any], tuple[tf.Tensor, tf.Tensor | None]]
# A schedule over environment steps, or a function of the agent's own state.
Temperature = Schedule | Callable[[], tf.Tensor]


# (preferences, temperature) -> logits of the policy.
LOGITS: Mapping[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "softmax": lambda x, temperature: x / temperature,
    "sparsemax": lambda x, temperature: tf.math.log(tsallis.sparsemax_policy(x, temperature)),
}


@dataclass(frozen=True)
class Clock:
    """Where schedules read the time and policies their random numbers.

    Attributes:
        step: int64 variable, environment steps done.
        generator: Source of the policy's random numbers.
    """

    step: tf.Variable
    generator: tf.random.Generator


class PreferencePolicy(tf_policy.TFPolicy):
    """With probability epsilon a uniform legal action, else greedy or Boltzmann in the preferences.

    P(a|s) = epsilon / |legal| + (1 - epsilon) * softmax(preference / temperature), with sparsemax
    in place of softmax where that is asked for, and the argmax (ties: the first action) where there
    is no temperature.

    Preferences [B, M, A] of M factors give actions [B, M], each factor on its own.

    TF-Agents' own policies draw from hidden state that no checkpoint holds; this one draws from
    `clock.generator` alone, so that an interrupted run continues with the same actions.

    Args:
        time_step_spec: Spec of time steps.
        action_spec: Spec of an action from 0: a scalar, or one number for each factor.
        preferences: Observation -> ([B, A] or [B, M, A], legal actions of that shape or None).
        network: Whatever holds the weights; tracked for saving.
        clock: Time and random numbers; None only for the greedy policy.
        epsilon: Schedule, or None for 0.
        temperature: Units of the preferences, or None for greedy.
        distribution: "softmax" or "sparsemax", a key of `LOGITS`.
        random_steps: Before this environment step every action is uniform.
    """

    def __init__(
        self,
        time_step_spec: ts.TimeStep,
        action_spec: Any,
        preferences: Preferences,
        network: Any,
        clock: Clock | None,
        *,
        epsilon: Schedule | None = None,
        temperature: Temperature | None = None,
        distribution: str = "softmax",
        random_steps: int = 0,
    ) -> None:
        super().__init__(time_step_spec, action_spec, clip=False, automatic_state_reset=False)
        self._preferences = preferences
        self._network = network
        self._clock = clock
        self._epsilon = epsilon
        self._temperature = temperature
        self._logits = LOGITS[distribution]
        self._random_steps = random_steps

    def epsilon_at(self, step: tf.Tensor) -> tf.Tensor:
        """Return the probability of a uniform action at an environment step."""
        epsilon = schedule_value(self._epsilon or Schedule.constant(0.0), step)
        return tf.where(step < self._random_steps, 1.0, epsilon)

    def figures(self, step: int) -> dict[str, float]:
        """Return epsilon and temperature at an environment step; absent where not used."""
        figures = {}
        if self._epsilon is not None or self._random_steps:
            epsilon = (self._epsilon or Schedule.constant(0.0)).changed(number_of).value(step)
            figures["epsilon"] = 1.0 if step < self._random_steps else epsilon
        if isinstance(self._temperature, Schedule):
            figures["temperature"] = self._temperature.changed(number_of).value(step)
        elif self._temperature is not None:
            figures["temperature"] = float(self._temperature())
        return figures

    def _variables(self) -> list[tf.Variable]:
        return list(self._network.variables)

    def _action(
        self, time_step: ts.TimeStep, policy_state: Any, seed: Any
    ) -> policy_step.PolicyStep:
        del seed  # TF-Agents' hidden randomness is not used.
        preferences, mask = self._preferences(time_step.observation)
        scores = mask_illegal(preferences, mask)
        action = tf.argmax(scores, axis=-1, output_type=tf.int32)
        if self._clock is not None:
            action = self._explore(action, scores, mask)
        return policy_step.PolicyStep(tf.cast(action, self.action_spec.dtype), policy_state, ())

    def _distribution(
        self, time_step: ts.TimeStep, policy_state: Any
    ) -> policy_step.PolicyStep:
        if self._clock is None:
            # A distribution in a SavedModel could be loaded only beside TensorFlow Probability.
            raise NotImplementedError("a policy without random numbers gives actions only")
        preferences, mask = self._preferences(time_step.observation)
        if self._temperature is None:
            probabilities = policies.greedy_policy(preferences, mask)
        else:
            now = _temperature_now(self._temperature, self._clock.step.read_value())
            logits = self._logits(mask_illegal(preferences, mask), now)
            probabilities = tf.nn.softmax(mask_illegal(logits, mask))
        epsilon = self.epsilon_at(self._clock.step.read_value())
        probabilities = policies.mix_with_uniform(probabilities, epsilon, mask)
        action = tfp.distributions.Categorical(probs=probabilities, dtype=self.action_spec.dtype)
        return policy_step.PolicyStep(action, policy_state, ())

    def _explore(
        self, greedy: tf.Tensor, scores: tf.Tensor, mask: tf.Tensor | None
    ) -> tf.Tensor:
        assert self._clock is not None
        rows, num_actions = tf.shape(scores)[:-1], scores.shape[-1]
        step = self._clock.step.read_value()
        draws = self._clock.generator.uniform(tf.concat([rows, [num_actions + 1]], axis=0))
        keys, coin = draws[..., :num_actions], draws[..., num_actions]
        if self._temperature is not None:
            # Gumbel-max: argmax(x + g) is a draw from softmax(x).
            tiny = tf.constant(1e-38, tf.float32)
            gumbel = -tf.math.log(-tf.math.log(tf.maximum(keys, tiny)))
            temperature = _temperature_now(self._temperature, step)
            logits = self._logits(scores, temperature)
            greedy = tf.argmax(
                mask_illegal(logits + gumbel, mask), axis=-1, output_type=tf.int32
            )
        # The largest of independent uniform keys is at a uniformly random legal action.
        uniform = tf.argmax(mask_illegal(keys, mask), axis=-1, output_type=tf.int32)
        return tf.where(coin < self.epsilon_at(step), uniform, greedy)


def _temperature_now(temperature: Temperature, step: tf.Tensor) -> tf.Tensor:
    if isinstance(temperature, Schedule):
        return schedule_value(temperature, step)
    return temperature()


def preference_policy(
    agent: Any,
    network: Any,
    options: Options,
    clock: Clock | None,
    *,
    own_temperature: Temperature,
    random_steps: int = 0,
) -> PreferencePolicy:
    """Return the policy that a spec's section describes on an agent's preferences.

    Args:
        agent: Gives specs and `preferences`.
        network: Holds the weights of the preferences.
        options: A registered policy.
        clock: Time and random numbers; may be None for the greedy policy only.
        own_temperature: Used where the section has a temperature field that is null.
        random_steps: Before this environment step every action is uniform.
    """
    epsilon = getattr(options, "epsilon", None)
    temperature = None
    if hasattr(options, "temperature"):
        temperature = own_temperature if options.temperature is None else options.temperature
    is_random = epsilon is not None or temperature is not None or random_steps > 0
    return PreferencePolicy(
        agent.time_step_spec, agent.action_spec, agent.preferences, network,
        clock if is_random else None,
        epsilon=epsilon, temperature=temperature, random_steps=random_steps,
        distribution=getattr(options, "distribution", "softmax"),
    )
