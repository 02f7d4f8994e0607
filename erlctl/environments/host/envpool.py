"""EnvPool: many environments stepped by threads of C++; Atari as in Dopamine by default."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from erlctl.environments.host import drawing, packages
from erlctl.environments.host.base import HostStep, VectorEnvironment
from erlctl.environments.host.spaces import action_space, observation_space
from erlctl.environments.host.watchdog import Hung, time_limit
from erlctl.errors import EnvironmentFault
from erlctl.spec.schema import EnvironmentSection

# Castro et al. 2018 (arXiv:1812.06110): sticky actions, no random no-ops, no fire on reset, whole
# games instead of lives. An agent step is four frames, an episode at most 27,000 agent steps.
DOPAMINE: Mapping[str, Any] = MappingProxyType({
    "repeat_action_probability": 0.25, "noop_max": 1, "use_fire_reset": False,
    "episodic_life": False, "frame_skip": 4, "max_episode_steps": 27_000,
})
# A run has one core (`erlctl train --jobs`).
_DEFAULTS: Mapping[str, Any] = MappingProxyType({"num_threads": 1})
_NO_LIMIT = 2**31 - 1  # how EnvPool says it
_ATARI_STACK = 4
_ATARI_CLIP = 1.0


class EnvPoolVector(VectorEnvironment):
    """N environments of EnvPool.

    Its threads take the place of subprocesses. Frames of Atari are stacked and rewards clipped by
    erlctl, so that each frame is stored once and evaluations report raw rewards; the keyword
    arguments `stack_num` and `reward_clip` set the same as EnvPool's own.

    Args:
        section: Id, keyword arguments and wrappers.
        num_envs: N.
        draws: Whether `render` will be asked for.

    Raises:
        UnknownNameError: EnvPool has no such environment.
        EnvironmentFault: It cannot be made, or not be drawn here.
    """

    def __init__(
        self, section: EnvironmentSection, num_envs: int, *, draws: bool = False
    ) -> None:
        envpool = packages.load("envpool")
        self.environment, self.num_envs = section.id, num_envs
        self._options = {**_DEFAULTS, **section.kwargs}
        if not packages.has("envpool", section.id):
            raise packages.unknown("envpool", section.id)
        self._is_atari = "repeat_action_probability" in envpool.make_spec(section.id).config._fields
        if self._is_atari:
            self._take_over_atari()
        if section.wrappers.time_limit is not None:
            self._options["max_episode_steps"] = section.wrappers.time_limit
        self._draws = draws
        if draws:
            drawing.require(section.id, self._options)
            self._options.update(drawing.MODE)
        self._pool, space, actions = self._make(np.arange(num_envs))
        limit = getattr(self._pool.spec.config, "max_episode_steps", _NO_LIMIT)
        self.time_limit = None if limit == _NO_LIMIT else limit
        self.observation = observation_space(space, section.id)
        self._is_array = hasattr(space, "high")
        self._is_planar = self._is_atari and len(self.observation.shape) == 3
        if self._is_planar:
            planes, height, width = self.observation.shape
            self.observation = dataclasses.replace(
                self.observation, shape=(height, width, planes)
            )
        self.action = action_space(actions, section.id)
        self._first_action, self._action_dtype = getattr(actions, "start", 0), actions.dtype
        self._elapsed = np.zeros(num_envs, np.int64)
        self._timeout = section.step_timeout

    def _take_over_atari(self) -> None:
        self.frame_stack = int(self._options.pop("stack_num", _ATARI_STACK))
        clips = self._options.pop("reward_clip", True)
        self.reward_clip = _ATARI_CLIP if clips else None
        self._options = {**DOPAMINE, **self._options, "stack_num": 1, "reward_clip": False}

    def _make(self, seeds: np.ndarray) -> tuple[Any, Any, Any]:
        try:
            with warnings.catch_warnings():  # Gymnasium's, about float64 bounds of float32 boxes
                warnings.simplefilter("ignore")
                pool = packages.load("envpool").make(
                    self.environment, env_type="gymnasium", num_envs=self.num_envs,
                    env_seed=[int(seed) for seed in seeds], **self._options,
                )
                return pool, pool.observation_space, pool.action_space
        except (Exception, SystemExit) as error:  # whatever a constructor does wrong
            problem = f"cannot be made: {type(error).__name__}: {error}"
            fix = "compare environment.kwargs with EnvPool's documentation"
            raise EnvironmentFault(self.environment, problem, fix=fix) from error

    def reset(self, seeds: np.ndarray) -> np.ndarray:
        """Begin new episodes everywhere; EnvPool takes seeds only when it is made."""
        self._pool.close()
        self._pool, _, _ = self._make(seeds)
        self._elapsed[:] = 0
        try:
            with time_limit(self._timeout):
                return self._rows(self._pool.reset()[0])
        except Hung as error:
            raise self._hung("reset") from error

    def step(self, actions: np.ndarray) -> HostStep:
        """Step every environment; those whose episode ends begin the next one at once."""
        self._elapsed += 1
        try:
            with time_limit(self._timeout, self._elapsed, actions):
                observation, reward, terminated, truncated, _ = self._pool.step(
                    (actions + self._first_action).astype(self._action_dtype)
                )
                final = now = self._rows(observation)
                ended = terminated | truncated
                if ended.any():
                    now = final.copy()
                    first, info = self._pool.reset(ended.nonzero()[0])
                    now[info["env_id"]] = self._rows(first)
        except Hung as error:
            raise self._hung("step", **self._where(actions)) from error
        except (Exception, SystemExit) as error:  # whatever an environment does wrong
            problem = f"raised {type(error).__name__} in step: {error}"
            raise EnvironmentFault(self.environment, problem, **self._where(actions)) from error
        step = HostStep(
            now, reward.astype(np.float64), terminated, truncated & ~terminated, final
        )
        self.check_finite(step, actions, self._elapsed)
        self._elapsed[ended] = 0
        return step

    def _where(self, actions: np.ndarray) -> dict[str, Any]:
        return {"step": self._elapsed.tolist(), "action": actions.tolist()}

    def _hung(self, what: str, **where: Any) -> EnvironmentFault:
        problem = f"has not come back from {what} after {self._timeout:g} s"
        return EnvironmentFault(self.environment, problem, **where)

    def _rows(self, observation: Any) -> np.ndarray:  # an array, or a dictionary of arrays
        if not self._is_array:
            rows = zip(*observation.values(), strict=True) if isinstance(observation, dict) else (
                observation
            )
            keys = list(observation) if isinstance(observation, dict) else []
            return np.stack([
                self.observation.convert(dict(zip(keys, row, strict=True)) if keys else row)
                for row in rows
            ])
        if self._is_planar:
            observation = np.moveaxis(observation, 1, -1)
        with np.errstate(over="ignore"):
            return observation.astype(self.observation.dtype, copy=False)

    def render(self) -> np.ndarray | None:
        """Return a picture of the first environment."""
        return self._pool.render()[0] if self._draws else None

    def close(self) -> None:
        """End everything."""
        self._pool.close()
