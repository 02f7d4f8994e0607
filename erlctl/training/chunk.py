"""What a program tells after a stretch of training."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


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

    def then(self, later: Episodes) -> Episodes:
        """Return these and later ones."""
        return Episodes(*(np.concatenate(pair) for pair in (
            (self.steps, later.steps), (self.returns, later.returns),
            (self.lengths, later.lengths),
        )))


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

    def then(self, later: Chunk) -> Chunk:
        """Return both as one; `later` follows at once."""
        return dataclasses.replace(later, episodes=self.episodes.then(later.episodes))


class EpisodeSums(NamedTuple):
    """Sums over training episodes; all but `total` since the last row of progress."""

    number: float
    returns: float
    squares: float
    lengths: float
    total: float

    def plus(self, episodes: Episodes) -> EpisodeSums:
        """Return the sums with more episodes.

        Added one by one: the result must not depend on where a chunk was cut.
        """
        number, returns, squares, lengths, total = self
        for value, length in zip(episodes.returns, episodes.lengths, strict=True):
            number, total = number + 1, total + 1
            returns, squares, lengths = returns + value, squares + value * value, lengths + length
        return EpisodeSums(number, returns, squares, lengths, total)

    def figures(self) -> dict[str, float]:
        """Return the columns of progress.csv; without an episode only their total."""
        if not self.number:
            return {"episodes": int(self.total)}
        mean = self.returns / self.number
        variance = max(self.squares / self.number - mean * mean, 0.0)
        return {
            "episodes": int(self.total), "return_mean": mean, "return_std": variance**0.5,
            "length_mean": self.lengths / self.number,
        }
