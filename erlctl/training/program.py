"""A run as one program: a set of variables and compiled functions that advance and evaluate it.

Environment, replay, agent and optimiser live in `tf.Variable`s; `advance` steps and updates them
inside one XLA program, so that Python is entered once per chunk, not once per step. Because the
state is exactly the set of variables in `state()`, saving those is saving the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tf_agents.policies import policy_saver

from erlctl.agents import build_agent
from erlctl.agents.base import AgentContext
from erlctl.agents.policies import Clock, PreferencePolicy
from erlctl.environments import registry as environments
from erlctl.errors import ErlctlError
from erlctl.spec.schema import RunSpec
from erlctl.training import seeding
from erlctl.training.compilation import use_xla
from erlctl.training.evaluator import Evaluator, Film, PolicyName
from erlctl.training.replay import Item, TransitionReplayBuffer
from erlctl.training.seeding import Stream

# Losses that one agent reports at most.
_MAX_LOSSES = 4
# Vector steps of one call at most. A call costs 0.3-0.5 ms and a copy of the replay.
MAX_CHUNK = 8192


@dataclass(frozen=True)
class Episodes:
    """Training episodes that ended in a chunk, in the order they ended.

    Attributes:
        steps: Environment step after which each ended, int64 [E].
        returns: Undiscounted sum of rewards, float64 [E].
        lengths: Steps, int64 [E].
    """

    steps: np.ndarray
    returns: np.ndarray
    lengths: np.ndarray


class EpisodeSums(NamedTuple):
    """Sums over training episodes; all but `total` since the last row of progress."""

    count: float
    returns: float
    squares: float
    lengths: float
    total: float


@dataclass(frozen=True)
class Chunk:
    """What `advance` did.

    Attributes:
        step: Environment steps of the run so far.
        updates: Gradient updates of the run so far.
        diverged_at: Step of the first number that was not finite, or None.
        episodes: Episodes that ended.
    """

    step: int
    updates: int
    diverged_at: int | None
    episodes: Episodes


class Program:
    """One run's variables and compiled functions; `start` makes it a fresh run of any seed.

    Args:
        run: Resolved spec. Its seed is used by the first `start`.
    """

    def __init__(self, run: RunSpec) -> None:
        self.run = run
        self.is_xla = use_xla(run)
        self._generators = {stream: seeding.make_generator() for stream in Stream}
        self._counters = {
            "step": tf.Variable(0, dtype=tf.int64, trainable=False),
            "diverged_at": tf.Variable(-1, dtype=tf.int64, trainable=False),
            "loss_sums": tf.Variable(tf.zeros(_MAX_LOSSES), trainable=False),
            "loss_count": tf.Variable(0.0, trainable=False),
            "episodes": tf.Variable(tf.zeros(len(EpisodeSums._fields), tf.float64)),
        }
        num_envs = run.environment.num_envs
        self._environment = environments.make(
            run.environment.id, num_envs, self._generators[Stream.ENVIRONMENT],
            **run.environment.kwargs,
        )
        self._running = {
            "return": tf.Variable(tf.zeros([num_envs]), trainable=False),
            "length": tf.Variable(tf.zeros([num_envs]), trainable=False),
        }
        self._agent = self._build_agent()
        self._loss_names: tuple[str, ...] = ()
        clock = Clock(self._counters["step"], self._generators[Stream.POLICY])
        self.collect_policy = self._agent.acting_policy(
            run.agent.collect_policy, clock, random_steps=run.training.learning_starts
        )
        self._replay = TransitionReplayBuffer(
            self._environment.observation_spec(), self._environment.action_spec(),
            num_envs=num_envs, capacity=run.training.replay_capacity,
            generator=self._generators[Stream.REPLAY],
            n_step=getattr(run.agent, "n_step", 1), gamma=run.agent.gamma,
        )
        self._evaluator = Evaluator(run, self._agent, self._counters["step"], xla=self.is_xla)
        self._advance = tf.function(
            self._advance_graph, jit_compile=self.is_xla, autograph=False,
            input_signature=[tf.TensorSpec((), tf.int32)],
        )
        self._diagnose = tf.function(
            self._diagnose_graph, jit_compile=self.is_xla, autograph=False
        )
        # Values that every fresh run starts from; the replay's rows are zero and need no copy.
        self._pristine = {
            name: variable.numpy() for name, variable in self.state().items()
            if not name.startswith("replay/")
        }
        self.start(run.seed)

    def _build_agent(self) -> Any:  # noqa: ANN401 - a TrainableAgent
        run = self.run
        kind = "discrete" if self._environment.action_spec().dtype.is_integer else "continuous"
        if run.agent.action_kind != kind:
            raise ErlctlError(
                f"{run.agent.registered_name} needs {run.agent.action_kind} actions; "
                f"{run.environment.id} has {kind} ones",
                fix="see `erlctl algorithms` and `erlctl environments` for what fits together",
            )
        return build_agent(
            AgentContext(
                algorithm=run.agent,
                time_step_spec=self._environment.time_step_spec(),
                action_spec=self._environment.action_spec(),
                network=run.network,
                optimizer=run.optimizer,
                target_update_every=run.training.target_update_every,
                target_update_polyak=run.training.target_update_polyak,
                generator=self._generators[Stream.AGENT],
                xla=self.is_xla,
            )
        )

    def start(self, seed: int) -> None:
        """Make this a fresh run with `seed`; nothing is compiled again."""
        for name, variable in self.state().items():
            if name in self._pristine:
                variable.assign(self._pristine[name])
            else:
                variable.assign(tf.zeros_like(variable))
        self._replay.state()["last_id"].assign(-1)
        for stream, generator in self._generators.items():
            seeding.reseed(generator, seed, stream)
        self._evaluator.seed = seed
        self._agent.start(seeding.sequence(seed, Stream.NETWORK))
        self._environment.reset()

    @property
    def step(self) -> int:
        """Environment steps done, over all environments."""
        return int(self._counters["step"].numpy())

    @property
    def updates(self) -> int:
        """Gradient updates done."""
        return int(self._agent.train_step_counter.numpy())

    def state(self) -> dict[str, tf.Variable]:
        """Return stable name -> variable: exactly what the run is."""
        groups: dict[str, Mapping[str, tf.Variable]] = {
            "counters": self._counters,
            "running": self._running,
            "environment": self._environment.state_variables,
            "replay": self._replay.state(),
            "generators": {s.name.lower(): g.state for s, g in self._generators.items()},
        }
        agent = {
            f"agent/{group}/{index:02d}": variable
            for group, variables in self._agent.state_groups().items()
            for index, variable in enumerate(variables)
        }
        return agent | {
            f"{group}/{name}": variable
            for group, variables in groups.items() for name, variable in variables.items()
        }

    @property
    def weights_names(self) -> frozenset[str]:
        """Names in `state()` of what acting needs."""
        return frozenset(n for n in self.state() if n.startswith("agent/weights/"))

    @property
    def replay_names(self) -> frozenset[str]:
        """Names in `state()` of the replay buffer."""
        return frozenset(n for n in self.state() if n.startswith("replay/"))

    def advance(self, num_steps: int) -> Chunk:
        """Take `num_steps` environment steps (a multiple of num_envs) with their updates."""
        num_envs = self.run.environment.num_envs
        vector_steps = num_steps // num_envs
        assert 0 < vector_steps <= MAX_CHUNK and num_steps % num_envs == 0, num_steps
        first = self.step
        ended, returns, lengths = (
            x.numpy()[:vector_steps] for x in self._advance(tf.constant(vector_steps))
        )
        rows, columns = np.nonzero(ended)
        episodes = Episodes(
            steps=first + (rows + 1) * num_envs,
            returns=returns[rows, columns].astype(np.float64),
            lengths=lengths[rows, columns].astype(np.int64),
        )
        self._count(episodes)
        diverged_at = int(self._counters["diverged_at"].numpy())
        return Chunk(
            self.step, self.updates, None if diverged_at < 0 else diverged_at, episodes
        )

    def interval_metrics(self) -> dict[str, float]:
        """Return the figures of the interval since the last call; what is unknown is absent.

        Training returns and lengths, the mean loss, diagnostics of a fresh batch, and the behaviour
        policy's epsilon and temperature.
        """
        sums = EpisodeSums(*self._counters["episodes"].numpy())
        figures = {"episodes": sums.total}
        if sums.count:
            mean = sums.returns / sums.count
            figures |= {
                "return_mean": mean,
                "return_std": max(sums.squares / sums.count - mean * mean, 0.0) ** 0.5,
                "length_mean": sums.lengths / sums.count,
            }
        updates = float(self._counters["loss_count"].numpy())
        if updates:
            losses = self._counters["loss_sums"].numpy() / updates
            figures |= {n: float(x) for n, x in zip(self._loss_names, losses, strict=False)}
            figures |= {name: float(value) for name, value in self._diagnose().items()}
        self._counters["episodes"].assign(EpisodeSums(0, 0, 0, 0, sums.total))
        self._counters["loss_sums"].assign(tf.zeros(_MAX_LOSSES))
        self._counters["loss_count"].assign(0.0)
        return self._behaviour() | figures

    def _behaviour(self) -> dict[str, float]:
        policy = self.collect_policy
        if not isinstance(policy, PreferencePolicy):
            return {}
        return policy.figures(self.step)

    def evaluate(
        self, num_episodes: int, *, seed: int | None = None, policy: PolicyName = "evaluation"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (returns float64, lengths int64) of `num_episodes` episodes side by side.

        Args:
            num_episodes: Episodes.
            seed: Seed of episodes that no training run sees; None for those of the run's own
                evaluation at this step.
            policy: The spec's evaluation policy, its collect policy, or the greedy one.
        """
        return self._evaluator.evaluate(num_episodes, seed=seed, policy=policy)

    def film(self, *, seed: int, policy: PolicyName) -> Film:
        """Return the states of one episode that `evaluate` with this seed would play first."""
        return self._evaluator.film(seed=seed, policy=policy)

    def export_policy(self, folder: str) -> None:
        """Write the evaluation policy as a TF-Agents SavedModel (`tf.saved_model.load`)."""
        policy = self._agent.acting_policy(self.run.evaluation.policy, None, random_steps=0)
        policy_saver.PolicySaver(policy).save(folder)

    def _count(self, episodes: Episodes) -> None:
        # One by one: the sums must not depend on where a chunk was cut.
        count, returns, squares, lengths, total = self._counters["episodes"].numpy()
        for value, length in zip(episodes.returns, episodes.lengths, strict=True):
            count, total = count + 1, total + 1
            returns, squares, lengths = returns + value, squares + value * value, lengths + length
        self._counters["episodes"].assign(EpisodeSums(count, returns, squares, lengths, total))

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
        """One vector step; return (ended, return, length) [N], meaningful where an episode ended."""
        before = self._environment.current_time_step()
        action = self.collect_policy.action(before).action
        after = self._environment.act(action)
        ended = after.is_last()
        self._replay.add_batch(
            Item(
                before.observation, action, after.reward, after.discount, after.observation,
                tf.cast(ended, tf.uint8),
            )
        )
        total = self._running["return"] + after.reward
        length = self._running["length"] + 1.0
        self._running["return"].assign(tf.where(ended, 0.0, total))
        self._running["length"].assign(tf.where(ended, 0.0, length))
        self._counters["step"].assign_add(self.run.environment.num_envs)
        return ended, total, length

    def _learn(self) -> None:
        """The updates that are due at this step; a loop of no turns compiles better than a branch."""
        training = self.run.training
        step = self._counters["step"].read_value()
        vector_step = step // self.run.environment.num_envs
        # Stored and not done steps: a run resumed without its replay refills it first.
        is_ready = self._replay.num_stored() > training.learning_starts
        due = is_ready & (vector_step % training.train_every == 0)

        def update(j: tf.Tensor) -> tuple[tf.Tensor]:
            info = self._agent.train(self._replay.sample(training.batch_size))
            losses = self._agent.losses(info)
            self._loss_names = tuple(losses)
            values = tf.stack([*losses.values()])
            padding = [[0, _MAX_LOSSES - len(losses)]]
            self._counters["loss_sums"].assign_add(tf.pad(values, padding))
            self._counters["loss_count"].assign_add(1.0)
            diverged_at = self._counters["diverged_at"]
            is_finite = tf.reduce_all(tf.math.is_finite(values))
            is_first = ~is_finite & (diverged_at.read_value() < 0)
            diverged_at.assign(tf.where(is_first, step, diverged_at.read_value()))
            return (j + 1,)

        updates = tf.where(due, training.updates, 0)
        tf.while_loop(lambda j: j < updates, update, [tf.constant(0)], parallel_iterations=1)

    def _diagnose_graph(self) -> dict[str, tf.Tensor]:
        # A batch of its own stream: looking more often must not change what is trained on.
        generator = self._generators[Stream.DIAGNOSTICS]
        batch = self._replay.sample(self.run.training.batch_size, generator=generator)
        figures: dict[str, tf.Tensor] = self._agent.diagnostics(batch)
        return figures
