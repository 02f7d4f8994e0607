"""MountainCar: drive an underpowered car out of a valley (Moore 1990), as gym 0.23 has it."""

from __future__ import annotations

import tensorflow as tf
from tf_agents.specs import tensor_spec

from erlctl.environments.compiled.base import CompiledEnvironment, State, specs

FORCE = 0.001
GRAVITY = 0.0025
MIN_POSITION, MAX_POSITION = -1.2, 0.6
MAX_SPEED = 0.07
GOAL_POSITION = 0.5
START = (-0.6, -0.4)


class MountainCar(CompiledEnvironment):
    """Gym's MountainCar with three actions.

    State `x`: float32 [2] = position, velocity per step; the observation is the state. Actions: 0
    accelerates left, 1 not at all, 2 right. Reward -1 for every step. Terminal where the position
    is at least 0.5 and the velocity not negative.

    Gym computes in float64; an episode of 200 steps differs by 4e-6 at its end.
    """

    state_specs = specs(x=tf.TensorSpec((2,), tf.float32))
    observation = tensor_spec.BoundedTensorSpec(
        (2,), tf.float32,
        minimum=(MIN_POSITION, -MAX_SPEED), maximum=(MAX_POSITION, MAX_SPEED), name="observation",
    )
    action = tensor_spec.BoundedTensorSpec((), tf.int32, 0, 2, name="action")
    reset_draws = 1

    def initial_state(self, draws: tf.Tensor) -> State:
        """Return cars at rest, uniform in [-0.6, -0.4)."""
        position = START[0] + (START[1] - START[0]) * draws
        return {"x": tf.concat([position, tf.zeros_like(position)], axis=-1)}

    def transition(
        self, state: State, action: tf.Tensor, draws: tf.Tensor
    ) -> tuple[State, tf.Tensor, tf.Tensor]:
        """Return the next state, reward -1 and whether the car is at the flag."""
        del draws
        position, velocity = tf.unstack(state["x"], axis=-1)
        push = tf.cast(action - 1, tf.float32) * FORCE
        velocity = velocity + push - GRAVITY * tf.cos(3.0 * position)
        velocity = tf.clip_by_value(velocity, -MAX_SPEED, MAX_SPEED)
        position = tf.clip_by_value(position + velocity, MIN_POSITION, MAX_POSITION)
        # The left wall stops the car.
        velocity = tf.where((position <= MIN_POSITION) & (velocity < 0.0), 0.0, velocity)
        is_terminal = (position >= GOAL_POSITION) & (velocity >= 0.0)
        return {"x": tf.stack([position, velocity], axis=-1)}, -tf.ones_like(position), is_terminal

    def observe(self, state: State) -> tf.Tensor:
        """Return the state itself, float32 [N, 2]."""
        return state["x"]
