"""Trajectories of gym 0.23's classic control, re-synchronised or free. Must not import erlctl."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from typing import Any

import gym
import numpy as np


@dataclasses.dataclass
class Steps:
    """Rows [T, ...] of single steps, in gym's float64.

    Attributes:
        state: Before the step, rounded to float32.
        action: What was done.
        elapsed: Steps of the episode before this one.
        next_state: After the step from exactly `state`.
        observation: After the step.
        reward: Of the step.
        terminal: The task's own end.
        last: Terminal or cut off by the time limit.
        first: Whether the step is the first of its episode.
    """

    state: np.ndarray
    action: np.ndarray
    elapsed: np.ndarray
    next_state: np.ndarray
    observation: np.ndarray
    reward: np.ndarray
    terminal: np.ndarray
    last: np.ndarray
    first: np.ndarray


def _swing(state: Any, rng: np.random.Generator) -> int:
    """Push the way it already moves, which pumps energy into a car or an arm."""
    velocity = state[-1]  # of the car, or of the joint that the motor turns
    return int(rng.integers(3)) if rng.random() < 0.3 else 2 if velocity > 0 else 0


def _coin(state: Any, rng: np.random.Generator) -> int:
    return int(rng.integers(2))


def _torque(state: Any, rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(-3.0, 3.0, size=1).astype(np.float32)  # beyond the limits: they are clipped


def _three(state: Any, rng: np.random.Generator) -> int:
    return int(rng.integers(3))


# Actions of the even and of the odd episodes: one reaches the goal, the other the time limit.
POLICIES: dict[str, tuple[Callable[[Any, np.random.Generator], Any], ...]] = {
    "CartPole-v0": (_coin, _coin), "CartPole-v1": (_coin, _coin),
    "MountainCar-v0": (_swing, _three), "Acrobot-v1": (_swing, _three),
    "Pendulum-v1": (_torque, _torque),
}


def make(environment_id: str) -> Any:
    """Return gym's environment with its time limit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # CartPole-v0 is said to be out of date
        return gym.make(environment_id)


def record(environment_id: str, *, num_steps: int, seed: int, resynchronise: bool = True) -> Steps:
    """Play `num_steps` steps through as many episodes as they fill.

    Args:
        environment_id: A key of `POLICIES`.
        num_steps: T.
        seed: Of environment and actions.
        resynchronise: Round the state to float32 before each step; False: only at the start of an
            episode, so that the rows of an episode are gym's own trajectory.
    """
    environment, rng = make(environment_id), np.random.default_rng(seed)
    environment.reset(seed=seed)
    rows: dict[str, list[Any]] = {field.name: [] for field in dataclasses.fields(Steps)}
    elapsed = episode = 0
    for _ in range(num_steps):
        inner = environment.unwrapped
        if resynchronise or elapsed == 0:
            inner.state = np.asarray(inner.state, np.float32).astype(np.float64)
        state = np.array(inner.state)
        action = POLICIES[environment_id][episode % 2](state, rng)
        observation, reward, done, info = environment.step(action)
        row = {
            "state": state, "action": action, "elapsed": elapsed,
            "next_state": np.array(inner.state), "observation": observation, "reward": reward,
            "terminal": done and not info.get("TimeLimit.truncated", False), "last": done,
            "first": elapsed == 0,
        }
        for name, value in row.items():
            rows[name].append(value)
        elapsed += 1
        if done:
            environment.reset()
            elapsed, episode = 0, episode + 1
    return Steps(**{name: np.array(values) for name, values in rows.items()})


def initial_states(environment_id: str, *, num_resets: int, seed: int) -> tuple[Any, Any]:
    """Return (uniform numbers in [0, 1) that gym drew, the states that it made of them)."""
    environment = make(environment_id)
    draws, states = [], []
    for index in range(num_resets):
        environment.reset(seed=seed + index)
        states.append(np.array(environment.unwrapped.state))
        count = 1 if environment_id == "MountainCar-v0" else len(states[-1])
        draws.append(gym.utils.seeding.np_random(seed + index)[0].random(count))
    return np.array(draws), np.array(states)


def terminal_margin(environment_id: str, state: np.ndarray) -> np.ndarray:
    """Return how far each state [T, ...] is from the nearest terminal threshold."""
    if environment_id.startswith("CartPole"):
        x, theta = np.abs(state[:, 0]), np.abs(state[:, 2])
        return np.minimum(np.abs(x - 2.4), np.abs(theta - 12 * 2 * np.pi / 360))
    if environment_id == "MountainCar-v0":
        return np.abs(state[:, 0] - 0.5)
    if environment_id == "Acrobot-v1":
        return np.abs(-np.cos(state[:, 0]) - np.cos(state[:, 0] + state[:, 1]) - 1.0)
    return np.full(len(state), np.inf)
