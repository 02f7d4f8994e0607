"""A process hears of its parent's death by a signal, whatever it is doing. Linux only."""

from __future__ import annotations

import contextlib
import ctypes

_PR_SET_PDEATHSIG = 1


def signal_when_the_parent_dies(signum: int) -> None:
    """Have the kernel send `signum` to this process then; elsewhere than on Linux nothing happens.

    It is a second line besides the end of stdin, which another process might keep open and which
    nobody reads in compiled code that hangs. The kernel goes by the thread that has started this
    process: it must be one that lasts as long as the parent.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signum)
