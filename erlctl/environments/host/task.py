"""Wrappers that change the task: they apply to training and to evaluation alike."""

from __future__ import annotations

from typing import Any

import numpy as np

from erlctl.environments.host.base import HostStep, VectorEnvironment
from erlctl.environments.host.single import Single, Step


class Repeated:
    """A single environment in which each action is kept for several steps; rewards add up.

    Args:
        single: The environment.
        count: Steps of one action; fewer where the episode ends.
    """

    def __init__(self, single: Single, count: int) -> None:
        self._single, self._count = single, count
        self.observation, self.action = single.observation, single.action
        limit = single.time_limit
        self.time_limit = None if limit is None else -(-limit // count)
        self.reset, self.render, self.close = single.reset, single.render, single.close

    def step(self, action: Any) -> Step:
        """Take up to `count` steps."""
        step = self._single.step(action)
        total = step.reward
        for _ in range(self._count - 1):
            if step.terminated or step.truncated:
                break
            step = self._single.step(action)
            total = total + step.reward
        return step._replace(reward=total)


class Limited:
    """A single environment whose episodes are cut off after some steps.

    Args:
        single: The environment.
        limit: Steps of an episode at most.
    """

    def __init__(self, single: Single, limit: int) -> None:
        self._single = single
        self._elapsed = 0
        self.observation, self.action = single.observation, single.action
        self.time_limit: int | None = limit
        self.render, self.close = single.render, single.close

    def reset(self, seed: int | None) -> Any:
        """Begin an episode."""
        self._elapsed = 0
        return self._single.reset(seed)

    def step(self, action: Any) -> Step:
        """Take one step; the last one is a truncation unless it is a true end."""
        self._elapsed += 1
        step = self._single.step(action)
        is_over = self.time_limit is not None and self._elapsed >= self.time_limit
        return step._replace(truncated=step.truncated or (is_over and not step.terminated))


class StickyVector(VectorEnvironment):
    """A vector in which the last action is taken again with some probability.

    Machado et al. 2018 (arXiv:1709.06009). The first action of an episode is always the chosen one.

    Args:
        vector: The environments.
        probability: Chance of each step, in [0, 1).
    """

    def __init__(self, vector: VectorEnvironment, probability: float) -> None:
        self._vector, self._probability = vector, probability
        self.environment, self.num_envs = vector.environment, vector.num_envs
        self.observation, self.action = vector.observation, vector.action
        self.time_limit = vector.time_limit
        self.frame_stack, self.reward_clip = vector.frame_stack, vector.reward_clip
        self._last: np.ndarray | None = None
        self._is_first = np.ones(vector.num_envs, bool)
        self._draws = np.random.default_rng()

    def reset(self, seeds: np.ndarray) -> np.ndarray:
        """Begin new episodes everywhere; the coin is seeded too."""
        self._draws = np.random.default_rng(np.random.SeedSequence(seeds.tolist()))
        self._is_first[:] = True
        return self._vector.reset(seeds)

    def step(self, actions: np.ndarray) -> HostStep:
        """Step every environment with the chosen or the last action."""
        keeps = (self._draws.random(self.num_envs) < self._probability) & ~self._is_first
        if self._last is not None:
            keeps = keeps.reshape(-1, *[1] * (actions.ndim - 1))
            actions = np.where(keeps, self._last, actions)
        self._last = actions.copy()
        step = self._vector.step(actions)
        self._is_first = step.terminated | step.truncated
        return step

    def render(self) -> np.ndarray | None:
        """Return a picture of the first environment."""
        return self._vector.render()

    def close(self) -> None:
        """End everything."""
        self._vector.close()
