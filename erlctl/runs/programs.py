"""The compiled program that a process holds: kept for the next run of its kind, else closed."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TYPE_CHECKING

from erlctl import spec
from erlctl.spec.schema import RunSpec

if TYPE_CHECKING:
    from erlctl.training.protocol import Program


class ProgramCache:
    """Makes programs and keeps the last: runs with the same `spec.program_key` share one.

    Args:
        factory: Makes the program of a run.
    """

    def __init__(self, factory: Callable[[RunSpec], Program]) -> None:
        self._factory = factory
        self._key: str | None = None
        self._program: Program | None = None

    def has(self, run: RunSpec) -> bool:
        """Return whether nothing need be built for `run`."""
        return self._program is not None and self._key == spec.program_key(run) \
            and self._program.fits(run)

    def get(self, run: RunSpec) -> Program:
        """Return the program of `run`, wherever it stands; the caller starts or fills it."""
        if self._program is None or not self.has(run):
            self.drop()
            self._program, self._key = self._factory(run), spec.program_key(run)
        return self._program

    def drop(self) -> None:
        """Close and free the program: before another is built, and after a failure in one."""
        self.close()
        gc.collect()

    def close(self) -> None:
        """Close the program: the process ends, and its memory with it."""
        program, self._key, self._program = self._program, None, None
        if program is not None:
            program.close()
