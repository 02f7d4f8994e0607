"""Errors that are injected into every backup r + gamma P v of a planner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from erlctl.fields import AT_LEAST_ONE, FINITE, NON_NEGATIVE, Options, option
from erlctl.planning.model import Array, Model, Solution


class Backup(NamedTuple):
    """What an error may depend on: the problems, their solution, v [B, S], B generators."""

    model: Model
    solution: Solution
    v: Array
    generators: Sequence[np.random.Generator]



@dataclass(frozen=True, kw_only=True)
class Errors(Options):
    """No error; the base of the others."""

    def of(self, backup: Backup) -> Array:
        """Return what is added to the exact backup: [B, S, A], in units of return."""
        return np.zeros(backup.model.shape)


@dataclass(frozen=True, kw_only=True)
class Gaussian(Errors):
    """Independent normal noise on every pair."""

    standard_deviation: float = option(1.0, "Standard deviation.", domain=NON_NEGATIVE,
                                       unit="return")

    def of(self, backup: Backup) -> Array:
        """See the class."""
        draws = [rng.standard_normal(backup.model.shape[1:]) for rng in backup.generators]
        return self.standard_deviation * np.stack(draws)


@dataclass(frozen=True, kw_only=True)
class SampledStates(Errors):
    """The mean over sampled next states stands for the expectation."""

    samples: int = option(1, "Next states for each pair and backup.", domain=AT_LEAST_ONE)

    def of(self, backup: Backup) -> Array:
        """See the class."""
        model = backup.model
        values = model.next_values(backup.v)
        mean = np.zeros(model.shape)
        for _ in range(self.samples):
            u = np.stack([rng.random(model.shape[1:]) for rng in backup.generators])
            index = (u[..., np.newaxis] >= model.cumulative).sum(-1)
            mean += np.take_along_axis(values, index[..., np.newaxis], -1)[..., 0] / self.samples
        exact = np.einsum("bsak,bsak->bsa", model.probabilities, values)
        return model.discount * (mean - exact)


@dataclass(frozen=True, kw_only=True)
class Bias(Errors):
    """The same error in every backup: +size for the even actions, -size for the odd ones.

    A constant for all pairs would change no policy.
    """

    size: float = option(0.1, "Size of the error.", domain=FINITE, unit="return")

    def of(self, backup: Backup) -> Array:
        """See the class."""
        sign = np.where(np.arange(backup.model.shape[2]) % 2 == 0, 1.0, -1.0)
        return np.broadcast_to(self.size * sign, backup.model.shape)


@dataclass(frozen=True, kw_only=True)
class Adversarial(Errors):
    """The optimal actions are valued too low and all others too high, in every backup."""

    size: float = option(0.1, "Size of the error.", domain=NON_NEGATIVE, unit="return")

    def of(self, backup: Backup) -> Array:
        """See the class."""
        solution = backup.solution
        optimal = solution.q >= solution.v[..., np.newaxis] - 1e-12
        return np.where(optimal, -self.size, self.size)


ERRORS: Mapping[str, type[Errors]] = {
    "none": Errors, "gaussian": Gaussian, "sampled_states": SampledStates, "bias": Bias,
    "adversarial": Adversarial,
}
