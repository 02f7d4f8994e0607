"""A time limit on the code of environments."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import numpy as np

from erlctl.environments.host import watch

# What the code in a handler may take, before the parent ends the process.
_GRACE_SECONDS = 2.0


class Hung(BaseException):
    """The code took too long; not an `Exception`, so that what hangs does not swallow it."""


@contextmanager
def time_limit(
    seconds: float, steps: np.ndarray | None = None, actions: np.ndarray | None = None
) -> Iterator[None]:
    """Raise `Hung` in the block when it has taken `seconds`.

    Works where signals are handled: in the main thread and in Python code. Compiled code that does
    not return is ended with its process by the parent, where there is one that watches. An alarm of
    somebody else goes on afterwards.

    Args:
        seconds: The limit.
        steps: Steps of the episodes, int64 [N], for the parent's message.
        actions: What the environments are given, [N, ...], for the parent's message.
    """
    if watch.own is None:
        with _alarm(seconds):
            yield
        return
    watch.own.begin(seconds + _GRACE_SECONDS, steps, actions)
    try:
        with _alarm(seconds):
            yield
    finally:
        watch.own.end()


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGALRM, _raise)
    before = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *before)
        signal.signal(signal.SIGALRM, handler)


def _raise(signum: int, frame: FrameType | None) -> None:
    del signum, frame
    raise Hung
