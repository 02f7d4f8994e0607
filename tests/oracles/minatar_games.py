"""Trajectories of the MinAtar package with every random number that it drew.

`record` plays the package's own games and returns what an independent implementation needs to
follow them exactly: actions, the draws as uniform numbers, and after every step the whole state of
the game in plain arrays. Must not import erlctl.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from minatar import Environment

CAPACITY = {"friendly": 2, "diver": 2, "fish": 30, "submarine": 30}


class RecordingRandom:
    """A `RandomState` that writes down each number as one that is uniform in [0, 1)."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.RandomState(seed)
        self.log: list[float] = []

    def rand(self, *shape: int) -> Any:
        value = self._random.rand(*shape)
        self.log.extend(np.ravel(value))
        return value

    def randint(self, low: int, high: int | None = None, size: int | None = None) -> Any:
        if high is None:
            low, high = 0, low
        value = self._random.randint(low, high, size)
        # The middle of the interval that maps to this integer.
        self.log.extend((np.ravel(value) - low + 0.5) / (high - low))
        return value

    def taken(self) -> list[float]:
        log, self.log = self.log, []
        return log


@dataclasses.dataclass
class Recording:
    """Arrays [T, N, ...] of T steps of N games; `first_*` are [N, ...]."""

    first_draws: np.ndarray
    actions: np.ndarray
    draws: np.ndarray
    reset_draws: np.ndarray
    rewards: np.ndarray
    terminals: np.ndarray
    ended: np.ndarray
    observations: np.ndarray
    states: dict[str, np.ndarray]


def _asterix(game: Any) -> dict[str, Any]:
    entities = [e if e is not None else [0, 0, False, False] for e in game.entities]
    return {
        "player_x": game.player_x, "player_y": game.player_y,
        "spawn_speed": game.spawn_speed, "spawn_timer": game.spawn_timer,
        "move_speed": game.move_speed, "move_timer": game.move_timer,
        "ramp_timer": game.ramp_timer, "ramp_index": game.ramp_index,
        "present": [e is not None for e in game.entities],
        "x": [e[0] for e in entities], "rightwards": [e[2] for e in entities],
        "gold": [e[3] for e in entities],
    }


def _breakout(game: Any) -> dict[str, Any]:
    assert not game.brick_map[[0, *range(4, 10)]].any()
    return {
        "ball_x": game.ball_x, "ball_y": game.ball_y, "last_x": game.last_x,
        "last_y": game.last_y, "direction": game.ball_dir, "paddle_x": game.pos,
        "strike": game.strike, "bricks": game.brick_map[1:4] > 0,
    }


def _freeway(game: Any) -> dict[str, Any]:
    assert [car[1] for car in game.cars] == list(range(1, 9))
    return {
        "chicken_y": game.pos, "move_timer": game.move_timer,
        "terminate_timer": game.terminate_timer, "x": [car[0] for car in game.cars],
        "timer": [car[2] for car in game.cars], "speed": [car[3] for car in game.cars],
    }


def _space_invaders(game: Any) -> dict[str, Any]:
    return {
        "cannon_x": game.pos, "alien_direction": game.alien_dir,
        "move_interval": game.enemy_move_interval, "alien_move_timer": game.alien_move_timer,
        "alien_shot_timer": game.alien_shot_timer, "shot_timer": game.shot_timer,
        "ramp_index": game.ramp_index, "aliens": game.alien_map > 0,
        "friendly_bullets": game.f_bullet_map > 0, "enemy_bullets": game.e_bullet_map > 0,
    }


def _seaquest(game: Any) -> dict[str, Any]:
    state: dict[str, Any] = {
        "oxygen": game.oxygen, "diver_count": game.diver_count, "player_x": game.sub_x,
        "player_y": game.sub_y, "player_rightwards": game.sub_or, "surfaced": game.surface,
        "shot_timer": game.shot_timer, "spawn_speed": game.e_spawn_speed,
        "spawn_timer": game.e_spawn_timer, "diver_spawn_timer": game.d_spawn_timer,
        "move_speed": game.move_speed, "ramp_index": game.ramp_index,
    }
    for name, rightwards in (("leftward_bullets", False), ("rightward_bullets", True)):
        board = np.zeros((8, 10), bool)
        for x, y, direction in game.e_bullets:
            board[y - 1, x] |= direction == rightwards
        state[name] = board
    lists = {"friendly": game.f_bullets, "diver": game.divers, "fish": game.e_fish,
             "submarine": game.e_subs}
    for kind, entries in lists.items():
        # Right-aligned rows of numbers (x, y, direction, timers); -1 where there is no entry.
        rows = np.full((CAPACITY[kind], 5), -1)
        for row, entry in zip(rows[len(rows) - len(entries):], entries, strict=True):
            row[:len(entry)] = entry
        state[kind] = rows
    return state


def _in_order(game: Any, log: list[float]) -> list[float]:
    del game
    return log


def _seaquest_draws(game: Any, log: list[float]) -> list[float]:
    """Three numbers belong to an enemy and two to a diver; each is drawn only when it is due."""
    enemy = log[:3] if game.e_spawn_timer == 0 else [0.0, 0.0, 0.0]
    diver = log[len(log) - 2:] if game.d_spawn_timer == 0 else [0.0, 0.0]
    return enemy + diver


def _anything(game: Any, rng: np.random.Generator) -> int:
    del game
    return int(rng.integers(6))


def _follows_the_ball(game: Any, rng: np.random.Generator) -> int:
    """Keep the rally going most of the time, so that walls are cleared."""
    target = game.ball_x + [-1, 1, 1, -1][game.ball_dir]
    if rng.random() < 0.02:
        return int(rng.integers(6))
    return 1 if target < game.pos else 3 if target > game.pos else 0


def _mostly_up(game: Any, rng: np.random.Generator) -> int:
    del game
    return 2 if rng.random() < 0.8 else int(rng.integers(6))


def _dives_and_surfaces(game: Any, rng: np.random.Generator) -> int:
    """Collect divers; come up with six, or for air, or now and then with fewer; shoot a lot."""
    if rng.random() < 0.4:
        return int(rng.choice([1, 3, 5, 5]))
    collected = game.diver_count == 6 or game.diver_count < 0
    if collected or game.oxygen < 30 or (game.diver_count and rng.random() < 0.05):
        return 4 if game.surface else 2
    if not game.divers:
        return int(rng.integers(6))
    x, y = min(game.divers, key=lambda d: abs(d[0] - game.sub_x) + abs(d[1] - game.sub_y))[:2]
    if y != game.sub_y:
        return 4 if y > game.sub_y else 2
    return 3 if x > game.sub_x else 1


@dataclasses.dataclass(frozen=True)
class Game:
    """How to read one game.

    Attributes:
        snapshot: Game -> whole state.
        draws: Numbers drawn by one step without the sticky one, and by one reset.
        in_slots: Puts a step's numbers, as logged, where they belong; called with the game as it
            was before the step.
        policy: Plays well enough to see the rarer parts of the game.
    """

    snapshot: Callable[[Any], dict[str, Any]]
    draws: tuple[int, int]
    policy: Callable[[Any, np.random.Generator], int]
    in_slots: Callable[[Any, list[float]], list[float]] = _in_order


GAMES = {
    "asterix": Game(_asterix, (3, 0), _anything),
    "breakout": Game(_breakout, (0, 1), _follows_the_ball),
    "freeway": Game(_freeway, (16, 16), _mostly_up),
    "seaquest": Game(_seaquest, (5, 0), _dives_and_surfaces, _seaquest_draws),
    "space_invaders": Game(_space_invaders, (0, 0), _anything),
}


class _Timers:
    """The spawn timers of Seaquest before a step, which decide what the step draws."""

    def __init__(self, game: Any) -> None:
        self.e_spawn_timer = getattr(game, "e_spawn_timer", None)
        self.d_spawn_timer = getattr(game, "d_spawn_timer", None)


def record(
    name: str, *, num_steps: int, num_games: int, seed: int, skilled: bool = False,
    immortal: bool = False, time_limit: int | None = None, ramping: bool = True,
) -> Recording:
    """Play `num_games` games for `num_steps` steps each.

    Args:
        name: The package's name of the game.
        num_steps: T.
        num_games: N.
        seed: Seeds games and actions.
        skilled: Play the game's own policy instead of uniformly random actions.
        immortal: Go on after a terminal step as if nothing had happened (never resets).
        time_limit: Steps after which a game is reset.
        ramping: The package's difficulty ramping.
    """
    played = [
        _play(name, num_steps, seed + index, skilled, immortal, time_limit, ramping)
        for index in range(num_games)
    ]
    joined = {}
    for field in dataclasses.fields(Recording):
        values = [getattr(recording, field.name) for recording in played]
        if field.name == "states":
            joined["states"] = {
                key: np.stack([value[key] for value in values], axis=1) for key in values[0]
            }
        else:
            joined[field.name] = np.stack(values, axis=0 if field.name == "first_draws" else 1)
    return Recording(**joined)


def _play(
    name: str, num_steps: int, seed: int, skilled: bool, immortal: bool,
    time_limit: int | None, ramping: bool,
) -> Recording:
    table = GAMES[name]
    rng = np.random.default_rng(seed)
    environment = Environment(name, difficulty_ramping=ramping)
    environment.random = environment.env.random = random = RecordingRandom(seed)
    environment.reset()
    game, first = environment.env, random.taken()
    columns: dict[str, list[Any]] = {
        key: [] for key in ("actions", "draws", "reset_draws", "rewards", "terminals", "ended",
                            "observations")
    }
    states, elapsed = [], 0
    for _ in range(num_steps):
        action = table.policy(game, rng) if skilled else int(rng.integers(6))
        timers = _Timers(game)
        reward, terminal = environment.act(action)
        elapsed += 1
        sticky, *log = random.taken()
        log = table.in_slots(timers, log)
        ended = (terminal or elapsed == time_limit) and not immortal
        states.append({**table.snapshot(game), "last_action": environment.last_action})
        row = {"actions": action, "rewards": reward, "terminals": terminal, "ended": ended,
               "draws": [sticky, *log, *[0.0] * (table.draws[0] - len(log))],
               "observations": environment.state()}
        game.terminal = False
        if ended:
            environment.reset()
            elapsed = 0
        reset = random.taken()
        row["reset_draws"] = reset + [0.0] * (table.draws[1] - len(reset))
        for key, value in row.items():
            columns[key].append(value)
    return Recording(
        first_draws=np.array(first), **{key: np.array(value) for key, value in columns.items()},
        states={key: np.array([state[key] for state in states]) for key in states[0]},
    )
