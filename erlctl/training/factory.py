"""Which program trains a run: where its environment lives decides."""

from __future__ import annotations

from erlctl.spec.schema import RunSpec
from erlctl.training.base import TrainingProgram
from erlctl.training.program import Program


def make_program(run: RunSpec) -> TrainingProgram:
    """Return the program of a run, at step 0 with the run's seed."""
    return Program(run)
