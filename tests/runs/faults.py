"""Lets the N-th file operation of this process be its last, or fail.

A killed process does nothing more: after the N-th operation every further one raises `Killed` too,
so that no handler or `finally` can clean up, as after SIGKILL. Only closing works, as the kernel
closes.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

OPERATIONS = ("write", "pwrite", "fsync", "rename", "replace", "mkdir", "unlink", "rmdir",
              "ftruncate")


class Killed(BaseException):
    """The process would be dead now."""


class _Counter:
    def __init__(self, nth: int | None, error: OSError | None) -> None:
        self.count = 0
        self.nth = nth
        self.error = error
        self._lock = threading.Lock()  # checkpoints are written in a thread of their own

    def wrap(self, real: Callable[..., object]) -> Callable[..., object]:
        def operation(*args: object, **kwargs: object) -> object:
            with self._lock:
                self.count += 1
                count = self.count
            if self.nth is not None and self.error is None and count >= self.nth:
                raise Killed
            if self.error is not None and count == self.nth:
                raise self.error
            return real(*args, **kwargs)

        return operation


@contextmanager
def dying_at(nth: int | None, *, error: OSError | None = None) -> Iterator[_Counter]:
    """Make the `nth` operation the last one, or with `error` the one that fails."""
    counter = _Counter(nth, error)
    patches = {name: counter.wrap(getattr(os, name)) for name in OPERATIONS}
    with mock.patch.multiple(os, **patches):
        yield counter


def count_operations(action: Callable[[], object]) -> int:
    """Return how many operations `action` needs."""
    with dying_at(None) as counter:
        action()
    return counter.count
