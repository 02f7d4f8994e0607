"""Pendulum: swing a pendulum up and hold it with a weak motor, as gym 0.23 has it."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf
from tf_agents.specs import tensor_spec

from erlctl.environments.compiled.base import CompiledEnvironment, State, specs

GRAVITY = 10.0  # m / s^2
SECONDS_PER_STEP = 0.05
MAX_SPEED = 8.0  # rad / s
MAX_TORQUE = 2.0  # N m


class Pendulum(CompiledEnvironment):
    """Gym's Pendulum: mass 1 kg, length 1 m, angle 0 upright.

    State `x`: float32 [2] = angle in [-pi, pi), angular velocity (rad/s). Gym lets its angle grow
    without bound; here whole turns are taken off, so that float32 stays exact to 2.4e-7 rad and
    nothing observable changes. Observation: cosine, sine, velocity. Action: torque in [-2, 2],
    clipped. Reward -(angle^2 + 0.1 velocity^2 + 0.001 torque^2) of the state before the step.
    Never terminal.

    With `torques` = n the action is an index of n torques, evenly from -2 to 2; that is ours.

    Gym computes in float64. A step differs by less than 1e-5; 200 steps of random actions, of which
    many pass the unstable top, by 0.02 at their end.
    """

    state_specs = specs(x=tf.TensorSpec((2,), tf.float32))
    observation = tensor_spec.BoundedTensorSpec(
        (3,), tf.float32,
        minimum=(-1.0, -1.0, -MAX_SPEED), maximum=(1.0, 1.0, MAX_SPEED), name="observation",
    )
    action: Any = tensor_spec.BoundedTensorSpec(
        (1,), tf.float32, minimum=-MAX_TORQUE, maximum=MAX_TORQUE, name="action"
    )
    reset_draws = 2

    def __init__(
        self, num_envs: int, generator: tf.random.Generator, *, torques: int | None = None,
        time_limit: int | None = None,
    ) -> None:
        self._torques = None if torques is None else tf.linspace(-MAX_TORQUE, MAX_TORQUE, torques)
        if torques is not None:
            self.action = tensor_spec.BoundedTensorSpec((), tf.int32, 0, torques - 1, name="action")
        super().__init__(num_envs, generator, time_limit=time_limit)

    def initial_state(self, draws: tf.Tensor) -> State:
        """Return angles uniform in [-pi, pi) and velocities in [-1, 1)."""
        return {"x": (2.0 * draws - 1.0) * tf.constant([math.pi, 1.0])}

    def transition(
        self, state: State, action: tf.Tensor, draws: tf.Tensor
    ) -> tuple[State, tf.Tensor, tf.Tensor]:
        """Return the state 0.05 s later, minus the cost, and False."""
        del draws
        angle, velocity = tf.unstack(state["x"], axis=-1)
        if self._torques is None:
            torque = tf.clip_by_value(action[:, 0], -MAX_TORQUE, MAX_TORQUE)
        else:
            torque = tf.gather(self._torques, action)
        cost = tf.square(angle) + 0.1 * tf.square(velocity) + 0.001 * tf.square(torque)
        acceleration = 1.5 * GRAVITY * tf.sin(angle) + 3.0 * torque
        velocity = velocity + acceleration * SECONDS_PER_STEP
        velocity = tf.clip_by_value(velocity, -MAX_SPEED, MAX_SPEED)
        angle = _normalised(angle + velocity * SECONDS_PER_STEP)
        state = {"x": tf.stack([angle, velocity], axis=-1)}
        return state, -cost, tf.zeros_like(angle, tf.bool)

    def observe(self, state: State) -> tf.Tensor:
        """Return cosine and sine of the angle and the velocity, float32 [N, 3]."""
        angle, velocity = tf.unstack(state["x"], axis=-1)
        return tf.stack([tf.cos(angle), tf.sin(angle), velocity], axis=-1)


def _normalised(angle: tf.Tensor) -> tf.Tensor:
    """Return `angle` without whole turns, in [-pi, pi); a step moves it by 0.4 rad at most."""
    turn = 2.0 * math.pi
    angle = tf.where(angle >= math.pi, angle - turn, angle)
    return tf.where(angle < -math.pi, angle + turn, angle)
