"""Draws the errors that are injected into every backup r + gamma P v of a planner."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from erlctl.options.errors import Adversarial, Bias, Errors, Gaussian, SampledStates
from erlctl.planning.model import Array, Model, Solution, draw


class Backup(NamedTuple):
    """What an error may depend on: the problems, their solution, v [B, S], B generators."""

    model: Model
    solution: Solution
    v: Array
    generators: Sequence[np.random.Generator]


@functools.singledispatch
def error_of(errors: Errors, backup: Backup) -> Array:
    """Return what is added to the exact backup: [B, S, A], in units of return.

    Another package's errors register a function of their own: `@error_of.register`.
    """
    assert type(errors) is Errors, errors
    return np.zeros(backup.model.shape)


@error_of.register
def _(errors: Gaussian, backup: Backup) -> Array:
    draws = [rng.standard_normal(backup.model.shape[1:]) for rng in backup.generators]
    return errors.standard_deviation * np.stack(draws)


@error_of.register
def _(errors: SampledStates, backup: Backup) -> Array:
    model = backup.model
    values = model.next_values(backup.v)
    mean = np.zeros(model.shape)
    for _ in range(errors.samples):
        u = np.stack([rng.random(model.shape[1:]) for rng in backup.generators])
        index = draw(u, model.cumulative)
        mean += np.take_along_axis(values, index[..., np.newaxis], -1)[..., 0] / errors.samples
    exact = np.einsum("bsak,bsak->bsa", model.probabilities, values)
    return model.discount * (mean - exact)


@error_of.register
def _(errors: Bias, backup: Backup) -> Array:
    sign = np.where(np.arange(backup.model.shape[2]) % 2 == 0, 1.0, -1.0)
    return np.broadcast_to(errors.size * sign, backup.model.shape)


@error_of.register
def _(errors: Adversarial, backup: Backup) -> Array:
    solution = backup.solution
    optimal = solution.q >= solution.v[..., np.newaxis] - 1e-12
    return np.where(optimal, -errors.size, errors.size)
