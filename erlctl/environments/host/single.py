"""One environment of any of four libraries behind one small interface.

Gym (four results of `step`), Gymnasium (five), dm_env and TF-Agents' PyEnvironment (time steps) are
recognised by what they have, so that a home-made class of any of these kinds will do.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

import numpy as np

from erlctl.environments.host.spaces import (
    ActionSpace,
    ObservationSpace,
    action_space,
    observation_space,
)
from erlctl.errors import ErlctlError

_LAST = 2  # StepType.LAST of dm_env and of TF-Agents


class Step(NamedTuple):
    """One step of one environment, before any restart."""

    observation: Any
    reward: float
    terminated: bool
    truncated: bool


class Single(Protocol):
    """One environment; observations are unconverted, actions are the environment's own."""

    observation: ObservationSpace
    action: ActionSpace
    time_limit: int | None

    def reset(self, seed: int | None) -> Any:
        """Begin an episode, reseeded where `seed` is not None; return the first observation."""

    def step(self, action: Any) -> Step:
        """Take one step."""

    def render(self) -> np.ndarray | None:
        """Return a picture, uint8 [H, W, 3], or None."""

    def close(self) -> None:
        """End it."""


class GymLike:
    """An environment of Gym's or Gymnasium's interface.

    Args:
        env: The environment.
        environment: Id, for messages.
    """

    def __init__(self, env: Any, environment: str) -> None:
        self._env = env
        self.observation = observation_space(env.observation_space, environment)
        self.action = action_space(env.action_space, environment)
        spec = getattr(env, "spec", None)
        self.time_limit: int | None = getattr(spec, "max_episode_steps", None)
        self._takes_seed = accepts(getattr(env, "unwrapped", env).reset, "seed")

    def reset(self, seed: int | None) -> Any:
        """Begin an episode; before Gym 0.22 environments had a method for the seed."""
        if seed is None:
            result = self._env.reset()
        elif self._takes_seed:
            result = self._env.reset(seed=seed)
        else:
            if hasattr(self._env, "seed"):
                self._env.seed(seed)
            result = self._env.reset()
        has_info = isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict)
        return result[0] if has_info else result

    def step(self, action: Any) -> Step:
        """Take one step of either interface; a truncation is never a termination."""
        result = self._env.step(action)
        if len(result) == 5:
            observation, reward, terminated, truncated, _ = result
            return Step(observation, reward, bool(terminated), bool(truncated))
        observation, reward, done, info = result
        truncated = bool(done) and bool(info.get("TimeLimit.truncated", False))
        return Step(observation, reward, bool(done) and not truncated, truncated)

    def render(self) -> np.ndarray | None:
        """Return a picture: Gym wants the mode here, Gymnasium wanted it when it was made."""
        if accepts(getattr(self._env, "unwrapped", self._env).render, "mode"):
            picture = self._env.render(mode="rgb_array")
        elif getattr(self._env, "render_mode", None) == "rgb_array":
            picture = self._env.render()
        else:
            return None
        return picture if isinstance(picture, np.ndarray) else None

    def close(self) -> None:
        """End it."""
        self._env.close()


class TimeStepLike:
    """An environment of dm_env's or TF-Agents' interface.

    Args:
        env: The environment.
        environment: Id, for messages.
        remake: Makes it again with a seed; for environments that cannot be seeded otherwise.
    """

    time_limit: int | None = None

    def __init__(
        self, env: Any, environment: str, remake: Callable[[int], Any] | None = None
    ) -> None:
        if getattr(env, "batched", False):
            raise ErlctlError(
                f"environment {environment} is batched; erlctl itself puts them side by side",
                fix="name a factory of a single environment and set environment.num_envs",
            )
        self._env, self._remake = env, remake
        self.observation = observation_space(env.observation_spec(), environment)
        self.action = action_space(env.action_spec(), environment)

    def reset(self, seed: int | None) -> Any:
        """Begin an episode; dm_env has no seeding, so that the factory takes the seed."""
        if seed is not None:
            self._seed(seed)
        return self._env.reset().observation

    def _seed(self, seed: int) -> None:
        if hasattr(self._env, "seed"):
            with suppress(NotImplementedError):  # TF-Agents' answer of those that cannot
                self._env.seed(seed)
                return
        if self._remake is not None:
            self.close()
            self._env = self._remake(seed)

    def step(self, action: Any) -> Step:
        """Take one step; an end with a discount above 0 is a truncation."""
        after = self._env.step(action)
        is_last = int(after.step_type) == _LAST
        is_terminal = is_last and float(after.discount) == 0.0
        reward = 0.0 if after.reward is None else after.reward
        return Step(after.observation, reward, is_terminal, is_last and not is_terminal)

    def render(self) -> np.ndarray | None:
        """Return a picture where the environment has a `render` that gives one."""
        picture = self._env.render() if hasattr(self._env, "render") else None
        return picture if isinstance(picture, np.ndarray) else None

    def close(self) -> None:
        """End it."""
        if hasattr(self._env, "close"):
            self._env.close()


def adapt(
    env: Any, environment: str, remake: Callable[[int], Any] | None = None
) -> Single:
    """Return an environment of any known kind behind the one interface.

    Args:
        env: The environment.
        environment: Id, for messages.
        remake: Makes it again with a seed, where its factory takes one.

    Raises:
        ErlctlError: It is of no known kind, or one of its spaces cannot be used.
    """
    if hasattr(env, "observation_space") and hasattr(env, "action_space"):
        return GymLike(env, environment)
    if callable(getattr(env, "observation_spec", None)) and callable(
        getattr(env, "action_spec", None)
    ):
        return TimeStepLike(env, environment, remake)
    raise ErlctlError(
        f"environment {environment} is a {type(env).__qualname__} without observation_space and "
        "action_space (Gym, Gymnasium) or observation_spec() and action_spec() (dm_env, TF-Agents)",
        fix="give it one of these interfaces",
    )


def accepts(function: Any, name: str) -> bool:
    """Return whether a function has a parameter of this name."""
    try:
        return name in inspect.signature(function).parameters
    except (TypeError, ValueError):  # written in C
        return False
