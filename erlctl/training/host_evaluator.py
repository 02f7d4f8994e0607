"""Evaluation on host environments: instances, seeds and random numbers of its own."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from erlctl.environments.host.base import VectorEnvironment
from erlctl.environments.host.make import make_vector
from erlctl.errors import EnvironmentFault, ErlctlError
from erlctl.training.evaluator import Evaluator, Film, PolicyName
from erlctl.training.host_batch import BatchCodec
from erlctl.training.host_call import HostCall
from erlctl.training.host_preprocessing import EpisodeTally, FrameWindows, Preprocessing
from erlctl.training.learner import Learner

# Episodes side by side at most; each environment plays its share, so short ones are not preferred.
_MAX_ENVIRONMENTS = 32
# Steps of an evaluation episode where the environment has no limit of its own.
MAX_EPISODE_STEPS = 100_000


class HostEvaluator(Evaluator):
    """Plays episodes of an agent's policies on host environments.

    Args:
        learner: Whose agent's policies act.
        codec: How observations become tensors.
        preprocessing: Stacking and normalisation, which evaluation reads but does not change.
    """

    def __init__(
        self, learner: Learner, *, codec: BatchCodec, preprocessing: Preprocessing
    ) -> None:
        super().__init__(learner)
        self._codec, self.preprocessing = codec, preprocessing
        self._vectors: dict[int, VectorEnvironment] = {}
        self._actors: dict[tuple[int, str], HostCall] = {}

    def evaluate(
        self, num_episodes: int, *, seed: int | None, policy: PolicyName
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (returns float64 [E], lengths int64 [E]); the environment's own rewards."""
        count = _num_environments(num_episodes)
        if count not in self._vectors:
            self._vectors[count] = make_vector(self._learner.run.environment, count)
        self.reseed(seed)
        rollout = _Rollout(self, self._vectors[count], policy)
        quota = np.full(count, num_episodes // count) + (np.arange(count) < num_episodes % count)
        episodes: list[list[tuple[float, int]]] = [[] for _ in range(count)]
        while (quota > 0).any():
            for index in rollout.step().nonzero()[0]:
                if quota[index]:
                    quota[index] -= 1
                    episodes[index].append(rollout.take(index))
                else:
                    rollout.take(index)
        flat = [episode for row in episodes for episode in row]
        returns, lengths = zip(*flat, strict=True)
        return np.array(returns, np.float64), np.array(lengths, np.int64)

    def film(self, num_episodes: int, *, seed: int, policy: PolicyName) -> Film:
        """Return the first of the episodes that `evaluate` plays for the same.

        It is played while its frames are taken: those of a whole game may have gigabytes. The last
        one is that before the environment restarts.
        """
        film = Film([], math.nan)
        film.frames = self._played(film, _num_environments(num_episodes), seed, policy)
        return film

    def _played(
        self, film: Film, count: int, seed: int, policy: PolicyName
    ) -> Iterator[np.ndarray]:
        # As many as in `evaluate`: what a policy draws depends on it.
        vector = make_vector(self._learner.run.environment, count, draws=True)
        try:
            self.reseed(seed)
            rollout = _Rollout(self, vector, policy)
            ended: dict[int, tuple[float, int]] = {}
            while 0 not in ended:
                picture = vector.render()
                if picture is None:
                    raise ErlctlError(f"{vector.environment} draws no pictures")
                yield picture
                ended = {index: rollout.take(index) for index in rollout.step().nonzero()[0]}
            film.total, _ = ended[0]
        finally:
            vector.close()

    def close(self) -> None:
        """End every environment."""
        for vector in self._vectors.values():
            vector.close()
        self._vectors.clear()

    def seeds(self, count: int) -> np.ndarray:
        """Return seeds for environments from the stream that `reseed` has chosen."""
        return draw_seeds(self._environment_draws, count)

    def actor(self, count: int, name: PolicyName) -> HostCall:
        """Return the compiled function from windows [count, K, ...] to actions."""
        key = (count, name)
        if key not in self._actors:
            policy = self.make_policy(name)
            self._actors[key] = HostCall(
                lambda windows: policy.action(self._codec.step_of(windows)).action,
                [self._codec.observations_signature(count)], xla=self._learner.is_xla,
            )
        return self._actors[key]


def _num_environments(num_episodes: int) -> int:
    return min(num_episodes, _MAX_ENVIRONMENTS)


class _Rollout:
    """Episodes on a vector, from a fresh start."""

    def __init__(
        self, evaluator: HostEvaluator, vector: VectorEnvironment, policy: PolicyName
    ) -> None:
        self._vector, self._preprocessing = vector, evaluator.preprocessing
        self._actor = evaluator.actor(vector.num_envs, policy)
        space = vector.observation
        self._windows = FrameWindows(
            vector.num_envs, space.shape, space.dtype, self._preprocessing.frame_stack
        )
        self._windows.begin(vector.reset(evaluator.seeds(vector.num_envs)))
        self._tally = EpisodeTally(vector.num_envs)
        self.take = self._tally.take
        self._limit = vector.time_limit or MAX_EPISODE_STEPS

    def step(self) -> np.ndarray:
        """Take one step everywhere; return where an episode ended, bool [N]."""
        action = self._actor(self._preprocessing.observations(self._windows.windows)).numpy()
        step = self._vector.step(action)
        ended = step.terminated | step.truncated
        self._windows.push(step.observation, ended)
        self._tally.add(step.reward)
        if (self._tally.lengths[~ended] >= self._limit).any():
            raise EnvironmentFault(
                self._vector.environment,
                f"has not ended an evaluation episode after {self._limit} steps",
                fix="set environment.wrappers.time_limit",
            )
        return ended


def draw_seeds(generator: tf.random.Generator, count: int) -> np.ndarray:
    """Return `count` seeds of environments, below 2^31."""
    return generator.uniform((count,), 0, 2**31 - 1, tf.int32).numpy()
