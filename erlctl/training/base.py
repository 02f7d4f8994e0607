"""What every training program is: an agent, counters and random streams in named variables.

Subclasses add where the environment runs and how a step is taken; everything that must be saved is
in `state()`, so that saving the state is saving the run.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tf_agents.trajectories import trajectory

from erlctl.agents import build_agent
from erlctl.agents.base import AgentContext
from erlctl.agents.policies import Clock
from erlctl.errors import ErlctlError
from erlctl.experiment import resolve
from erlctl.spec.schema import RunSpec
from erlctl.training import export, seeding
from erlctl.training.chunk import NO_EPISODES, Chunk, Episodes, EpisodeSums
from erlctl.training.seeding import Stream

# Losses that one agent reports at most.
_MAX_LOSSES = 4
_STREAMS = (
    Stream.ENVIRONMENT, Stream.POLICY, Stream.REPLAY, Stream.AGENT,
)


class TrainingProgram(abc.ABC):
    """Agent, counters, random streams and their names; `start` makes it a fresh run of any seed.

    Args:
        run: Resolved spec.
        time_step_spec: TF-Agents spec of the environment's time steps.
        action_spec: TF-Agents spec of its actions.

    Attributes:
        run: Resolved spec.
        backend: Where the environment runs, as in `EnvironmentSection` with `auto` resolved.
        is_xla: Whether updates are compiled by XLA.
        agent: TF-Agents agent (`erlctl.agents.base.TrainableAgent`).
        collect_policy: Behaviour policy.
    """

    backend = "compiled"

    def __init__(self, run: RunSpec, time_step_spec: Any, action_spec: Any) -> None:
        self.run = run
        self.is_xla = resolve(run).training.compile == "xla"
        self._time_step_spec, self._action_spec = time_step_spec, action_spec
        self.generators = {stream: seeding.make_generator() for stream in _STREAMS}
        self._counters = {
            "step": tf.Variable(0, dtype=tf.int64, trainable=False),
            "diverged_at": tf.Variable(-1, dtype=tf.int64, trainable=False),
            "loss_sums": tf.Variable(tf.zeros(_MAX_LOSSES), trainable=False),
            "loss_count": tf.Variable(0.0, trainable=False),
            "episodes": tf.Variable(tf.zeros(len(EpisodeSums._fields), tf.float64)),
        }
        self.agent = self._build_agent()
        self._loss_names: tuple[str, ...] = ()
        clock = Clock(self._counters["step"], self.generators[Stream.POLICY])
        self.collect_policy = self.agent.acting_policy(
            run.agent.collect_policy, clock, random_steps=run.training.learning_starts
        )
        self._looked: dict[str, float] = {}
        self._pristine: dict[str, np.ndarray] = {}

    def _build_agent(self) -> Any:
        run = self.run
        kind = "discrete" if self._action_spec.dtype.is_integer else "continuous"
        if run.agent.action_kind != kind:
            raise ErlctlError(
                f"{run.agent.registered_name} needs {run.agent.action_kind} actions; "
                f"{run.environment.id} has {kind} ones",
                fix="see `erlctl algorithms` and `erlctl environments` for what fits together",
            )
        return build_agent(
            AgentContext(
                algorithm=run.agent,
                time_step_spec=self._time_step_spec,
                action_spec=self._action_spec,
                network=run.network,
                optimizer=run.optimizer,
                target_update_every=run.training.target_update_every,
                target_update_polyak=run.training.target_update_polyak,
                generator=self.generators[Stream.AGENT],
                step=self._counters["step"],
                total_steps=run.training.steps,
                xla=self.is_xla,
            )
        )

    @abc.abstractmethod
    def groups(self) -> Mapping[str, Mapping[str, tf.Variable]]:
        """Return what the subclass adds to the state: group -> name -> variable."""

    def advance(self, num_steps: int) -> Chunk:
        """Take `num_steps` environment steps (a multiple of num_envs) with their updates.

        A loss that is not finite is told by the chunk's `diverged_at`.
        """
        try:
            return self.take_steps(num_steps)
        except tf.errors.InvalidArgumentError as error:
            # Upstream's own check of losses, which exists in graph mode and not in XLA.
            if "is inf or nan" not in error.message:
                raise
            self._counters["diverged_at"].assign(self.step)
            return self.finish_chunk(NO_EPISODES)

    @abc.abstractmethod
    def take_steps(self, num_steps: int) -> Chunk:
        """Do what `advance` says; may leave upstream's errors about losses to it."""

    def remember_pristine(self) -> None:
        """Keep the values that every fresh run starts from; the replay starts from zeros."""
        self._pristine = {
            name: np.array(variable) for name, variable in self.variables().items()
            if name not in self.replay_names
        }

    def start(self, seed: int) -> None:
        """Make this a fresh run with `seed`; nothing is compiled again."""
        for name, variable in self.variables().items():
            value = self._pristine.get(name)
            variable.assign(tf.zeros_like(variable) if value is None else value)
        for stream, generator in self.generators.items():
            seeding.reseed(generator, seed, stream)
        self.agent.start(seeding.sequence(seed, Stream.NETWORK))

    @property
    def step(self) -> int:
        """Environment steps done, over all environments."""
        return int(self._counters["step"].numpy())

    @property
    def updates(self) -> int:
        """Gradient updates done."""
        return int(self.agent.train_step_counter.numpy())

    def state(self) -> dict[str, Any]:
        """Return stable name -> variable or NumPy array: exactly what the run is."""
        return dict(self.variables())

    def variables(self) -> dict[str, tf.Variable]:
        """Return stable name -> variable: what of the state TensorFlow holds."""
        groups: dict[str, Mapping[str, tf.Variable]] = {
            "counters": self._counters,
            "generators": {s.name.lower(): g.state for s, g in self.generators.items()},
            **self.groups(),
        }
        agent = {
            f"agent/{group}/{index:02d}": variable
            for group, variables in self.agent.state_groups().items()
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

    def interval_metrics(self) -> dict[str, float]:
        """Return the figures of the interval since the last call; what is unknown is absent.

        Training returns and lengths, mean losses, what `look` saw, and the behaviour policy's
        epsilon and temperature.
        """
        sums = EpisodeSums(*self._counters["episodes"].numpy())
        figures: dict[str, float] = self.collect_policy.figures(self.step) | sums.figures()
        updates = float(self._counters["loss_count"].numpy())
        if updates:
            losses = self._counters["loss_sums"].numpy() / updates
            figures |= {n: float(x) for n, x in zip(self._loss_names, losses, strict=False)}
            figures |= self._looked
        self._counters["episodes"].assign(EpisodeSums(0, 0, 0, 0, sums.total))
        self._counters["loss_sums"].assign(tf.zeros(_MAX_LOSSES))
        self._counters["loss_count"].assign(0.0)
        self._looked = {}
        return figures

    def look(self) -> None:
        """Take the diagnostics of the next row now, a step before the interval ends.

        Targets are synchronised at round numbers, where intervals end too: looking there would
        always find online and target policy equal. A step before, their distance is that of a
        whole period between synchronisations.
        """
        if self.updates:
            self._looked = {name: float(value) for name, value in self.diagnose().items()}

    @abc.abstractmethod
    def diagnose(self) -> Mapping[str, tf.Tensor]:
        """Return the agent's diagnostics of a batch that depends on the seed and the step alone."""

    def export_policy(self, folder: str) -> None:
        """Write the evaluation policy as a TF-Agents SavedModel (`tf.saved_model.load`)."""
        export.export_policy(self.evaluation_policy(), folder)

    def evaluation_policy(self) -> Any:
        """Return the policy that `export_policy` saves."""
        return self.agent.acting_policy(self.run.evaluation.policy, None, random_steps=0)

    def update(self, batch: trajectory.Transition) -> None:
        """One update of the agent; sums its losses and notes the first that is not finite."""
        losses = self.agent.losses(self.agent.train(batch))
        self._loss_names = tuple(losses)
        values = tf.stack([*losses.values()])
        self._counters["loss_sums"].assign_add(tf.pad(values, [[0, _MAX_LOSSES - len(losses)]]))
        self._counters["loss_count"].assign_add(1.0)
        diverged_at = self._counters["diverged_at"]
        is_first = ~tf.reduce_all(tf.math.is_finite(values)) & (diverged_at.read_value() < 0)
        step = self._counters["step"].read_value()
        diverged_at.assign(tf.where(is_first, step, diverged_at.read_value()))

    def notes_on_resume(self) -> list[str]:
        """Return sentences about what a resumed run does not continue; none by default."""
        return []

    def finish_chunk(self, episodes: Episodes) -> Chunk:
        """Count the episodes of a chunk and return what it did."""
        sums = EpisodeSums(*self._counters["episodes"].numpy()).plus(episodes)
        self._counters["episodes"].assign(sums)
        diverged_at = int(self._counters["diverged_at"].numpy())
        return Chunk(
            self.step, self.updates, None if diverged_at < 0 else diverged_at, episodes
        )
