"""CartPole: keep a pole upright on a cart (Barto, Sutton, Anderson 1983), as gym 0.23 has it."""

from __future__ import annotations

import math

import tensorflow as tf
from tf_agents.specs import tensor_spec

from erlctl.environments.compiled.base import CompiledEnvironment, State, specs

GRAVITY = 9.8  # m / s^2
POLE_MASS = 0.1  # kg
TOTAL_MASS = 1.1  # kg
HALF_LENGTH = 0.5  # m
FORCE = 10.0  # N
SECONDS_PER_STEP = 0.02
X_LIMIT = 2.4  # m
THETA_LIMIT = 12 * 2 * math.pi / 360  # rad
START_LIMIT = 0.05

_FLOAT_MAX = 3.4028234663852886e38


class CartPole(CompiledEnvironment):
    """Gym's CartPole with explicit Euler steps of 0.02 s.

    State `x`: float32 [4] = cart position (m), its velocity, pole angle (rad), its velocity; the
    observation is the state. Actions: 0 pushes left, 1 right, with 10 N. Reward 1 for every step,
    the terminal one included. Terminal where |position| > 2.4 or |angle| > 12 degrees.

    Gym computes in float64. A step differs by less than 1e-6, an episode of random actions (75
    steps) by 5e-6 at its end. The upright pole is unstable: of two copies that are kept up with the
    same actions the difference grows by a factor e every quarter of a second.
    """

    state_specs = specs(x=tf.TensorSpec((4,), tf.float32))
    observation = tensor_spec.BoundedTensorSpec(
        (4,), tf.float32,
        minimum=(-2 * X_LIMIT, -_FLOAT_MAX, -2 * THETA_LIMIT, -_FLOAT_MAX),
        maximum=(2 * X_LIMIT, _FLOAT_MAX, 2 * THETA_LIMIT, _FLOAT_MAX),
        name="observation",
    )
    action = tensor_spec.BoundedTensorSpec((), tf.int32, 0, 1, name="action")
    reset_draws = 4

    def initial_state(self, draws: tf.Tensor) -> State:
        """Return states uniform in [-0.05, 0.05)^4."""
        return {"x": (2.0 * draws - 1.0) * START_LIMIT}

    def transition(
        self, state: State, action: tf.Tensor, draws: tf.Tensor
    ) -> tuple[State, tf.Tensor, tf.Tensor]:
        """Return the state 0.02 s later, reward 1 and whether the pole fell or the cart left."""
        del draws
        x, x_dot, theta, theta_dot = tf.unstack(state["x"], axis=-1)
        force = tf.where(tf.equal(action, 1), FORCE, -FORCE)
        cos, sin = tf.cos(theta), tf.sin(theta)
        pole = POLE_MASS * HALF_LENGTH
        push = (force + pole * tf.square(theta_dot) * sin) / TOTAL_MASS
        theta_acc = (GRAVITY * sin - cos * push) / (
            HALF_LENGTH * (4.0 / 3.0 - POLE_MASS * tf.square(cos) / TOTAL_MASS)
        )
        x_acc = push - pole * theta_acc * cos / TOTAL_MASS
        dt = SECONDS_PER_STEP
        x, x_dot = x + dt * x_dot, x_dot + dt * x_acc
        theta, theta_dot = theta + dt * theta_dot, theta_dot + dt * theta_acc
        is_terminal = (tf.abs(x) > X_LIMIT) | (tf.abs(theta) > THETA_LIMIT)
        state = {"x": tf.stack([x, x_dot, theta, theta_dot], axis=-1)}
        return state, tf.ones_like(x), is_terminal

    def observe(self, state: State) -> tf.Tensor:
        """Return the state itself, float32 [N, 4]."""
        return state["x"]
