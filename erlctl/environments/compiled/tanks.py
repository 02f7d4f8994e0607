"""Tanks: four tanks in a row that share one pump, to be held at their levels; a task of ours."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from tf_agents.specs import tensor_spec

from erlctl.environments.compiled.base import CompiledEnvironment, State, specs
from erlctl.environments.compiled.factored import Factored

NUM_TANKS = 4
NUM_LEVELS = 5  # of a valve
SECONDS_PER_STEP = 1.0
INFLOW = 0.08  # of a tank's height per second, through one open valve
PUMP = 0.16  # what all valves together let through at most
OUTFLOW = 0.05  # times the square root of the level
NOISE = 0.1  # of each outflow, up or down
LAG = 0.5  # part of the way to its new opening that a valve moves in a step


class Tanks(Factored, CompiledEnvironment):
    """Levels in [0, 1], raised by one valve each (0, 1/4, ..., 1 open), lowered by their outlets.

    What flows out of a tank flows into the next; the four valves share a pump that feeds two full
    ones, so opening one may starve another. Outlets vary at random by 10 %. Each episode has
    set points of its own between 0.2 and 0.8.

    State `levels`, `openings`, `set_points`, float32 [4] each; the observation is all of them [12].
    Reward: minus the mean distance between levels and set points. Never terminal. A small relative
    of the chemical plants that factorial DPP was made for, with nothing taken from them.

    Args:
        num_envs: N, at least 1.
        generator: Source of every random number.
        actions: "factored" (four factors of five) or "joint" (one of 625).
        time_limit: Steps of an episode at most, or None.
    """

    state_specs = specs(**{
        name: tf.TensorSpec((NUM_TANKS,), tf.float32)
        for name in ("levels", "openings", "set_points")
    })
    observation = tensor_spec.BoundedTensorSpec(
        (3 * NUM_TANKS,), tf.float32, 0.0, 1.0, name="observation"
    )
    reset_draws = 2 * NUM_TANKS
    step_draws = NUM_TANKS

    def __init__(
        self, num_envs: int, generator: tf.random.Generator, *, actions: str = "factored",
        time_limit: int | None = None,
    ) -> None:
        self.set_factors((NUM_LEVELS,) * NUM_TANKS, joint=actions == "joint")
        super().__init__(num_envs, generator, time_limit=time_limit)

    def initial_state(self, draws: tf.Tensor) -> State:
        """Return tanks at any level with closed valves, and their set points."""
        levels, set_points = draws[:, :NUM_TANKS], 0.2 + 0.6 * draws[:, NUM_TANKS:]
        return {"levels": levels, "openings": tf.zeros_like(levels), "set_points": set_points}

    def transition(
        self, state: State, action: tf.Tensor, draws: tf.Tensor
    ) -> tuple[State, tf.Tensor, tf.Tensor]:
        """Return the state a second later, minus the distance from the set points, and False."""
        wanted = tf.cast(self.factors_of(action), tf.float32) / (NUM_LEVELS - 1)
        openings = state["openings"] + LAG * (wanted - state["openings"])
        asked = INFLOW * openings
        inflow = asked * tf.minimum(
            1.0, PUMP / tf.maximum(tf.reduce_sum(asked, axis=-1, keepdims=True), 1e-6)
        )
        variation = 1.0 + NOISE * (2.0 * draws - 1.0)
        outflow = OUTFLOW * tf.sqrt(state["levels"]) * variation
        from_above = tf.pad(outflow[:, :-1], [[0, 0], [1, 0]])
        change = SECONDS_PER_STEP * (inflow + from_above - outflow)
        levels = tf.clip_by_value(state["levels"] + change, 0.0, 1.0)
        after = {"levels": levels, "openings": openings, "set_points": state["set_points"]}
        distance = tf.reduce_mean(tf.abs(levels - state["set_points"]), axis=-1)
        return after, -distance, tf.zeros_like(distance, tf.bool)

    def observe(self, state: State) -> tf.Tensor:
        """Return levels, openings and set points, float32 [N, 12]."""
        return tf.concat([state[name] for name in self.state_specs], axis=-1)

    def picture(self, state: dict[str, Any]) -> np.ndarray:
        """Return the tanks with their levels, set points and valves, uint8 [120, 200, 3]."""
        frame = np.full((120, 200, 3), 240, np.uint8)
        for tank in range(NUM_TANKS):
            left = 50 * tank + 8
            level, opening, wanted = (
                float(state[name][tank]) for name in ("levels", "openings", "set_points")
            )
            frame[15:115, left : left + 34] = 200
            frame[115 - round(100 * level) : 115, left : left + 34] = (80, 130, 200)
            mark = 115 - round(100 * wanted)
            frame[mark - 1 : mark + 1, left : left + 34] = (200, 60, 50)
            frame[4:10, left : left + round(34 * opening)] = (40, 40, 48)
        return frame
