"""What both programs share: a learner and an evaluator, and the state that a run is."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from erlctl.spec.schema import RunSpec
from erlctl.training.chunk import Chunk
from erlctl.training.evaluator import Evaluator, Film, PolicyName
from erlctl.training.export import export_policy
from erlctl.training.learner import Learner


class TrainingProgram(abc.ABC):
    """A `training.protocol.Program` of a learner, an evaluator and what steps them.

    Args:
        learner: Agent, counters, streams.
        evaluator: Plays the agent's policies.
        variables: What else TensorFlow holds of the run's state, by stable name; the replay's
            names begin with `replay/`, and it begins with zeros.
    """

    max_chunk: int

    def __init__(
        self, learner: Learner, evaluator: Evaluator, variables: Mapping[str, tf.Variable]
    ) -> None:
        self._learner, self._evaluator = learner, evaluator
        self._variables = {**learner.variables(), **variables}
        self._initial = {
            name: np.array(variable) for name, variable in self._variables.items()
            if not name.startswith("replay/")
        }
        self.start(self.run)

    @property
    def run(self) -> RunSpec:
        """The run that the program has now, resolved."""
        return self._learner.run

    @property
    def agent(self) -> Any:
        """TF-Agents agent (`erlctl.agents.base.Agent`)."""
        return self._learner.agent

    @property
    def step(self) -> int:
        """Environment steps done, over all environments."""
        return self._learner.step

    @property
    def updates(self) -> int:
        """Gradient updates done."""
        return self._learner.updates

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Every key that `interval_metrics` may return."""
        return self._learner.metric_names

    def fits(self, run: RunSpec) -> bool:
        """Whether `run`, which has the program's key, can be started."""
        return self._learner.fits(run)

    def start(self, run: RunSpec) -> None:
        """Make this the fresh run `run`, which shares its program; nothing is compiled again."""
        for name, variable in self._variables.items():
            value = self._initial.get(name)
            variable.assign(tf.zeros_like(variable) if value is None else value)
        self._learner.start(run)
        self.begin(run.seed)

    @abc.abstractmethod
    def begin(self, seed: int) -> None:
        """Empty the replay and bring the environments to their start."""

    def advance(self, num_steps: int) -> Chunk:
        """Take `num_steps` environment steps (a multiple of num_envs) with their updates.

        Landmarks of the networks, where they have some, are chosen before the vector step with the
        first update, wherever chunks are cut. A loss that is not finite is told by the chunk's
        `diverged_at`.
        """
        if self.agent.is_adapted:
            return self.take_steps(num_steps)
        num_envs, starts = self.run.environment.num_envs, self.run.training.learning_starts
        before = max(starts - self.num_stored, 0) // num_envs * num_envs
        if before >= num_steps:
            return self.take_steps(num_steps)
        if before:
            arrives_at = self.step + before
            chunk = self.take_steps(before)
            is_whole = chunk.step == arrives_at  # an environment may have broken on the way
            return chunk.then(self.advance(num_steps - before)) if is_whole else chunk
        self.agent.adapt(self.sample_observations(self.agent.num_candidates))
        return self.take_steps(num_steps)

    @property
    @abc.abstractmethod
    def num_stored(self) -> int:
        """Transitions ever written to the replay."""

    @abc.abstractmethod
    def sample_observations(self, count: int) -> tf.Tensor:
        """Return `count` observations from the replay, [count, ...], by the agent's stream."""

    @abc.abstractmethod
    def take_steps(self, num_steps: int) -> Chunk:
        """Take `num_steps` environment steps with their updates, as `advance`."""

    def state(self) -> dict[str, Any]:
        """Return stable name -> variable or NumPy array: exactly what the run is."""
        return dict(self._variables)

    @property
    def weights_names(self) -> frozenset[str]:
        """Names in `state()` of what acting needs: weights, and how observations are normalised."""
        return frozenset(
            name for name in self.state() if name.startswith(("agent/weights/", "normaliser/"))
        )

    @property
    def replay_names(self) -> frozenset[str]:
        """Names in `state()` of the replay buffer."""
        return frozenset(name for name in self.state() if name.startswith("replay/"))

    def interval_metrics(self) -> dict[str, float]:
        """Return the figures of the interval since the last call; what is unknown is absent."""
        return self._learner.interval_metrics()

    def take_diagnostics(self) -> None:
        """Take the diagnostics of the next row now, a step before the interval ends.

        Targets are synchronised at round numbers, where intervals end too: then, online and target
        policy would always be equal. A step before, their distance is that of a whole period
        between synchronisations.
        """
        if self.updates:
            self._learner.note_diagnostics(self.diagnose())

    @abc.abstractmethod
    def diagnose(self) -> Mapping[str, tf.Tensor]:
        """Return the agent's diagnostics of a batch that depends on the seed and the step alone.

        Looking more often must not change what is trained on, nor what is seen.
        """

    def evaluate(
        self, num_episodes: int, *, seed: int | None = None, policy: PolicyName = "evaluation"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (returns float64, lengths int64) of `num_episodes` episodes.

        Args:
            num_episodes: Episodes.
            seed: Seed of episodes that no training run sees; None for those of the run's own
                evaluation at this step.
            policy: The spec's evaluation policy, its collect policy, or the greedy one.
        """
        return self._evaluator.evaluate(num_episodes, seed=seed, policy=policy)

    def film(self, num_episodes: int, *, seed: int, policy: PolicyName) -> Film:
        """Return the first of the episodes that `evaluate` plays for the same, to be drawn."""
        return self._evaluator.film(num_episodes, seed=seed, policy=policy)

    def policy(self, name: PolicyName, seed: int) -> Any:
        """Return a TF-Agents policy on the environment's observations; `seed` decides its draws."""
        self._evaluator.reseed(seed)
        return self.on_raw(self._evaluator.make_policy(name))

    def on_raw(self, policy: Any) -> Any:
        """Return what takes the environment's observations and acts as `policy`."""
        return policy

    def export_policy(self, folder: str) -> None:
        """Write the evaluation policy as a TF-Agents SavedModel (`tf.saved_model.load`)."""
        export_policy(self.evaluation_policy(), folder)

    def evaluation_policy(self) -> Any:
        """Return the policy that `export_policy` saves."""
        return self.on_raw(
            self.agent.acting_policy(self._learner.policies["evaluation"], None, random_steps=0))

    def notes_on_resume(self) -> list[str]:
        """Return sentences about what a resumed run does not continue; none by default."""
        return []

    def close(self) -> None:
        """End every environment."""
        self._evaluator.close()
