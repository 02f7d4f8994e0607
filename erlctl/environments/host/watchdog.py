"""A time limit on Python code in the main thread."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Hung(BaseException):
    """The code took too long; not an `Exception`, so that what hangs does not swallow it."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `Hung` in the block when it has taken `seconds`.

    Works where signals are handled: in the main thread and in Python code. C code that never
    returns, and other threads, are not interrupted. An alarm of somebody else goes on afterwards.
    """
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
