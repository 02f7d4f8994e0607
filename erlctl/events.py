"""What happens to a run and how it ends, as plain data from the training loop to the batch.

Everything here is a frozen dataclass of JSON values, so that it crosses a pipe or a cluster as it
is. No TensorFlow.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Literal

Status = Literal["complete", "skipped", "interrupted", "diverged", "failed"]


@dataclass(frozen=True)
class StopReason:
    """Why a run or a batch is to stop before its end.

    Attributes:
        cause: A signal arrived, the time budget is used up, or the process holds too much memory.
        signum: The signal, where it was one.
        message: One sentence for people, "" where the cause says it all.
    """

    cause: Literal["signal", "time_budget", "memory_limit"]
    signum: int | None = None
    message: str = ""

    @property
    def exit_code(self) -> int:
        """75 asks for the same line again (preempted, out of time); else 128 + the signal."""
        if self.signum is None or self.signum in (signal.SIGUSR1, signal.SIGUSR2):
            return 75
        return 128 + self.signum


@dataclass(frozen=True)
class Outcome:
    """What became of one run.

    Attributes:
        status: How it ended; `skipped` was complete before.
        step: Environment steps done.
        message: One sentence where the status needs one, else "".
        stop: Why it stopped, where it was stopped.
    """

    status: Status
    step: int
    message: str = ""
    stop: StopReason | None = None
