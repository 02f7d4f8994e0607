"""MinAtar Asterix: collect gold, avoid enemies; both cross the board from the sides."""

from __future__ import annotations

import tensorflow as tf

from erlctl.environments.compiled.base import State, specs
from erlctl.environments.compiled.minatar.game import (
    DOWN,
    INTEGER,
    LEFT,
    NOOP,
    RIGHT,
    SIZE,
    UP,
    MinAtarGame,
    cell,
    drawn,
    filled,
    integer,
    marked,
    rows,
)

SLOTS = 8  # rows 1 to 8 hold at most one entity each
RAMP_INTERVAL = 100
FIRST_SPAWN_SPEED = 10
FIRST_MOVE_INTERVAL = 5


class Asterix(MinAtarGame):
    """One point per gold; the game ends on contact with an enemy.

    Channels: player, enemy, trail (the cell that an entity comes from), gold. With ramping, every
    102 steps entities spawn one step sooner and, every other time, move one step sooner.
    """

    minimal_actions = (NOOP, LEFT, UP, RIGHT, DOWN)
    num_channels = 4
    step_draws = 4
    game_specs = specs(
        player_x=INTEGER, player_y=INTEGER,
        spawn_speed=INTEGER, spawn_timer=INTEGER,
        move_speed=INTEGER, move_timer=INTEGER,
        ramp_timer=INTEGER, ramp_index=INTEGER,
        x=tf.TensorSpec((SLOTS,), tf.int32),
        present=tf.TensorSpec((SLOTS,), tf.bool),
        rightwards=tf.TensorSpec((SLOTS,), tf.bool),
        gold=tf.TensorSpec((SLOTS,), tf.bool),
    )

    def start(self, draws: tf.Tensor) -> State:
        """Return the player in the middle of an empty board."""
        slots = (tf.shape(draws)[0], SLOTS)
        empty = tf.zeros(slots, tf.bool)
        return {
            **filled(
                draws, player_x=5, player_y=5,
                spawn_speed=FIRST_SPAWN_SPEED, spawn_timer=FIRST_SPAWN_SPEED,
                move_speed=FIRST_MOVE_INTERVAL, move_timer=FIRST_MOVE_INTERVAL,
                ramp_timer=RAMP_INTERVAL, ramp_index=0,
            ),
            "x": tf.zeros(slots, tf.int32), "present": empty, "rightwards": empty, "gold": empty,
        }

    def play(
        self, state: State, action: tf.Tensor, draws: tf.Tensor
    ) -> tuple[State, tf.Tensor, tf.Tensor]:
        """Spawn, move the player, meet, move the entities, meet again, count timers down."""
        state = _spawned(state, draws)
        player_x = state["player_x"] + _difference(action, RIGHT, LEFT)
        player_x = tf.clip_by_value(player_x, 0, SIZE - 1)
        player_y = tf.clip_by_value(state["player_y"] + _difference(action, DOWN, UP), 1, SLOTS)
        in_row = marked(player_y - 1, SLOTS)

        def met(x: tf.Tensor, present: tf.Tensor) -> tf.Tensor:
            return present & in_row & (x == player_x[:, tf.newaxis])

        x, present, gold = state["x"], state["present"], state["gold"]
        contact = met(x, present)
        present &= ~(contact & gold)
        moves = state["move_timer"] == 0
        x = tf.where(moves[:, tf.newaxis], x + tf.where(state["rightwards"], 1, -1), x)
        present &= (x >= 0) & (x < SIZE)
        second_contact = met(x, present) & moves[:, tf.newaxis]
        present &= ~(second_contact & gold)
        points = _count(contact & gold) + _count(second_contact & gold)
        is_terminal = tf.reduce_any((contact | second_contact) & ~gold, axis=1)
        after = {
            **state, "player_x": player_x, "player_y": player_y, "x": x, "present": present,
            "spawn_timer": state["spawn_timer"] - 1,
            "move_timer": tf.where(moves, state["move_speed"], state["move_timer"]) - 1,
        }
        return (_ramped(after) if self._ramping else after), points, is_terminal

    def observe(self, state: State) -> tf.Tensor:
        """Return player, enemies, trails and gold."""
        here = marked(state["x"]) & state["present"][..., tf.newaxis]
        behind = marked(state["x"] - tf.where(state["rightwards"], 1, -1))
        gold = state["gold"][..., tf.newaxis]
        return drawn([
            cell(state["player_y"], state["player_x"]),
            rows(here & ~gold, first=1),
            rows(behind & state["present"][..., tf.newaxis], first=1),
            rows(here & gold, first=1),
        ])


def _spawned(state: State, draws: tf.Tensor) -> State:
    """Return the state after the spawn timer: a new entity in one of the free rows, if any."""
    due = state["spawn_timer"] == 0
    rightwards, gold = draws[:, 0] < 1 / 2, draws[:, 1] < 1 / 3
    free = ~state["present"]
    rank = tf.cumsum(tf.cast(free, tf.int32), axis=1)  # 1 for the first free row
    choice = integer(draws[:, 2], rank[:, -1]) + 1
    new = free & (rank == choice[:, tf.newaxis]) & due[:, tf.newaxis]
    edge = tf.where(rightwards, 0, SIZE - 1)
    return {
        **state,
        "spawn_timer": tf.where(due, state["spawn_speed"], state["spawn_timer"]),
        "x": tf.where(new, edge[:, tf.newaxis], state["x"]),
        "present": state["present"] | new,
        "rightwards": tf.where(new, rightwards[:, tf.newaxis], state["rightwards"]),
        "gold": tf.where(new, gold[:, tf.newaxis], state["gold"]),
    }


def _ramped(state: State) -> State:
    """Return the state after the ramp timer."""
    spawn_speed, move_speed = state["spawn_speed"], state["move_speed"]
    active = (spawn_speed > 1) | (move_speed > 1)
    waits = active & (state["ramp_timer"] >= 0)
    ramps = active & (state["ramp_timer"] < 0)
    moves_faster = ramps & (move_speed > 1) & (state["ramp_index"] % 2 == 1)
    spawns_faster = ramps & (spawn_speed > 1)
    timer = tf.where(ramps, RAMP_INTERVAL, state["ramp_timer"] - tf.cast(waits, tf.int32))
    return {
        **state, "ramp_timer": timer,
        "move_speed": move_speed - tf.cast(moves_faster, tf.int32),
        "spawn_speed": spawn_speed - tf.cast(spawns_faster, tf.int32),
        "ramp_index": state["ramp_index"] + tf.cast(ramps, tf.int32),
    }


def _difference(action: tf.Tensor, plus: int, minus: int) -> tf.Tensor:
    return tf.cast(action == plus, tf.int32) - tf.cast(action == minus, tf.int32)


def _count(mask: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)
