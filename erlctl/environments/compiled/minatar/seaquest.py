"""MinAtar Seaquest: shoot fish and submarines, rescue divers, surface before the air is gone."""

from __future__ import annotations

import tensorflow as tf

from erlctl.environments.compiled.base import State, specs
from erlctl.environments.compiled.minatar.game import (
    BOARD,
    DOWN,
    FIRE,
    FLAG,
    INTEGER,
    LEFT,
    NOOP,
    RIGHT,
    SIZE,
    UP,
    MinAtarGame,
    cell,
    counted_down,
    drawn,
    filled,
    integer,
)
from erlctl.environments.compiled.minatar.seaquest_slots import (
    DIVERS,
    ENEMIES,
    SEA_ROWS,
    board,
    cells,
    heading,
    pushed,
    removed_pairs,
    slot_specs,
)

MAX_OXYGEN = 200
MAX_DIVERS = 6
FIRST_SPAWN_SPEED = 20
FIRST_MOVE_INTERVAL = 5
DIVER_SPAWN_SPEED = 30
DIVER_MOVE_INTERVAL = 5
SHOT_COOL_DOWN = 5
ENEMY_SHOT_INTERVAL = 10


class Seaquest(MinAtarGame):
    """One point per enemy shot; up to 10 for surfacing with six divers, by the oxygen left.

    The game ends when an enemy or its bullet touches the player, the oxygen is gone, or the player
    surfaces without a diver. With ramping every surfacing makes enemies appear and, every other
    time, move faster. After surfacing with six divers the package counts -1 divers; so does this.
    Channels: player front, player back, friendly bullet, trail, enemy bullet, fish, submarine,
    oxygen gauge, diver gauge, diver.
    """

    minimal_actions = (NOOP, LEFT, UP, RIGHT, DOWN, FIRE)
    num_channels = 10
    step_draws = 6
    game_specs = specs(
        oxygen=INTEGER, diver_count=INTEGER, player_x=INTEGER, player_y=INTEGER,
        player_rightwards=FLAG, surfaced=FLAG, shot_timer=INTEGER,
        spawn_speed=INTEGER, spawn_timer=INTEGER, diver_spawn_timer=INTEGER,
        move_speed=INTEGER, ramp_index=INTEGER,
        leftward_bullets=BOARD, rightward_bullets=BOARD,
        **slot_specs(),
    )

    def start(self, draws: tf.Tensor) -> State:
        """Return the player at the surface of an empty sea."""
        count = tf.shape(draws)[0]
        return {
            **{name: tf.zeros((count, *spec.shape), spec.dtype)
               for name, spec in self.game_specs.items()},
            **filled(
                draws, oxygen=MAX_OXYGEN, player_x=5, surfaced=True,
                spawn_speed=FIRST_SPAWN_SPEED, spawn_timer=FIRST_SPAWN_SPEED,
                diver_spawn_timer=DIVER_SPAWN_SPEED, move_speed=FIRST_MOVE_INTERVAL,
            ),
        }

    def play(
        self, state: State, action: tf.Tensor, draws: tf.Tensor
    ) -> tuple[State, tf.Tensor, tf.Tensor]:
        """Spawn, act, move bullets, divers, enemies and their bullets; then breathe."""
        state = _spawned_diver(_spawned_enemy(state, draws[:, :3]), draws[:, 3:])
        state = _acted(state, action)
        state, points = _moved_friendly_bullets(state)
        state = _moved_divers(state)
        state, more_points, touched = _moved_enemies(state)
        state, shot = _moved_enemy_bullets(state)
        state, bonus, drowned = _breathed(state, self._ramping)
        for timer in ("spawn_timer", "diver_spawn_timer", "shot_timer"):
            state[timer] = counted_down(state[timer])
        return state, points + more_points + bonus, touched | shot | drowned

    def observe(self, state: State) -> tf.Tensor:
        """Return the ten channels in the package's order."""
        x, y, submarine = state["player_x"], state["player_y"], state["enemy_is_submarine"]
        column, bottom = tf.range(SIZE), tf.equal(tf.range(SIZE), SIZE - 1)[:, tf.newaxis]
        lit = tf.maximum(state["oxygen"], 0) * SIZE // MAX_OXYGEN
        air = column < lit[:, tf.newaxis]
        aboard = (column >= SIZE - 1 - state["diver_count"][:, tf.newaxis]) & (column < SIZE - 1)
        trail = board(state, "enemy", behind=True) | board(state, "diver", behind=True)
        return drawn([
            cell(y, x),
            cell(y, x - heading(state["player_rightwards"])),
            board(state, "friendly"),
            trail,
            state["leftward_bullets"] | state["rightward_bullets"],
            board(state, "enemy", where=~submarine),
            board(state, "enemy", where=submarine),
            air[:, tf.newaxis] & bottom,
            aboard[:, tf.newaxis] & bottom,
            board(state, "diver"),
        ])


def _spawned_enemy(state: State, draws: tf.Tensor) -> State:
    due = state["spawn_timer"] == 0
    rightwards, is_submarine = draws[:, 0] < 1 / 2, draws[:, 1] < 1 / 3
    y = 1 + integer(draws[:, 2], SEA_ROWS)
    # No two enemies of one row swim towards each other.
    opposed = (state["enemy_rightwards"] != rightwards[:, tf.newaxis]) & state["enemy_present"]
    blocked = tf.reduce_any(opposed & (state["enemy_y"] == y[:, tf.newaxis]), axis=1)
    state = {**state, "spawn_timer": tf.where(due, state["spawn_speed"], state["spawn_timer"])}
    return pushed(
        state, "enemy", due & ~blocked, x=tf.where(rightwards, 0, SIZE - 1), y=y,
        rightwards=rightwards, is_submarine=is_submarine, move_timer=state["move_speed"],
        shot_timer=tf.fill(tf.shape(y), ENEMY_SHOT_INTERVAL), present=tf.ones_like(due),
    )


def _spawned_diver(state: State, draws: tf.Tensor) -> State:
    due = state["diver_spawn_timer"] == 0
    rightwards = draws[:, 0] < 1 / 2
    y = 1 + integer(draws[:, 1], SEA_ROWS)
    timer = tf.where(due, DIVER_SPAWN_SPEED, state["diver_spawn_timer"])
    return pushed(
        {**state, "diver_spawn_timer": timer}, "diver", due, x=tf.where(rightwards, 0, SIZE - 1),
        y=y, rightwards=rightwards, timer=tf.fill(tf.shape(y), DIVER_MOVE_INTERVAL),
        present=tf.ones_like(due),
    )


def _acted(state: State, action: tf.Tensor) -> State:
    """Return the state after the player moved or fired."""
    x, y, rightwards = state["player_x"], state["player_y"], state["player_rightwards"]
    fires = (action == FIRE) & (state["shot_timer"] == 0)
    state = pushed(state, "friendly", fires, x=x, y=y, rightwards=rightwards,
                    present=tf.ones_like(fires))
    across = tf.cast(action == RIGHT, tf.int32) - tf.cast(action == LEFT, tf.int32)
    down = tf.cast(action == DOWN, tf.int32) - tf.cast(action == UP, tf.int32)
    return {
        **state,
        "player_x": tf.clip_by_value(x + across, 0, SIZE - 1),
        "player_y": tf.clip_by_value(y + down, 0, SEA_ROWS),
        "player_rightwards": (rightwards | (action == RIGHT)) & (action != LEFT),
        "shot_timer": tf.where(fires, SHOT_COOL_DOWN, state["shot_timer"]),
    }


def _moved_friendly_bullets(state: State) -> tuple[State, tf.Tensor]:
    """Return the state after the player's bullets moved, and the points.

    A bullet takes the oldest fish of its cell, else the oldest submarine.
    """
    x = state["friendly_x"] + heading(state["friendly_rightwards"])
    state = {**state, "friendly_x": x,
             "friendly_present": state["friendly_present"] & (x >= 0) & (x < SIZE)}
    order = tf.range(ENEMIES) + ENEMIES * tf.cast(state["enemy_is_submarine"], tf.int32)
    return removed_pairs(state, state["enemy_present"], -order)


def _moved_divers(state: State) -> State:
    """Return the state after the divers moved and came aboard, the newest first."""
    count = state["diver_count"]
    x, timer, present = ([state[f"diver_{name}"][:, slot] for slot in range(DIVERS)]
                         for name in ("x", "timer", "present"))
    for slot in reversed(range(DIVERS)):
        in_row = state["diver_y"][:, slot] == state["player_y"]
        boards = present[slot] & in_row & (x[slot] == state["player_x"]) & (count < MAX_DIVERS)
        moves = ~boards & (timer[slot] == 0)
        timer[slot] = tf.where(moves, DIVER_MOVE_INTERVAL, timer[slot] - 1)
        step = heading(state["diver_rightwards"][:, slot])
        x[slot] = tf.where(moves, x[slot] + step, x[slot])
        meets = moves & in_row & (x[slot] == state["player_x"]) & (count < MAX_DIVERS)
        boards |= present[slot] & meets
        present[slot] &= ~boards & (x[slot] >= 0) & (x[slot] < SIZE)
        count += tf.cast(boards, tf.int32)
    return {
        **state, "diver_count": count, "diver_x": tf.stack(x, 1), "diver_timer": tf.stack(timer, 1),
        "diver_present": tf.stack(present, 1),
    }


def _moved_enemies(state: State) -> tuple[State, tf.Tensor, tf.Tensor]:
    """Return the state after the enemies moved and shot, the points, and who touched the player.

    A friendly bullet that an enemy swims into takes the newest submarine, else the newest fish;
    a submarine that leaves or is hit in this step still shoots.
    """
    present, submarine = state["enemy_present"], state["enemy_is_submarine"]
    touched = present & _at_player(state)
    moves = present & (state["enemy_move_timer"] == 0)
    shoots = present & submarine & (state["enemy_shot_timer"] == 0)
    x = tf.where(moves, state["enemy_x"] + heading(state["enemy_rightwards"]), state["enemy_x"])
    move_timer = tf.where(moves, state["move_speed"][:, tf.newaxis], state["enemy_move_timer"] - 1)
    state = {
        **state, "enemy_x": x, "enemy_move_timer": move_timer,
        "enemy_shot_timer": tf.where(shoots, ENEMY_SHOT_INTERVAL, state["enemy_shot_timer"] - 1),
        "enemy_present": present & (x >= 0) & (x < SIZE),
    }
    for name, side in (("rightward_bullets", state["enemy_rightwards"]),
                       ("leftward_bullets", ~state["enemy_rightwards"])):
        state[name] |= cells(state["enemy_y"], x, shoots & side)
    meets = moves & _at_player(state)
    order = tf.range(ENEMIES) + ENEMIES * tf.cast(submarine, tf.int32)
    state, points = removed_pairs(state, state["enemy_present"] & moves & ~meets, order)
    return state, points, tf.reduce_any(touched | meets, axis=1)


def _moved_enemy_bullets(state: State) -> tuple[State, tf.Tensor]:
    """Return the state after the enemies' bullets moved, and whether one met the player."""
    left, right = state["leftward_bullets"], state["rightward_bullets"]
    gap = tf.zeros_like(left[..., :1])
    moved_left = tf.concat([left[..., 1:], gap], axis=-1)
    moved_right = tf.concat([gap, right[..., :-1]], axis=-1)
    player = cell(state["player_y"], state["player_x"])
    hit = tf.reduce_any((left | right | moved_left | moved_right) & player, axis=[1, 2])
    return {**state, "leftward_bullets": moved_left, "rightward_bullets": moved_right}, hit


def _breathed(state: State, ramping: bool) -> tuple[State, tf.Tensor, tf.Tensor]:
    """Return the state after oxygen and surfacing, the bonus, and whether the player is lost."""
    oxygen, count = state["oxygen"], state["diver_count"]
    submerged = state["player_y"] > 0
    arrives = ~submerged & ~state["surfaced"]
    surfaces = arrives & (count != 0)
    rescues = surfaces & (count == MAX_DIVERS)
    bonus = tf.where(rescues, oxygen * 10 // MAX_OXYGEN, 0)
    spawn_speed, move_speed = state["spawn_speed"], state["move_speed"]
    ramps = surfaces & ((spawn_speed > 1) | (move_speed > 2)) & ramping
    moves_faster = ramps & (move_speed > 2) & (state["ramp_index"] % 2 == 1)
    after = {
        **state, "surfaced": ~submerged & (state["surfaced"] | surfaces),
        "oxygen": tf.where(surfaces, MAX_OXYGEN, oxygen - tf.cast(submerged, tf.int32)),
        "diver_count": tf.where(rescues, 0, count) - tf.cast(surfaces, tf.int32),
        "move_speed": move_speed - tf.cast(moves_faster, tf.int32),
        "spawn_speed": spawn_speed - tf.cast(ramps & (spawn_speed > 1), tf.int32),
        "ramp_index": state["ramp_index"] + tf.cast(ramps, tf.int32),
    }
    return after, bonus, (oxygen <= 0) | (arrives & (count == 0))


def _at_player(state: State) -> tf.Tensor:
    return ((state["enemy_x"] == state["player_x"][:, tf.newaxis])
            & (state["enemy_y"] == state["player_y"][:, tf.newaxis]))
