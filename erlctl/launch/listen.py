"""Signals of the batch's parent as a readable file descriptor: no work is done in a handler."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class Listener:
    """Signals that arrived and were not taken yet.

    Attributes:
        fd: Readable when a signal has arrived, for a selector.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._arrived: deque[int] = deque()

    def take(self) -> list[int]:
        """Return the signals since the last call, oldest first."""
        with suppress(BlockingIOError):  # woken by something else
            os.read(self.fd, 4096)
        taken = []
        while self._arrived:
            taken.append(self._arrived.popleft())
        return taken

    def note(self, signum: int, frame: FrameType | None) -> None:
        """Handler: remember the signal."""
        del frame
        self._arrived.append(signum)


def heard_signals() -> list[signal.Signals]:
    """Return the stop signals to react to: a hang-up that `nohup` made ignored stays ignored."""
    has_nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [number for number in STOP_SIGNALS if not (has_nohup and number == signal.SIGHUP)]


@contextmanager
def listening() -> Iterator[Listener]:
    """Take over the stop signals for the duration of the block; main thread only."""
    read_fd, write_fd = os.pipe()
    os.set_blocking(read_fd, False)
    os.set_blocking(write_fd, False)
    listener = Listener(read_fd)
    before = {number: signal.signal(number, listener.note) for number in heard_signals()}
    wakeup_before = signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
    try:
        yield listener
    finally:
        signal.set_wakeup_fd(wakeup_before)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(read_fd)
        os.close(write_fd)
