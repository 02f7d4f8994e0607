"""What learns in every program: agent, counters, random streams, and the metrics of its updates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from tf_agents.trajectories import trajectory

from erlctl.agents import build_agent
from erlctl.agents.context import AgentContext
from erlctl.agents.inputs import Inputs
from erlctl.agents.policies import Clock
from erlctl.errors import ErlctlError
from erlctl.fields import Options
from erlctl.options.policies import Greedy
from erlctl.spec.schema import RunSpec
from erlctl.training import seeding
from erlctl.training.chunk import Chunk, Episodes, EpisodeSums
from erlctl.training.seeding import Stream

# Checkpoints hold at least so many sums of losses: as many as the first format had.
_MIN_LOSSES = 4
# What `interval_metrics` may tell beside losses and diagnostics.
_OTHER_METRICS = (
    "episodes", "return_mean", "return_std", "length_mean", "epsilon", "temperature",
)


class Learner:
    """An agent that is updated, in variables with stable names; who steps is the program's matter.

    Args:
        run: Resolved spec.
        time_step_spec: TF-Agents spec of the environment's time steps.
        action_spec: TF-Agents spec of its actions.
        generators: One for each of `seeding.TRAINING_STREAMS`.

    Raises:
        ErlctlError: The algorithm needs another kind of actions.

    Attributes:
        policies: Policy sections by name: "evaluation", "collect", "greedy".
        is_xla: Whether updates are compiled by XLA.
        agent: TF-Agents agent (`erlctl.agents.base.Agent`).
        collect_policy: Behaviour policy.
        clock: int64 variable, environment steps done over all environments.
        generators: As given.
    """

    def __init__(
        self, run: RunSpec, time_step_spec: Any, action_spec: Any,
        generators: Mapping[Stream, tf.random.Generator],
    ) -> None:
        kind = _action_kind(action_spec)
        if run.agent.action_kind != kind:  # for callers that did not come through the front door
            raise ErlctlError(
                f"{run.agent.registered_name} needs {run.agent.action_kind} actions; "
                f"{run.environment.id} has {kind} ones",
                fix="see `erlctl algorithms` and `erlctl environments` for what fits together",
            )
        assert run.training.compile != "auto", "resolved by `erlctl.experiment.resolve`"
        self.generators = generators
        self._inputs = Inputs(run)
        self.is_xla = run.training.compile == "xla"
        self.clock = tf.Variable(0, dtype=tf.int64, trainable=False)
        # Keras numbers layers over the whole process and the names go into the exported policy:
        # its bytes must not depend on which programs were built before.
        tf.keras.backend.reset_uids()
        self.agent: Any = build_agent(self._context(time_step_spec, action_spec))
        self.policies: dict[str, Options] = {
            "evaluation": self._inputs.lift(lambda run: run.evaluation.policy),
            "collect": self.agent.algorithm.collect_policy,
            "greedy": Greedy(),
        }
        self.collect_policy = self.agent.acting_policy(
            self.policies["collect"], Clock(self.clock, generators[Stream.POLICY]),
            random_steps=run.training.learning_starts,
        )
        self._num_slots = max(_MIN_LOSSES, len(self.agent.loss_names))
        self._diverged_at = tf.Variable(-1, dtype=tf.int64, trainable=False)
        self._loss_sums = tf.Variable(tf.zeros(self._num_slots), trainable=False)
        self._loss_count = tf.Variable(0.0, trainable=False)
        self._episodes = tf.Variable(tf.zeros(len(EpisodeSums._fields), tf.float64))
        self._diagnostics: dict[str, float] = {}

    def _context(self, time_step_spec: Any, action_spec: Any) -> AgentContext:
        run = self.run
        return AgentContext(
            algorithm=self._inputs.lift(lambda run: run.agent),
            time_step_spec=time_step_spec, action_spec=action_spec,
            network=run.network, optimizer=run.optimizer,
            target_update_every=run.training.target_update_every,
            target_update_polyak=run.training.target_update_polyak,
            generator=self.generators[Stream.AGENT], step=self.clock,
            total_steps=run.training.steps, xla=self.is_xla, inputs=self._inputs,
        )

    @property
    def run(self) -> RunSpec:
        """The run that the program has now."""
        return self._inputs.run

    def fits(self, run: RunSpec) -> bool:
        """Whether the program can take the numbers of `run`, which has its key."""
        return self._inputs.fits(run)

    def start(self, run: RunSpec) -> None:
        """Take the run's numbers, put every stream at its beginning, give the agent fresh weights.

        Args:
            run: With the key of the program (`spec.program_key`).
        """
        self._inputs.apply(run)
        seed = run.seed
        for stream, generator in self.generators.items():
            seeding.reseed(generator, seed, stream)
        self.agent.start(seeding.sequence(seed, Stream.NETWORK))
        self._diagnostics = {}

    @property
    def step(self) -> int:
        """Environment steps done, over all environments."""
        return int(self.clock.numpy())

    @property
    def updates(self) -> int:
        """Gradient updates done."""
        return int(self.agent.train_step_counter.numpy())

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Every key that `interval_metrics` may return."""
        names = (*self.agent.loss_names, *self.agent.diagnostic_names, *_OTHER_METRICS)
        return tuple(dict.fromkeys(names))

    def variables(self) -> dict[str, tf.Variable]:
        """Return stable name -> variable."""
        return {
            **{
                f"agent/{group}/{index:02d}": variable
                for group, variables in self.agent.state_groups().items()
                for index, variable in enumerate(variables)
            },
            "counters/step": self.clock, "counters/diverged_at": self._diverged_at,
            "counters/loss_sums": self._loss_sums, "counters/loss_count": self._loss_count,
            "counters/episodes": self._episodes,
            **{f"generators/{s.name.lower()}": g.state for s, g in self.generators.items()},
        }

    def is_due(self, step: Any, num_stored: Any, can_sample: Any) -> Any:
        """Return whether updates are due after environment step `step`; on the host or in a graph.

        Stored and not done steps count: a run resumed without its replay refills it first.

        Args:
            step: Environment steps done.
            num_stored: Transitions ever written to the replay.
            can_sample: Whether there is one to be drawn.
        """
        training = self.run.training
        vector_step = step // self.run.environment.num_envs
        is_ready = (num_stored > training.learning_starts) & can_sample
        return is_ready & (vector_step % training.train_every == 0)

    def update(self, batch: trajectory.Transition) -> None:
        """One update of the agent; sums its losses and notes the first that is not finite."""
        losses = self.agent.losses(self.agent.train(batch))
        values = tf.stack([losses[name] for name in self.agent.loss_names])
        self._loss_sums.assign_add(tf.pad(values, [[0, self._num_slots - len(losses)]]))
        self._loss_count.assign_add(1.0)
        diverged_at = self._diverged_at.read_value()
        is_first = ~tf.reduce_all(tf.math.is_finite(values)) & (diverged_at < 0)
        self._diverged_at.assign(tf.where(is_first, self.clock.read_value(), diverged_at))

    def note_diagnostics(self, figures: Mapping[str, Any]) -> None:
        """Keep the diagnostics of the next row."""
        self._diagnostics = {name: float(value) for name, value in figures.items()}

    def finish_chunk(self, episodes: Episodes) -> Chunk:
        """Count the episodes of a chunk and return what it did."""
        self._episodes.assign(EpisodeSums(*self._episodes.numpy()).plus(episodes))
        diverged_at = int(self._diverged_at.numpy())
        return Chunk(self.step, self.updates, None if diverged_at < 0 else diverged_at, episodes)

    def interval_metrics(self) -> dict[str, float]:
        """Return the figures of the interval since the last call; what is unknown is absent.

        Training returns and lengths, mean losses, the diagnostics taken, and the behaviour policy's
        epsilon and temperature.
        """
        sums = EpisodeSums(*self._episodes.numpy())
        figures: dict[str, float] = self.collect_policy.figures(self.step) | sums.figures()
        updates = float(self._loss_count.numpy())
        if updates:
            losses = self._loss_sums.numpy() / updates
            names = self.agent.loss_names
            figures |= {name: float(x) for name, x in zip(names, losses, strict=False)}
            figures |= self._diagnostics
        self._episodes.assign(EpisodeSums(0, 0, 0, 0, sums.total))
        self._loss_sums.assign(tf.zeros(self._num_slots))
        self._loss_count.assign(0.0)
        self._diagnostics = {}
        return figures


def _action_kind(spec: Any) -> str:
    """Return the kind of actions, as `Algorithm.action_kind` has it."""
    if not spec.dtype.is_integer:
        return "continuous"
    return "multi_discrete" if spec.shape.rank else "discrete"
