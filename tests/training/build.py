"""Small runs of CartPole whose episodes end both ways: by the pole and by the time limit."""

import dataclasses

from erlctl import registry
from tests.contract.cases import small_run


def declare(name="munchausen_dqn", **fields):
    return registry.get("algorithm", name)(**fields)


def make_run(*, time_limit=12, algorithm=None, **kwargs):
    """Return a run whose episodes end by the pole and by the time limit."""
    run = small_run(algorithm or declare(), **kwargs)
    environment = dataclasses.replace(run.environment, kwargs={"time_limit": time_limit})
    return dataclasses.replace(run, environment=environment)
