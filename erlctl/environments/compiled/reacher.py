"""Reacher: an arm of many joints whose hand follows a target; a task of ours."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf
from tf_agents.specs import tensor_spec

from erlctl.environments.compiled.base import CompiledEnvironment, State, specs
from erlctl.environments.compiled.factored import Factored

SECONDS_PER_STEP = 0.05
ACCELERATION = 8.0  # rad / s^2 of a full torque
DAMPING = 2.0  # 1 / s
TORQUE_COST = 0.02  # of all joints at full torque


class Reacher(Factored, CompiledEnvironment):
    """A planar arm of n links of length 1 / n, moved by a torque of -1, 0 or 1 at every joint.

    Joints are geared, so that torques do not pull at one another: an angle's acceleration is
    8 torque - 2 velocity. What couples them is the hand, which all of them move.

    State `angles` (each from the link before, in [-pi, pi)), `velocities` [n], `target` [2], at a
    distance between 0.3 and 0.9 from the shoulder. Observation: cosines, sines, velocities, hand
    minus target, [3 n + 2]. Reward: minus the distance from hand to target, in units of the arm's
    length, minus 0.02 times the mean squared torque. Never terminal.

    Args:
        num_envs: N, at least 1.
        generator: Source of every random number.
        num_joints: n.
        actions: "factored" (n factors of three) or "joint" (one of 3^n).
        time_limit: Steps of an episode at most, or None.
    """

    def __init__(
        self, num_envs: int, generator: tf.random.Generator, *, num_joints: int = 4,
        actions: str = "factored", time_limit: int | None = None,
    ) -> None:
        self.num_joints = num_joints
        self.state_specs = specs(
            angles=tf.TensorSpec((num_joints,), tf.float32),
            velocities=tf.TensorSpec((num_joints,), tf.float32),
            target=tf.TensorSpec((2,), tf.float32),
        )
        fastest = ACCELERATION / DAMPING
        high = [1.0] * (2 * num_joints) + [fastest] * num_joints + [2.0, 2.0]
        self.observation = tensor_spec.BoundedTensorSpec(
            (len(high),), tf.float32, -np.array(high, np.float32), np.array(high, np.float32),
            name="observation",
        )
        self.reset_draws = num_joints + 2
        self.set_factors((3,) * num_joints, joint=actions == "joint")
        super().__init__(num_envs, generator, time_limit=time_limit)

    def initial_state(self, draws: tf.Tensor) -> State:
        """Return arms at rest in any position, and targets in the ring."""
        joints = self.num_joints
        angles = (2.0 * draws[:, :joints] - 1.0) * math.pi
        distance = 0.3 + 0.6 * draws[:, joints]
        direction = 2.0 * math.pi * draws[:, joints + 1]
        target = tf.stack([distance * tf.cos(direction), distance * tf.sin(direction)], axis=-1)
        return {"angles": angles, "velocities": tf.zeros_like(angles), "target": target}

    def transition(
        self, state: State, action: tf.Tensor, draws: tf.Tensor
    ) -> tuple[State, tf.Tensor, tf.Tensor]:
        """Return the state 0.05 s later, minus the distance there and the cost, and False."""
        del draws
        torque = tf.cast(self.factors_of(action) - 1, tf.float32)
        velocities = state["velocities"]
        change = ACCELERATION * torque - DAMPING * velocities
        velocities = velocities + SECONDS_PER_STEP * change
        angles = state["angles"] + SECONDS_PER_STEP * velocities
        turn = 2.0 * math.pi
        angles = tf.where(angles >= math.pi, angles - turn, angles)
        angles = tf.where(angles < -math.pi, angles + turn, angles)
        after = {"angles": angles, "velocities": velocities, "target": state["target"]}
        distance = tf.norm(self.hand(angles) - state["target"], axis=-1)
        cost = TORQUE_COST * tf.reduce_mean(tf.square(torque), axis=-1)
        return after, -distance - cost, tf.zeros_like(distance, tf.bool)

    def observe(self, state: State) -> tf.Tensor:
        """Return float32 [N, 3 n + 2]."""
        angles = state["angles"]
        return tf.concat([
            tf.cos(angles), tf.sin(angles), state["velocities"],
            self.hand(angles) - state["target"],
        ], axis=-1)

    def hand(self, angles: tf.Tensor) -> tf.Tensor:
        """Return where the hand is, [N, 2]."""
        bearings = tf.cumsum(angles, axis=-1)
        return tf.stack([tf.reduce_mean(f(bearings), axis=-1) for f in (tf.cos, tf.sin)], axis=-1)

    def picture(self, state: dict[str, Any]) -> np.ndarray:
        """Return the arm and its target from above, uint8 [200, 200, 3]."""
        from PIL import Image, ImageDraw

        bearings = np.cumsum(state["angles"])
        links = np.stack([np.cos(bearings), np.sin(bearings)], axis=-1) / self.num_joints
        points = np.vstack([np.zeros((1, 2)), np.cumsum(links, axis=0)])
        image = Image.new("RGB", (200, 200), (240, 240, 240))
        draw = ImageDraw.Draw(image)

        def pixel(point: np.ndarray) -> tuple[float, float]:
            return 100.0 + 90.0 * float(point[0]), 100.0 - 90.0 * float(point[1])

        x, y = pixel(state["target"])
        draw.ellipse((x - 6, y - 6, x + 6, y + 6), fill=(120, 190, 120))
        draw.line([pixel(point) for point in points], fill=(40, 40, 48), width=4)
        x, y = pixel(points[-1])
        draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=(200, 60, 50))
        return np.asarray(image)
