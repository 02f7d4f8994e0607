"""Evaluation on host environments: instances, seeds and random numbers of its own."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from erlctl.agents.policies import Clock
from erlctl.environments.host.base import VectorEnvironment
from erlctl.environments.host.make import make_vector
from erlctl.errors import EnvironmentFault, ErlctlError
from erlctl.spec.schema import RunSpec
from erlctl.training.evaluator import Evaluator, Film, PolicyName
from erlctl.training.host_batch import Border
from erlctl.training.host_call import HostCall
from erlctl.training.host_signals import FrameWindows, Signals

# Episodes side by side at most; each environment plays its share, so short ones are not preferred.
_MAX_ENVIRONMENTS = 32
# Steps of an evaluation episode where the environment has no limit of its own.
MAX_EPISODE_STEPS = 100_000


class HostEvaluator(Evaluator):
    """Plays episodes of an agent's policies on host environments.

    Args:
        run: Resolved spec.
        agent: Agent whose policies act.
        step: Counter of environment steps, read by schedules and by the random streams.
        border: How observations become tensors.
        signals: Stacking and normalisation, which evaluation reads but does not change.
        xla: Whether to compile with XLA.
    """

    def __init__(
        self, run: RunSpec, agent: Any, step: tf.Variable, *, border: Border, signals: Signals,
        xla: bool,
    ) -> None:
        super().__init__(run, agent, step, xla=xla)
        self._border, self._signals = border, signals
        self._vectors: dict[int, VectorEnvironment] = {}
        self._actors: dict[tuple[int, str], HostCall] = {}

    def evaluate(
        self, num_episodes: int, *, seed: int | None, policy: PolicyName
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (returns float64 [E], lengths int64 [E]); the environment's own rewards."""
        count = min(num_episodes, _MAX_ENVIRONMENTS)
        if count not in self._vectors:
            self._vectors[count] = make_vector(self._run.environment, count)
        self._reseed(seed)
        game = _Game(self, self._vectors[count], policy)
        quota = np.full(count, num_episodes // count) + (np.arange(count) < num_episodes % count)
        episodes: list[list[tuple[float, int]]] = [[] for _ in range(count)]
        while (quota > 0).any():
            for index in game.step().nonzero()[0]:
                if quota[index]:
                    quota[index] -= 1
                    episodes[index].append(game.take(index))
                else:
                    game.take(index)
        flat = [episode for row in episodes for episode in row]
        returns, lengths = zip(*flat, strict=True)
        return np.array(returns, np.float64), np.array(lengths, np.int64)

    def film(self, *, seed: int, policy: PolicyName) -> Film:
        """Return one episode, played while its frames are taken: a whole game may have gigabytes.

        The last frame is that before the environment restarts.
        """
        film = Film([], math.nan)
        film.frames = self._played(film, seed, policy)
        return film

    def _played(self, film: Film, seed: int, policy: PolicyName) -> Iterator[np.ndarray]:
        vector = make_vector(self._run.environment, 1, draws=True)
        try:
            self._reseed(seed)
            game = _Game(self, vector, policy)
            is_over = False
            while not is_over:
                picture = vector.render()
                if picture is None:
                    raise ErlctlError(f"{vector.environment} draws no pictures")
                yield picture
                is_over = bool(game.step()[0])
            film.total, _ = game.take(0)
        finally:
            vector.close()

    def close(self) -> None:
        """End every environment."""
        for vector in self._vectors.values():
            vector.close()
        self._vectors.clear()

    def seeds(self, count: int) -> np.ndarray:
        """Return seeds for environments from the stream that `_reseed` has chosen."""
        return draw_seeds(self._environment_draws, count)

    def actor(self, count: int, name: PolicyName) -> HostCall:
        """Return the compiled function from windows [count, K, ...] to actions."""
        key = (count, name)
        if key not in self._actors:
            clock = Clock(self._step, self._policy_draws)
            policy = self._agent.acting_policy(self._policy_options(name), clock, random_steps=0)
            self._actors[key] = HostCall(
                lambda windows: policy.action(self._border.step_of(windows)).action,
                [self._border.observations_signature(count)], xla=self._xla,
            )
        return self._actors[key]

    @property
    def signals(self) -> Signals:
        """Stacking and normalisation."""
        return self._signals


class _Game:
    """Episodes on a vector, from a fresh start."""

    def __init__(
        self, evaluator: HostEvaluator, vector: VectorEnvironment, policy: PolicyName
    ) -> None:
        self._vector, self._signals = vector, evaluator.signals
        self._actor = evaluator.actor(vector.num_envs, policy)
        space = vector.observation
        self._windows = FrameWindows(
            vector.num_envs, space.shape, space.dtype, self._signals.frame_stack
        )
        self._windows.begin(vector.reset(evaluator.seeds(vector.num_envs)))
        self._returns = np.zeros(vector.num_envs)
        self._lengths = np.zeros(vector.num_envs, np.int64)
        self._limit = vector.time_limit or MAX_EPISODE_STEPS

    def step(self) -> np.ndarray:
        """Take one step everywhere; return where an episode ended, bool [N]."""
        action = self._actor(self._signals.observations(self._windows.windows)).numpy()
        step = self._vector.step(action)
        ended = step.terminated | step.truncated
        self._windows.push(step.observation, ended)
        self._returns += step.reward
        self._lengths += 1
        if (self._lengths[~ended] >= self._limit).any():
            raise EnvironmentFault(
                self._vector.environment,
                f"has not ended an evaluation episode after {self._limit} steps",
                fix="set environment.wrappers.time_limit",
            )
        return ended

    def take(self, index: int) -> tuple[float, int]:
        """Return (return, length) of the episode that ended, and count the next one."""
        result = float(self._returns[index]), int(self._lengths[index])
        self._returns[index], self._lengths[index] = 0.0, 0
        return result


def draw_seeds(generator: tf.random.Generator, count: int) -> np.ndarray:
    """Return `count` seeds of environments, below 2^31."""
    return generator.uniform((count,), 0, 2**31 - 1, tf.int32).numpy()
