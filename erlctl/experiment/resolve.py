"""What `auto` means for a run is decided once, when the run is made, and stands in its spec."""

from __future__ import annotations

import dataclasses

from erlctl.environments.host import backends
from erlctl.experiment import compilation
from erlctl.spec.schema import RunSpec


def resolve(run: RunSpec) -> RunSpec:
    """Return `run` with every `auto` replaced by what it means here: backend and compilation."""
    backend = backends.resolve(run.environment)
    run = dataclasses.replace(
        run, environment=dataclasses.replace(run.environment, backend=backend)
    )
    if run.training.compile != "auto":
        return run
    training = dataclasses.replace(run.training, compile=compilation.choose(run))
    return dataclasses.replace(run, training=training)
