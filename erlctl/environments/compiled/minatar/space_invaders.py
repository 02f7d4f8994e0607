"""MinAtar Space Invaders: shoot down waves of aliens that shoot back."""

from __future__ import annotations

import tensorflow as tf

from erlctl.environments.compiled.base import State, specs
from erlctl.environments.compiled.minatar.game import (
    BOARD,
    FIRE,
    INTEGER,
    LEFT,
    NOOP,
    RIGHT,
    SIZE,
    MinAtarGame,
    cell,
    counted_down,
    drawn,
    filled,
    marked,
)

CANNON_ROW = 9
SHOT_COOL_DOWN = 5
FIRST_MOVE_INTERVAL = 12
LAST_MOVE_INTERVAL = 6
ALIEN_SHOT_INTERVAL = 10


class SpaceInvaders(MinAtarGame):
    """One point per alien; the game ends when an alien or its bullet reaches the cannon.

    The wave walks sideways, turns and descends at the edges, and walks faster the fewer are left.
    With ramping each new wave is a step faster. Channels: cannon, alien, alien moving left, alien
    moving right, friendly bullet, enemy bullet.
    """

    minimal_actions = (NOOP, LEFT, RIGHT, FIRE)
    num_channels = 6
    step_draws = 1
    game_specs = specs(
        cannon_x=INTEGER, alien_direction=INTEGER, move_interval=INTEGER,
        alien_move_timer=INTEGER, alien_shot_timer=INTEGER, shot_timer=INTEGER,
        ramp_index=INTEGER,
        aliens=BOARD, friendly_bullets=BOARD, enemy_bullets=BOARD,
    )

    def start(self, draws: tf.Tensor) -> State:
        """Return the first wave of 4 x 6 aliens."""
        empty = tf.zeros((tf.shape(draws)[0], SIZE, SIZE), tf.bool)
        return {
            **filled(
                draws, cannon_x=5, alien_direction=-1, move_interval=FIRST_MOVE_INTERVAL,
                alien_move_timer=FIRST_MOVE_INTERVAL, alien_shot_timer=ALIEN_SHOT_INTERVAL,
                shot_timer=0, ramp_index=0,
            ),
            "aliens": empty | _wave(), "friendly_bullets": empty, "enemy_bullets": empty,
        }

    def play(
        self, state: State, action: tf.Tensor, draws: tf.Tensor
    ) -> tuple[State, tf.Tensor, tf.Tensor]:
        """Act, move the bullets, move the aliens, let one shoot, remove what was hit."""
        del draws
        fires = (action == FIRE) & (state["shot_timer"] == 0)
        muzzle = marked(state["cannon_x"])
        # A new bullet starts in the cannon's row and moves up one row at once.
        friendly = tf.concat(
            [state["friendly_bullets"][:, 1:-1],
             (state["friendly_bullets"][:, -1] | (muzzle & fires[:, tf.newaxis]))[:, tf.newaxis],
             tf.zeros_like(state["friendly_bullets"][:, :1])], axis=1,
        )
        cannon_x = _moved(state["cannon_x"], action)
        at_cannon = marked(cannon_x)
        enemy = _shifted_down(state["enemy_bullets"])
        is_terminal = tf.reduce_any((enemy | state["aliens"])[:, CANNON_ROW] & at_cannon, axis=1)
        state, landed = _moved_aliens(state)
        aliens = state["aliens"]
        is_terminal |= landed | tf.reduce_any(aliens[:, CANNON_ROW] & at_cannon, axis=1)

        shoots = state["alien_shot_timer"] == 0
        enemy |= _nearest_alien(aliens, cannon_x) & shoots[:, tf.newaxis, tf.newaxis]
        killed = aliens & friendly
        aliens &= ~killed
        after = {
            **state, "cannon_x": cannon_x, "aliens": aliens,
            "friendly_bullets": friendly & ~killed, "enemy_bullets": enemy,
            "shot_timer": counted_down(tf.where(fires, SHOT_COOL_DOWN, state["shot_timer"])),
            "alien_move_timer": state["alien_move_timer"] - 1,
            "alien_shot_timer":
                tf.where(shoots, ALIEN_SHOT_INTERVAL, state["alien_shot_timer"]) - 1,
        }
        return _next_wave(after, self._ramping), _count(killed), is_terminal

    def observe(self, state: State) -> tf.Tensor:
        """Return cannon, aliens, aliens by direction and bullets of both sides."""
        row = tf.fill(tf.shape(state["cannon_x"]), CANNON_ROW)
        leftwards = (state["alien_direction"] < 0)[:, tf.newaxis, tf.newaxis]
        aliens = state["aliens"]
        return drawn([
            cell(row, state["cannon_x"]), aliens, aliens & leftwards, aliens & ~leftwards,
            state["friendly_bullets"], state["enemy_bullets"],
        ])


def _moved_aliens(state: State) -> tuple[State, tf.Tensor]:
    """Return the state after the aliens' move timer and whether one reached the ground."""
    aliens, direction = state["aliens"], state["alien_direction"]
    due = state["alien_move_timer"] == 0
    at_edge = tf.where(
        direction < 0, tf.reduce_any(aliens[:, :, 0], 1), tf.reduce_any(aliens[:, :, -1], 1)
    )
    turns, walks = due & at_edge, due & ~at_edge
    # Nothing is on the edge that the wave walks towards, so the rolls wrap nothing around; the
    # roll down wraps only in the step that ends the game, as in the package.
    leftwards = tf.roll(aliens, -1, axis=2)
    rightwards = tf.roll(aliens, 1, axis=2)
    walked = tf.where((direction < 0)[:, tf.newaxis, tf.newaxis], leftwards, rightwards)
    moved = tf.where(walks[:, tf.newaxis, tf.newaxis], walked, aliens)
    moved = tf.where(turns[:, tf.newaxis, tf.newaxis], tf.roll(aliens, 1, axis=1), moved)
    landed = turns & tf.reduce_any(aliens[:, CANNON_ROW], axis=1)
    interval = tf.minimum(_count(aliens), state["move_interval"])
    return {
        **state, "aliens": moved,
        "alien_direction": tf.where(turns, -direction, direction),
        "alien_move_timer": tf.where(due, interval, state["alien_move_timer"]),
    }, landed


def _nearest_alien(aliens: tf.Tensor, cannon_x: tf.Tensor) -> tf.Tensor:
    """Return bool [N, 10, 10], true at the lowest alien of the occupied column next to the cannon.

    Of two columns equally far away the left one counts.
    """
    offset = tf.range(SIZE) - cannon_x[:, tf.newaxis]
    distance = 2 * tf.abs(offset) + tf.cast(offset > 0, tf.int32)
    distance = tf.where(tf.reduce_any(aliens, axis=1), distance, 4 * SIZE)
    nearest = distance == tf.reduce_min(distance, axis=1, keepdims=True)
    height = tf.where(aliens, tf.range(SIZE)[:, tf.newaxis], -1)
    lowest = aliens & (height == tf.reduce_max(height, axis=1, keepdims=True))
    return lowest & nearest[:, tf.newaxis, :]


def _next_wave(state: State, ramping: bool) -> State:
    """Return the state with a new wave where no alien is left."""
    cleared = ~tf.reduce_any(state["aliens"], axis=[1, 2])
    faster = cleared & (state["move_interval"] > LAST_MOVE_INTERVAL) & ramping
    return {
        **state,
        "aliens": state["aliens"] | (cleared[:, tf.newaxis, tf.newaxis] & _wave()),
        "move_interval": state["move_interval"] - tf.cast(faster, tf.int32),
        "ramp_index": state["ramp_index"] + tf.cast(faster, tf.int32),
    }


def _wave() -> tf.Tensor:
    """Return the cells of a new wave, bool [10, 10]: rows 0 to 3, columns 2 to 7."""
    index = tf.range(SIZE)
    return (index < 4)[:, tf.newaxis] & (index >= 2) & (index < 8)


def _shifted_down(board: tf.Tensor) -> tf.Tensor:
    return tf.concat([tf.zeros_like(board[:, :1]), board[:, :-1]], axis=1)


def _moved(x: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
    step = tf.cast(action == RIGHT, tf.int32) - tf.cast(action == LEFT, tf.int32)
    return tf.clip_by_value(x + step, 0, SIZE - 1)


def _count(board: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.cast(board, tf.int32), axis=[1, 2])
