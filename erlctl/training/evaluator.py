"""Evaluation: episodes side by side on an environment and random numbers of their own."""

from __future__ import annotations

import abc
import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from erlctl.agents.policies import Clock
from erlctl.environments import registry as environments
from erlctl.errors import ErlctlError
from erlctl.training import seeding
from erlctl.training.learner import Learner
from erlctl.training.seeding import Stream

PolicyName = Literal["evaluation", "collect", "greedy"]


@dataclass
class Film:
    """One episode to be drawn.

    Attributes:
        states: The environment's state before each step and at the end, name -> array.
        total: Undiscounted return; where there are frames, known when the last one was taken.
        frames: Pictures that a host environment draws itself while it is played, uint8 [H, W, 3],
            to be taken once; then no states.
    """

    states: list[dict[str, np.ndarray]]
    total: float
    frames: Iterable[np.ndarray] = ()


@dataclass(frozen=True)
class _Stage:
    """An environment and the policy that acts on it."""

    environment: Any
    policy: Any
    episodes: Any


class Evaluator(abc.ABC):
    """Plays episodes of an agent's policies; every call at a step gives the same episodes.

    Args:
        learner: Whose agent's policies act; its clock is read by schedules and random streams.
    """

    def __init__(self, learner: Learner) -> None:
        self._learner = learner
        self._environment_draws = seeding.make_generator()
        self._policy_draws = seeding.make_generator()

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return self._learner.run.seed

    @abc.abstractmethod
    def evaluate(
        self, num_episodes: int, *, seed: int | None, policy: PolicyName
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (returns float64 [E], lengths int64 [E]) of `num_episodes` episodes."""

    @abc.abstractmethod
    def film(self, num_episodes: int, *, seed: int, policy: PolicyName) -> Film:
        """Return the first of the episodes that `evaluate` plays for the same, to be drawn."""

    @abc.abstractmethod
    def close(self) -> None:
        """End every environment."""

    def reseed(self, seed: int | None) -> None:
        """Put both streams at the run's own evaluation of this step, or at fresh episodes."""
        if seed is None:
            pairs = (Stream.EVALUATION, Stream.EVALUATION_POLICY)
        else:
            pairs = (Stream.FRESH_EVALUATION, Stream.FRESH_EVALUATION_POLICY)
        generators = (self._environment_draws, self._policy_draws)
        # Fresh episodes are the same for every checkpoint, so that checkpoints can be compared.
        block = self._learner.step if seed is None else 0
        for stream, generator in zip(pairs, generators, strict=True):
            seeding.reseed(generator, self.seed if seed is None else seed, stream, block=block)

    def make_policy(self, name: PolicyName) -> Any:
        """Return the agent's policy of that name, with the evaluator's own random numbers."""
        clock = Clock(self._learner.clock, self._policy_draws)
        return self._learner.agent.acting_policy(
            self._learner.policies[name], clock, random_steps=0
        )


class CompiledEvaluator(Evaluator):
    """Plays compiled environments, all episodes side by side."""

    def __init__(self, learner: Learner) -> None:
        super().__init__(learner)
        self._stages: dict[tuple[int, str], _Stage] = {}

    def close(self) -> None:
        """Forget the environments: compiled ones hold nothing outside TensorFlow."""
        self._stages.clear()

    def evaluate(
        self, num_episodes: int, *, seed: int | None, policy: PolicyName
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (returns float64 [E], lengths int64 [E]) of `num_episodes` episodes."""
        stage = self._stage(num_episodes, policy)
        self.reseed(seed)
        returns, lengths = stage.episodes()
        return returns.numpy().astype(np.float64), lengths.numpy().astype(np.int64)

    def film(self, num_episodes: int, *, seed: int, policy: PolicyName) -> Film:
        """Return the states of the first of the episodes that `evaluate` plays for the same."""
        # All are played and compiled alike, since what is drawn and rounded depends on both.
        stage = self._stage(num_episodes, policy)
        environment = stage.environment
        compiled = functools.partial(
            tf.function, jit_compile=self._learner.is_xla, autograph=False)
        self.reseed(seed)
        compiled(lambda: environment.reset().reward)()
        variables = environment.state_variables

        @compiled
        def turn() -> tuple[Any, ...]:
            # The state that the step leads to, before an ended episode makes way for the next.
            action = stage.policy.action(environment.current_time_step()).action
            after = environment.step(action)
            return after.reward, after.is_last()

        states, total, is_over = [_snapshot(variables)], 0.0, False
        while not is_over:
            reward, last = turn()
            states.append(_snapshot(variables))
            total, is_over = total + float(reward[0]), bool(last[0])
        return Film(states, total)

    def _stage(self, num_episodes: int, name: PolicyName) -> _Stage:
        key = (num_episodes, name)
        if key not in self._stages:
            self._stages[key] = self._build_stage(num_episodes, name)
        return self._stages[key]

    def _build_stage(self, num_episodes: int, name: PolicyName) -> _Stage:
        section = self._learner.run.environment
        environment = environments.make(
            section.id, num_episodes, self._environment_draws, **section.kwargs
        )
        if environment.time_limit is None:
            raise ErlctlError(
                f"{section.id} has no time limit, so an evaluation might never end",
                fix="set one: `environment: {kwargs: {time_limit: 1000}}`",
            )
        policy = self.make_policy(name)
        episodes = tf.function(
            lambda: _play(environment, policy, num_episodes), jit_compile=self._learner.is_xla,
            autograph=False,
        )
        return _Stage(environment, policy, episodes)


def _play(environment: Any, policy: Any, num_episodes: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Return (returns, lengths) of the first episode of each environment."""
    environment.reset()

    def turn(alive: tf.Tensor, total: tf.Tensor, length: tf.Tensor) -> tuple[Any, ...]:
        action = policy.action(environment.current_time_step()).action
        after = environment.act(action)
        total += tf.where(alive, after.reward, 0.0)
        length += tf.cast(alive, tf.int32)
        return alive & ~after.is_last(), total, length

    start = (
        tf.fill([num_episodes], True), tf.zeros([num_episodes]), tf.zeros([num_episodes], tf.int32)
    )
    _, total, length = tf.while_loop(
        lambda alive, *_: tf.reduce_any(alive), turn, start, parallel_iterations=1
    )
    return total, length


def _snapshot(variables: dict[str, tf.Variable]) -> dict[str, np.ndarray]:
    return {name: variable.numpy()[0] for name, variable in variables.items()}
