"""MinAtar Breakout: bounce a ball off a paddle to break three rows of bricks."""

from __future__ import annotations

import tensorflow as tf

from erlctl.environments.compiled.base import State, specs
from erlctl.environments.compiled.minatar.game import (
    FLAG,
    INTEGER,
    LEFT,
    NOOP,
    RIGHT,
    SIZE,
    MinAtarGame,
    cell,
    drawn,
    filled,
    integer,
    marked,
    rows,
)

BRICK_ROWS = 3  # rows 1, 2 and 3 of the board
PADDLE_ROW = 9


class Breakout(MinAtarGame):
    """One point per brick; the game ends when the ball passes the paddle.

    The ball moves one cell diagonally per step; `direction` 0 up-left, 1 up-right, 2 down-right,
    3 down-left, so that `direction ^ 1` mirrors it at a wall, `3 - direction` at a floor and
    `direction ^ 2` sends it back. Channels: paddle, ball, trail, brick.
    """

    minimal_actions = (NOOP, LEFT, RIGHT)
    num_channels = 4
    reset_draws = 1
    step_draws = 1
    game_specs = specs(
        ball_x=INTEGER, ball_y=INTEGER, last_x=INTEGER, last_y=INTEGER,
        direction=INTEGER, paddle_x=INTEGER, strike=FLAG,
        bricks=tf.TensorSpec((BRICK_ROWS, SIZE), tf.bool),
    )

    def start(self, draws: tf.Tensor) -> State:
        """Return a ball at row 3 of the left or the right edge, moving inwards and down."""
        side = integer(draws[:, 0], 2)
        ball_x = side * (SIZE - 1)
        return {
            **filled(draws, ball_y=3, last_y=3, paddle_x=4, strike=False),
            "ball_x": ball_x, "last_x": ball_x, "direction": 2 + side,
            "bricks": tf.ones((tf.shape(draws)[0], BRICK_ROWS, SIZE), tf.bool),
        }

    def play(
        self, state: State, action: tf.Tensor, draws: tf.Tensor
    ) -> tuple[State, tf.Tensor, tf.Tensor]:
        """Move the paddle, then the ball; see the package's `breakout.py` for the rules."""
        del draws
        paddle_x = _moved_paddle(state["paddle_x"], action)
        old_x, old_y, direction = state["ball_x"], state["ball_y"], state["direction"]
        x = old_x + tf.where((direction == 1) | (direction == 2), 1, -1)
        y = old_y + tf.where(direction >= 2, 1, -1)
        direction = tf.where((x < 0) | (x >= SIZE), direction ^ 1, direction)
        x = tf.clip_by_value(x, 0, SIZE - 1)

        at_ceiling = y < 0
        touched = marked(y - 1, BRICK_ROWS)[:, :, tf.newaxis] & marked(x)[:, tf.newaxis, :]
        on_brick = tf.reduce_any(touched & state["bricks"], axis=[1, 2])
        breaks = on_brick & ~state["strike"]
        at_bottom = (y == PADDLE_ROW) & ~on_brick
        cleared = at_bottom & ~tf.reduce_any(state["bricks"], axis=[1, 2])
        bricks = state["bricks"] & ~(touched & breaks[:, tf.newaxis, tf.newaxis])
        bricks |= cleared[:, tf.newaxis, tf.newaxis]

        above_paddle = at_bottom & (old_x == paddle_x)
        beside_paddle = at_bottom & ~above_paddle & (x == paddle_x)
        mirrored = at_ceiling | breaks | above_paddle
        direction = tf.where(mirrored, 3 - direction, direction)
        direction = tf.where(beside_paddle, direction ^ 2, direction)
        y = tf.where(at_ceiling, 0, tf.where(breaks | above_paddle | beside_paddle, old_y, y))
        after = {
            "ball_x": x, "ball_y": y, "last_x": old_x, "last_y": old_y, "direction": direction,
            # A ball that broke a brick passes through others until it is in the open.
            "paddle_x": paddle_x, "strike": on_brick, "bricks": bricks,
        }
        return after, tf.cast(breaks, tf.int32), at_bottom & ~above_paddle & ~beside_paddle

    def observe(self, state: State) -> tf.Tensor:
        """Return paddle, ball, trail (where the ball was) and bricks."""
        paddle_y = tf.fill(tf.shape(state["paddle_x"]), PADDLE_ROW)
        return drawn([
            cell(paddle_y, state["paddle_x"]),
            cell(state["ball_y"], state["ball_x"]),
            cell(state["last_y"], state["last_x"]),
            rows(state["bricks"], first=1),
        ])


def _moved_paddle(x: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
    step = tf.cast(action == RIGHT, tf.int32) - tf.cast(action == LEFT, tf.int32)
    return tf.clip_by_value(x + step, 0, SIZE - 1)
