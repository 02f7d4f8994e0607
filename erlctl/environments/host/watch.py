"""By when a step of the environments must be over, in memory that a run's parent reads as well.

Compiled code that holds Python's lock is interrupted by nothing inside its process: no handler and
no thread runs. The parent sees that the time is over, knows what was being done, and ends it.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # the parent of a worker needs none of it
    import numpy as np

# A number for each of the first environments, and for each of the first entries of their actions.
_ENTRIES = 16
_BYTES = 8 * (3 + 2 * _ENTRIES)


class Doing(NamedTuple):
    """What a process was doing when its time was over.

    Attributes:
        steps: Step of the episode of each environment; empty during a reset.
        actions: Entries of their actions, one environment after another.
    """

    steps: list[int]
    actions: list[float]


class Watch:
    """The shared numbers; one process writes, the other reads.

    Args:
        fd: Descriptor of the memory, from `for_child`.
    """

    def __init__(self, fd: int) -> None:
        self._numbers: memoryview[float] = memoryview(mmap.mmap(fd, _BYTES)).cast("d")

    def begin(
        self, seconds: float, steps: np.ndarray | None, actions: np.ndarray | None
    ) -> None:
        """Note that environments are stepped (or reset: no `steps`), and how long that may take."""
        numbers = self._numbers
        numbers[1] = numbers[2] = 0.0
        for index, values in ((1, steps), (2, actions)):
            if values is not None:
                row = values.reshape(-1)[:_ENTRIES].astype("d").data
                first = 3 + (index - 1) * _ENTRIES
                numbers[index] = len(row)
                numbers[first : first + len(row)] = row
        numbers[0] = time.monotonic() + seconds

    def end(self) -> None:
        """Note that they came back."""
        self._numbers[0] = 0.0

    def overdue(self) -> Doing | None:
        """Return what should be over by now, or None."""
        numbers = self._numbers
        if not 0.0 < numbers[0] < time.monotonic():
            return None
        steps, actions = (
            numbers[first : first + int(numbers[index])].tolist()
            for index, first in ((1, 3), (2, 3 + _ENTRIES))
        )
        return Doing(
            [int(step) for step in steps],
            [int(entry) if float(entry).is_integer() else entry for entry in actions],
        )


_VARIABLE = "_ERLCTL_WATCH"  # of a child's environment: the descriptor
own: Watch | None = None  # where a parent looks at this process


def for_child() -> tuple[Watch, int, dict[str, str]]:
    """Return a watch, the descriptor to pass to a child, and what its environment must say."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("erlctl")
    else:  # not Linux
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.truncate(fd, _BYTES)
    return Watch(fd), fd, {_VARIABLE: str(fd)}


def adopt() -> None:
    """Let the parent that has passed a descriptor see what this process does."""
    global own  # noqa: PLW0603 - a process has one parent
    fd = os.environ.pop(_VARIABLE, None)
    if fd is not None:
        own = Watch(int(fd))
        os.close(int(fd))
