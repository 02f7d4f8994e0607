"""Errors that are injected into every backup r + gamma P v of a planner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from erlctl.fields import AT_LEAST_ONE, FINITE, NON_NEGATIVE, Options, option
from erlctl.planning.model import Array, Model, Solution

Generators: TypeAlias = Sequence[np.random.Generator]


@dataclass(frozen=True, kw_only=True)
class Errors(Options):
    """No error; the base of the others."""

    def of(self, model: Model, solution: Solution, v: Array, generators: Generators) -> Array:
        """Return what is added to the exact backup: [B, S, A], in units of return."""
        return np.zeros(model.shape)


@dataclass(frozen=True, kw_only=True)
class Gaussian(Errors):
    """Independent normal noise on every pair."""

    standard_deviation: float = option(1.0, "Standard deviation.", domain=NON_NEGATIVE,
                                       unit="return")

    def of(self, model: Model, solution: Solution, v: Array, generators: Generators) -> Array:
        draws = [rng.standard_normal(model.shape[1:]) for rng in generators]
        return self.standard_deviation * np.stack(draws)


@dataclass(frozen=True, kw_only=True)
class SampledStates(Errors):
    """The mean over sampled next states stands for the expectation."""

    samples: int = option(1, "Next states for each pair and backup.", domain=AT_LEAST_ONE)

    def of(self, model: Model, solution: Solution, v: Array, generators: Generators) -> Array:
        # The last bound is left out: what exceeds all others is the last successor with weight.
        bounds = np.cumsum(model.probabilities, axis=-1)[..., :-1]
        values = np.where(model.continuing > 0.0, model.next_values(v), 0.0)
        exact = np.einsum("bsak,bsak->bsa", model.continuing, values)
        last = (model.probabilities > 0.0).sum(-1) - 1
        mean = np.zeros(model.shape)
        for _ in range(self.samples):
            u = np.stack([rng.random(model.shape[1:]) for rng in generators])
            index = np.minimum((u[..., np.newaxis] >= bounds).sum(-1), last)
            mean += np.take_along_axis(values, index[..., np.newaxis], -1)[..., 0] / self.samples
        return model.discount * (mean - exact)


@dataclass(frozen=True, kw_only=True)
class Bias(Errors):
    """The same error in every backup: +size for the even actions, -size for the odd ones.

    A constant for all pairs would change no policy.
    """

    size: float = option(0.1, "Size of the error.", domain=FINITE, unit="return")

    def of(self, model: Model, solution: Solution, v: Array, generators: Generators) -> Array:
        sign = np.where(np.arange(model.shape[2]) % 2 == 0, 1.0, -1.0)
        return np.broadcast_to(self.size * sign, model.shape)


@dataclass(frozen=True, kw_only=True)
class Adversarial(Errors):
    """The optimal actions are valued too low and all others too high, in every backup."""

    size: float = option(0.1, "Size of the error.", domain=NON_NEGATIVE, unit="return")

    def of(self, model: Model, solution: Solution, v: Array, generators: Generators) -> Array:
        optimal = solution.q >= solution.v[..., np.newaxis] - 1e-12
        return np.where(optimal, -self.size, self.size)


ERRORS: Mapping[str, type[Errors]] = {
    "none": Errors, "gaussian": Gaussian, "sampled_states": SampledStates, "bias": Bias,
    "adversarial": Adversarial,
}
