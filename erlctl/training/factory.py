"""Which program trains a run: its algorithm and where its environment lives decide."""

from __future__ import annotations

from erlctl.environments.host import backends
from erlctl.errors import ErlctlError
from erlctl.experiment import resolve
from erlctl.spec.schema import RunSpec
from erlctl.tensorflow_setup import check_device
from erlctl.training.protocol import Program


def make_program(run: RunSpec) -> Program:
    """Return the program of a run, at step 0 with the run's seed; a planner's has no TensorFlow.

    Raises:
        ErlctlError: The environment section asks for what its backend has not, or there is no GPU
            where one was asked for.
    """
    for path, problem in backends.problems(run.environment):
        raise ErlctlError(f"environment.{path}: {problem}")
    run = resolve(run)
    if run.agent.base == "planner":
        from erlctl.training.planner_program import PlannerProgram

        return PlannerProgram(run)
    check_device()
    if run.environment.backend == "compiled":
        from erlctl.training.program import CompiledProgram

        return CompiledProgram(run)
    from erlctl.training.host_program import HostProgram

    return HostProgram(run)
