"""Acrobot: swing a two-link arm above a line (Sutton 1996), as gym 0.23 has it by default."""

from __future__ import annotations

import math

import tensorflow as tf
from tf_agents.specs import tensor_spec

from erlctl.environments.compiled.base import CompiledEnvironment, State, specs

GRAVITY = 9.8  # m / s^2
SECONDS_PER_STEP = 0.2
# Both links: mass 1 kg, length 1 m, centre of mass at 0.5 m, moment of inertia 1 kg m^2.
CENTRE = 0.5
MAX_SPEED_1 = 4.0 * math.pi  # rad / s
MAX_SPEED_2 = 9.0 * math.pi
START_LIMIT = 0.1

Angles = tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]


class Acrobot(CompiledEnvironment):
    """Gym's Acrobot-v1: one step of fourth-order Runge-Kutta over 0.2 s.

    State `x`: float32 [4] = angle of the first link (0 hangs down), angle of the second relative to
    the first, both in (-pi, pi], and their velocities (rad/s), bounded by 4 pi and 9 pi.
    Observation: cosine and sine of both angles and both velocities. Actions 0, 1, 2: torque -1, 0,
    1 N m on the joint between the links. Reward -1 for every step but the terminal one, which
    gives 0. Terminal where the tip is more than 1 m above the fixed joint:
    -cos(t1) - cos(t1 + t2) > 1.

    Gym computes in float64. A step differs by less than 1e-5, an episode of random actions (500
    steps) by 6e-4 at its end; a fast-swinging arm is chaotic and differs sooner.
    """

    state_specs = specs(x=tf.TensorSpec((4,), tf.float32))
    observation = tensor_spec.BoundedTensorSpec(
        (6,), tf.float32,
        minimum=(-1.0, -1.0, -1.0, -1.0, -MAX_SPEED_1, -MAX_SPEED_2),
        maximum=(1.0, 1.0, 1.0, 1.0, MAX_SPEED_1, MAX_SPEED_2), name="observation",
    )
    action = tensor_spec.BoundedTensorSpec((), tf.int32, 0, 2, name="action")
    reset_draws = 4

    def initial_state(self, draws: tf.Tensor) -> State:
        """Return states uniform in [-0.1, 0.1)^4: hanging down, nearly at rest."""
        return {"x": (2.0 * draws - 1.0) * START_LIMIT}

    def transition(
        self, state: State, action: tf.Tensor, draws: tf.Tensor
    ) -> tuple[State, tf.Tensor, tf.Tensor]:
        """Return the state 0.2 s later, the reward and whether the tip is above the line."""
        del draws
        torque = tf.cast(action - 1, tf.float32)
        y = _runge_kutta(tuple(tf.unstack(state["x"], axis=-1)), torque)
        angle_1, angle_2 = _wrapped(y[0]), _wrapped(y[1])
        velocity_1 = tf.clip_by_value(y[2], -MAX_SPEED_1, MAX_SPEED_1)
        velocity_2 = tf.clip_by_value(y[3], -MAX_SPEED_2, MAX_SPEED_2)
        is_terminal = -tf.cos(angle_1) - tf.cos(angle_1 + angle_2) > 1.0
        state = {"x": tf.stack([angle_1, angle_2, velocity_1, velocity_2], axis=-1)}
        return state, tf.where(is_terminal, 0.0, -1.0), is_terminal

    def observe(self, state: State) -> tf.Tensor:
        """Return cosines and sines of the angles and the velocities, float32 [N, 6]."""
        angle_1, angle_2, velocity_1, velocity_2 = tf.unstack(state["x"], axis=-1)
        return tf.stack(
            [tf.cos(angle_1), tf.sin(angle_1), tf.cos(angle_2), tf.sin(angle_2),
             velocity_1, velocity_2],
            axis=-1,
        )


def _derivatives(y: Angles, torque: tf.Tensor) -> Angles:
    """Return d/dt of (angle 1, angle 2, velocity 1, velocity 2); gym's "book" equations."""
    angle_1, angle_2, velocity_1, velocity_2 = y
    cos_2, sin_2 = tf.cos(angle_2), tf.sin(angle_2)
    d_1 = CENTRE**2 + (1.0 + CENTRE**2 + 2.0 * CENTRE * cos_2) + 2.0
    d_2 = (CENTRE**2 + CENTRE * cos_2) + 1.0
    # cos(x - pi / 2) = sin(x), and float32 has no exact pi.
    phi_2 = CENTRE * GRAVITY * tf.sin(angle_1 + angle_2)
    phi_1 = (
        -CENTRE * tf.square(velocity_2) * sin_2
        - 2.0 * CENTRE * velocity_2 * velocity_1 * sin_2
        + (CENTRE + 1.0) * GRAVITY * tf.sin(angle_1)
        + phi_2
    )
    pull = CENTRE * tf.square(velocity_1) * sin_2
    acceleration_2 = (torque + d_2 / d_1 * phi_1 - pull - phi_2) / (
        CENTRE**2 + 1.0 - tf.square(d_2) / d_1
    )
    acceleration_1 = -(d_2 * acceleration_2 + phi_1) / d_1
    return velocity_1, velocity_2, acceleration_1, acceleration_2


def _runge_kutta(y: Angles, torque: tf.Tensor) -> Angles:
    dt = SECONDS_PER_STEP
    k_1 = _derivatives(y, torque)
    k_2 = _derivatives(_moved(y, k_1, dt / 2), torque)
    k_3 = _derivatives(_moved(y, k_2, dt / 2), torque)
    k_4 = _derivatives(_moved(y, k_3, dt), torque)
    slope = tuple(a + 2 * b + 2 * c + d for a, b, c, d in zip(k_1, k_2, k_3, k_4, strict=True))
    return _moved(y, slope, dt / 6)


def _moved(y: Angles, slope: Angles, dt: float) -> Angles:
    return tuple(value + dt * change for value, change in zip(y, slope, strict=True))


def _wrapped(angle: tf.Tensor) -> tf.Tensor:
    """Return `angle` without whole turns, in (-pi, pi]."""
    turn = 2.0 * math.pi
    return angle - turn * tf.math.ceil((angle - math.pi) / turn)
