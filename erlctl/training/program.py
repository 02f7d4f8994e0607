"""A run as one program: a set of variables and compiled functions that advance and evaluate it.

Environment, replay, agent and optimiser live in `tf.Variable`s; `advance` steps and updates them
inside one XLA program, so that Python is entered once per chunk, not once per step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from erlctl.environments import registry as environments
from erlctl.environments.compiled.tabular import TabularEnvironment
from erlctl.options.policies import Greedy
from erlctl.spec.schema import RunSpec
from erlctl.training import seeding
from erlctl.training.base import TrainingProgram
from erlctl.training.chunk import Chunk, Episodes
from erlctl.training.evaluator import CompiledEvaluator
from erlctl.training.exactness import ExactLoss
from erlctl.training.learner import Learner
from erlctl.training.replay import Item, TransitionReplayBuffer
from erlctl.training.seeding import Stream

# Vector steps of one call at most. A call costs 0.3-0.5 ms and a copy of the replay.
MAX_CHUNK = 8192


class CompiledProgram(TrainingProgram):
    """One run of a compiled environment; `start` makes it a fresh run of another.

    Args:
        run: Resolved spec, of the first `start`, which happens here.
    """

    max_chunk = MAX_CHUNK

    def __init__(self, run: RunSpec) -> None:
        num_envs = run.environment.num_envs
        generators = seeding.make_generators()
        self._environment = environments.make(
            run.environment.id, num_envs, generators[Stream.ENVIRONMENT],
            **run.environment.kwargs,
        )
        learner = Learner(
            run, self._environment.time_step_spec(), self._environment.action_spec(), generators
        )
        self._running = {
            "running/return": tf.Variable(tf.zeros([num_envs]), trainable=False),
            "running/length": tf.Variable(tf.zeros([num_envs]), trainable=False),
        }
        self._replay = TransitionReplayBuffer(
            self._environment.observation_spec(), self._environment.action_spec(),
            num_envs=num_envs, capacity=run.training.replay_capacity,
            generator=generators[Stream.REPLAY],
            n_step=run.agent.n_step, gamma=learner.agent.algorithm.gamma,
        )
        self._advance = tf.function(
            self._advance_graph, jit_compile=learner.is_xla, autograph=False,
            input_signature=[tf.TensorSpec((), tf.int32)],
        )
        self._diagnostic_draws = seeding.make_generator()
        self._diagnose = tf.function(
            self._diagnose_graph, jit_compile=learner.is_xla, autograph=False
        )
        evaluator = CompiledEvaluator(learner)
        self._exact: ExactLoss | None = None
        if isinstance(self._environment, TabularEnvironment) and run.agent.gamma < 1.0:
            self._exact = ExactLoss(
                self._environment, evaluator.make_policy("evaluation"),
                is_greedy=isinstance(run.evaluation.policy, Greedy),
            )
        super().__init__(learner, evaluator, {
            **self._running,
            **{f"environment/{n}": v for n, v in self._environment.state_variables.items()},
            **{f"replay/{n}": v for n, v in self._replay.state().items()},
        })

    @property
    def metric_names(self) -> tuple[str, ...]:
        """See the base class; on a table also the exact losses."""
        return (*super().metric_names, *(self._exact.names if self._exact else ()))

    def interval_metrics(self) -> dict[str, float]:
        """See the base class; on a table also what the evaluation policy loses, exactly."""
        exact = self._exact.figures(self.run.agent.gamma) if self._exact else {}
        return super().interval_metrics() | exact

    def begin(self, seed: int) -> None:
        """Empty the replay and reset the environments."""
        del seed  # the environments draw from the run's stream
        self._replay.clear()
        self._environment.reset()

    @property
    def num_stored(self) -> int:
        """Transitions ever written to the replay."""
        return int(self._replay.num_stored())

    def sample_observations(self, count: int) -> tf.Tensor:
        """Return `count` observations from the replay, [count, ...], by the agent's stream."""
        draws = self._learner.generators[Stream.AGENT]
        return self._replay.sample(count, generator=draws).time_step.observation

    def take_steps(self, num_steps: int) -> Chunk:
        """Take `num_steps` environment steps (a multiple of num_envs) with their updates."""
        num_envs = self.run.environment.num_envs
        vector_steps = num_steps // num_envs
        assert 0 < vector_steps <= MAX_CHUNK, num_steps
        assert num_steps % num_envs == 0, num_steps
        first = self.step
        ended, returns, lengths = (
            x.numpy()[:vector_steps] for x in self._advance(tf.constant(vector_steps))
        )
        rows, columns = np.nonzero(ended)
        return self._learner.finish_chunk(
            Episodes(
                steps=first + (rows + 1) * num_envs,
                returns=returns[rows, columns].astype(np.float64),
                lengths=lengths[rows, columns].astype(np.int64),
            )
        )

    def diagnose(self) -> Mapping[str, tf.Tensor]:
        """Return the agent's diagnostics of a batch that depends on the seed and the step alone."""
        seeding.reseed(
            self._diagnostic_draws, self._evaluator.seed, Stream.DIAGNOSTICS, block=self.step
        )
        figures: dict[str, tf.Tensor] = self._diagnose()
        return figures

    def _diagnose_graph(self) -> dict[str, tf.Tensor]:
        batch = self._replay.sample(self.run.training.batch_size, generator=self._diagnostic_draws)
        figures: dict[str, tf.Tensor] = self.agent.diagnostics(batch)
        return figures

    def _advance_graph(self, vector_steps: tf.Tensor) -> tuple[tf.Tensor, ...]:
        num_envs = self.run.environment.num_envs
        rows = [
            tf.TensorArray(dtype, MAX_CHUNK, element_shape=[num_envs])
            for dtype in (tf.bool, tf.float32, tf.float32)
        ]

        def body(i: tf.Tensor, *arrays: tf.TensorArray) -> tuple[Any, ...]:
            row = self._act()
            self._learn()
            return (i + 1, *(a.write(i, x) for a, x in zip(arrays, row, strict=True)))

        _, *arrays = tf.while_loop(
            lambda i, *_: i < vector_steps, body, [tf.constant(0), *rows], parallel_iterations=1
        )
        return tuple(a.stack() for a in arrays)

    def _act(self) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """One vector step; return (ended, return, length) [N], of use where an episode ended."""
        before = self._environment.current_time_step()
        action = self._learner.collect_policy.action(before).action
        after = self._environment.act(action)
        ended = after.is_last()
        self._replay.add_batch(
            Item(
                before.observation, action, after.reward, after.discount, after.observation,
                tf.cast(ended, tf.uint8),
            )
        )
        total = self._running["running/return"] + after.reward
        length = self._running["running/length"] + 1.0
        self._running["running/return"].assign(tf.where(ended, 0.0, total))
        self._running["running/length"].assign(tf.where(ended, 0.0, length))
        self._learner.clock.assign_add(self.run.environment.num_envs)
        return ended, total, length

    def _learn(self) -> None:
        """The updates that are due; a loop of no turns compiles better than a branch."""
        training = self.run.training
        due = self._learner.is_due(
            self._learner.clock.read_value(), self._replay.num_stored(), self._replay.can_sample()
        )

        def turn(j: tf.Tensor) -> tuple[tf.Tensor]:
            self._learner.update(self._replay.sample(training.batch_size))
            return (j + 1,)

        updates = tf.where(due, training.updates, 0)
        tf.while_loop(lambda j: j < updates, turn, [tf.constant(0)], parallel_iterations=1)
