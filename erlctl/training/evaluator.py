"""Evaluation: episodes side by side on an environment and random numbers of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from erlctl.agents.policies import Clock
from erlctl.environments import registry as environments
from erlctl.errors import ErlctlError
from erlctl.spec.schema import RunSpec
from erlctl.training import seeding
from erlctl.training.seeding import Stream


class Evaluator:
    """Runs episodes of an agent's policy; every call at a step gives the same episodes.

    Args:
        run: Resolved spec.
        agent: Agent whose policy acts.
        step: Counter of environment steps, read by schedules and by the random streams.
        xla: Whether to compile with XLA.

    Attributes:
        seed: Seed of the run.
    """

    def __init__(self, run: RunSpec, agent: Any, step: tf.Variable, *, xla: bool) -> None:  # noqa: ANN401
        self.seed = run.seed
        self._run = run
        self._agent = agent
        self._step = step
        self._xla = xla
        self._generators = {
            s: seeding.make_generator() for s in (Stream.EVALUATION, Stream.EVALUATION_POLICY)
        }
        self._compiled: dict[tuple[int, str], Any] = {}

    def evaluate(
        self, num_episodes: int, *, seed: int | None, policy: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (returns float64 [E], lengths int64 [E]) of `num_episodes` episodes."""
        key = (num_episodes, policy)
        if key not in self._compiled:
            self._compiled[key] = self._compile(num_episodes, policy)
        block = int(self._step.numpy())
        for stream, generator in self._generators.items():
            seeding.reseed(generator, self.seed if seed is None else seed, stream, block=block)
        returns, lengths = self._compiled[key]()
        return returns.numpy().astype(np.float64), lengths.numpy().astype(np.int64)

    def _compile(self, num_episodes: int, name: str) -> Any:  # noqa: ANN401 - a tf.function
        environment = environments.make(
            self._run.environment.id, num_episodes, self._generators[Stream.EVALUATION],
            **self._run.environment.kwargs,
        )
        if environment.time_limit is None:
            raise ErlctlError(
                f"{self._run.environment.id} has no time limit, so an evaluation might never end",
                fix="set one: `environment: {kwargs: {time_limit: 1000}}`",
            )
        clock = Clock(self._step, self._generators[Stream.EVALUATION_POLICY])
        options = {
            "evaluation": self._run.evaluation.policy, "collect": self._run.agent.collect_policy,
        }[name]
        policy = self._agent.acting_policy(options, clock, random_steps=0)

        def episodes() -> tuple[tf.Tensor, tf.Tensor]:
            environment.reset()

            def turn(alive: tf.Tensor, total: tf.Tensor, length: tf.Tensor) -> tuple[Any, ...]:
                action = policy.action(environment.current_time_step()).action
                after = environment.act(action)
                total += tf.where(alive, after.reward, 0.0)
                length += tf.cast(alive, tf.int32)
                return alive & ~after.is_last(), total, length

            start = (
                tf.fill([num_episodes], True), tf.zeros([num_episodes]),
                tf.zeros([num_episodes], tf.int32),
            )
            _, total, length = tf.while_loop(
                lambda alive, *_: tf.reduce_any(alive), turn, start, parallel_iterations=1
            )
            return total, length

        return tf.function(episodes, jit_compile=self._xla, autograph=False)
