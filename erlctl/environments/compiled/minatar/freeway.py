"""MinAtar Freeway: lead a chicken across eight lanes of cars."""

from __future__ import annotations

import tensorflow as tf

from erlctl.environments.compiled.base import State, specs
from erlctl.environments.compiled.minatar.game import (
    DOWN,
    INTEGER,
    NOOP,
    SIZE,
    UP,
    MinAtarGame,
    cell,
    counted_down,
    drawn,
    filled,
    integer,
    marked,
    rows,
)

LANES = 8  # rows 1 to 8
CHICKEN_COLUMN = 4
START_ROW = 9
PLAYER_INTERVAL = 3
MAX_SPEED_NUMBER = 5  # a car of speed number k moves once in k + 1 steps
GAME_STEPS = 2500


class Freeway(MinAtarGame):
    """One point per crossing; a hit sends the chicken back; the game ends after 2,501 steps.

    `speed` is signed: the sign is the direction. All cars get new speeds after each crossing.
    Channels: chicken, car, and five for the trail of cars of speed number 1 to 5.
    """

    minimal_actions = (NOOP, UP, DOWN)
    num_channels = 7
    reset_draws = 2 * LANES
    step_draws = 1 + 2 * LANES
    game_specs = specs(
        chicken_y=INTEGER, move_timer=INTEGER, terminate_timer=INTEGER,
        x=tf.TensorSpec((LANES,), tf.int32),
        timer=tf.TensorSpec((LANES,), tf.int32),
        speed=tf.TensorSpec((LANES,), tf.int32),
    )

    def start(self, draws: tf.Tensor) -> State:
        """Return the chicken at the bottom and all cars in the left column with random speeds."""
        speed = _speeds(draws)
        return {
            **filled(draws, chicken_y=START_ROW, move_timer=PLAYER_INTERVAL,
                     terminate_timer=GAME_STEPS),
            "x": tf.zeros_like(speed), "timer": tf.abs(speed), "speed": speed,
        }

    def play(
        self, state: State, action: tf.Tensor, draws: tf.Tensor
    ) -> tuple[State, tf.Tensor, tf.Tensor]:
        """Move the chicken, score, move the cars, send the chicken back if one hit it."""
        may_move = state["move_timer"] == 0
        moves = may_move & ((action == UP) | (action == DOWN))
        step = tf.where(action == UP, -1, 1)
        y = tf.where(moves, tf.clip_by_value(state["chicken_y"] + step, 0, START_ROW),
                     state["chicken_y"])
        crossed = y == 0
        y = tf.where(crossed, START_ROW, y)
        speed = tf.where(crossed[:, tf.newaxis], _speeds(draws), state["speed"])
        timer = tf.where(crossed[:, tf.newaxis], tf.abs(speed), state["timer"])

        drives = timer == 0
        x = tf.where(drives, tf.math.floormod(state["x"] + tf.sign(speed), SIZE), state["x"])
        touches = (state["x"] == CHICKEN_COLUMN) | (x == CHICKEN_COLUMN)
        hit = tf.reduce_any(touches & marked(y - 1, LANES), axis=1)
        move_timer = tf.where(moves, PLAYER_INTERVAL, state["move_timer"])
        terminate_timer = state["terminate_timer"] - 1
        after = {
            "chicken_y": tf.where(hit, START_ROW, y),
            "move_timer": counted_down(move_timer), "terminate_timer": terminate_timer,
            "x": x, "timer": tf.where(drives, tf.abs(speed), timer - 1), "speed": speed,
        }
        return after, tf.cast(crossed, tf.int32), terminate_timer < 0

    def observe(self, state: State) -> tf.Tensor:
        """Return chicken, cars and the trails by speed number."""
        chicken_x = tf.fill(tf.shape(state["chicken_y"]), CHICKEN_COLUMN)
        behind = marked(tf.math.floormod(state["x"] - tf.sign(state["speed"]), SIZE))
        number = tf.abs(state["speed"])[..., tf.newaxis]
        return drawn([
            cell(state["chicken_y"], chicken_x),
            rows(marked(state["x"]), first=1),
            *(rows(behind & (number == k), first=1) for k in range(1, MAX_SPEED_NUMBER + 1)),
        ])


def _speeds(draws: tf.Tensor) -> tf.Tensor:
    """Return signed speed numbers, int32 [N, 8]: eight draws for the size, eight for the sign."""
    size = 1 + integer(draws[:, :LANES], MAX_SPEED_NUMBER)
    return tf.where(draws[:, LANES:] < 0.5, -size, size)
