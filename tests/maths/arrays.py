"""What the tests of `erlctl.maths` share: calls with NumPy arrays, random batches, declarations."""

import dataclasses

import numpy as np
import tensorflow as tf
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from erlctl.algorithms.base import Backup

# name: (backup, oracle's parameters in general form)
BACKUPS = {
    "dqn": Backup(),
    "soft": Backup(operator="logsumexp", temperature=0.5),
    "soft mellowmax": Backup(operator="mellowmax", temperature=0.5),
    "advantage learning": Backup(gap_scale=0.9),
    "dpp": Backup(operator="logsumexp", temperature=0.5, gap_scale=1.0),
    "dpp boltzmann": Backup(operator="boltzmann", temperature=0.5, gap_scale=1.0),
    "bounded dpp": Backup(
        operator="logsumexp", temperature=0.5, gap_scale=1.0, gap_range=(-1.0, 0.0)
    ),
    "cvi": Backup(operator="mellowmax", temperature=0.5, gap_scale=0.9),
    "munchausen": Backup(
        operator="logsumexp", temperature=0.03, gap_scale=0.9, gap_range=(-1.0, 0.0)
    ),
    "tsallis": Backup(
        operator="sparsemax", temperature=0.5, gap_scale=0.9, gap_range=(-1.0, 0.0)
    ),
    "original dpp": Backup(operator="boltzmann", temperature=1.0, gap_scale=0.9),
}


def call(function, *args, dtype=np.float64, **kwargs):
    """Call a function of `erlctl.maths` with arrays of `dtype` and return an array.

    Integer and boolean arrays keep their kind; everything that is no array is passed as it is.
    """
    def convert(x):
        if not isinstance(x, np.ndarray):
            return x
        if x.dtype == bool:
            return tf.constant(x)
        return tf.constant(x, tf.int32 if x.dtype.kind == "i" else dtype)

    result = function(*map(convert, args), **{name: convert(x) for name, x in kwargs.items()})
    return result.numpy()


def random_batch(seed=0, num_samples=16, num_actions=4, scale=3.0):
    """Return a batch with some terminal transitions, in float64."""
    rng = np.random.default_rng(seed)
    return {
        "q_t": scale * rng.standard_normal((num_samples, num_actions)),
        "a_t": rng.integers(0, num_actions, num_samples),
        "r_tp1": rng.standard_normal(num_samples),
        "discount_tp1": 0.99 * (rng.random(num_samples) > 0.25),
        "q_tp1": scale * rng.standard_normal((num_samples, num_actions)),
    }


def in_general_form(backup):
    """Return the parameters of `oracles.backups.regularised` for a backup."""
    low, high = backup.gap_range
    return {
        "operator": backup.operator, "t": backup.temperature, "alpha": backup.gap_scale,
        "low": low, "high": high,
    }


def with_scale(backup, factor):
    """Return the backup in units of return `factor` times as small."""
    return dataclasses.replace(
        backup,
        temperature=backup.temperature * factor,
        gap_range=tuple(None if x is None else x * factor for x in backup.gap_range),
    )


def finite(bound):
    """Return a strategy of floats in [-bound, bound] without denormal numbers."""
    return st.floats(-bound, bound, allow_nan=False, allow_subnormal=False)


def rows(bound=50.0):
    """Return a strategy of float64 matrices [1..4, 2..6]."""
    shapes = st.tuples(st.integers(1, 4), st.integers(2, 6))
    return shapes.flatmap(lambda shape: hnp.arrays(np.float64, shape, elements=finite(bound)))


temperatures = st.floats(0.01, 10.0)
