"""What the rest of erlctl asks of a training program: one protocol for loop, storage and `eval`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from erlctl.spec.schema import RunSpec
from erlctl.training.chunk import Chunk

if TYPE_CHECKING:
    from erlctl.training.evaluator import Film, PolicyName


class Program(Protocol):
    """A run as state and functions that advance, evaluate and film it; it knows no files.

    Attributes:
        max_chunk: Vector steps of one `advance` at most.
    """

    max_chunk: int

    @property
    def step(self) -> int:
        """Environment steps done, over all environments."""

    @property
    def updates(self) -> int:
        """Gradient updates done."""

    @property
    def weights_names(self) -> frozenset[str]:
        """Names in `state()` of what acting needs."""

    @property
    def replay_names(self) -> frozenset[str]:
        """Names in `state()` of the replay buffer."""

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Every key that `interval_metrics` may return: the columns of the run's progress.csv."""

    def fits(self, run: RunSpec) -> bool:
        """Whether `run`, which has the program's key, can be started."""

    def start(self, run: RunSpec) -> None:
        """Make this the fresh run `run`, of the program's key; nothing is compiled again."""

    def advance(self, num_steps: int) -> Chunk:
        """Take `num_steps` environment steps (a multiple of num_envs) with their updates."""

    def take_diagnostics(self) -> None:
        """Take the diagnostics of the next row of progress."""

    def interval_metrics(self) -> dict[str, float]:
        """Return the figures of the interval since the last call; what is unknown is absent."""

    def evaluate(
        self, num_episodes: int, *, seed: int | None = None, policy: PolicyName = "evaluation"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (returns float64, lengths int64) of evaluation episodes."""

    def film(self, num_episodes: int, *, seed: int, policy: PolicyName) -> Film:
        """Return the first of the episodes that `evaluate` plays for the same, to be drawn."""

    def state(self) -> Mapping[str, Any]:
        """Return stable name -> variable or array: exactly what the run is."""

    def notes_on_resume(self) -> list[str]:
        """Return sentences about what a resumed run does not continue."""

    def export_policy(self, folder: str) -> None:
        """Write the evaluation policy: a TF-Agents SavedModel, of a planner a table."""

    def close(self) -> None:
        """Free environments and whatever else outlives the object."""
