"""A run with another seed."""

import dataclasses


def seeded(run, seed):
    """Return `run` with `seed`."""
    return dataclasses.replace(run, seed=seed)
