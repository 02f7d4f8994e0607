"""Vectors of the home-made environments."""

import numpy as np

from erlctl.environments.host.make import make_vector
from erlctl.options.wrappers import Wrappers
from erlctl.spec.schema import EnvironmentSection


def section(factory="Counter", *, wrappers=None, **fields):
    return EnvironmentSection(
        id=f"tests.environments.host.fakes:{factory}", backend="python",
        wrappers=Wrappers(**(wrappers or {})), **fields,
    )


def vector(factory="Counter", num_envs=2, *, wrappers=None, vectorise="inline", timeout=5.0,
           **kwargs):
    return make_vector(
        section(factory, wrappers=wrappers, kwargs=kwargs, vectorise=vectorise,
                step_timeout=timeout),
        num_envs,
    )


def play(environment, steps, action=1):
    """Return copies of what `steps` steps gave."""
    actions = np.full(environment.num_envs, action, np.int32)
    return [
        type(step)(*(array.copy() for array in step))
        for step in (environment.step(actions) for _ in range(steps))
    ]
