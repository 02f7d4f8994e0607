"""What happens to a run and how it ends, as plain data from the training loop to the batch.

Everything here is a frozen dataclass of JSON values, so that it crosses a pipe or a cluster as it
is (`to_json`, `from_json`). An event of one run names it in `run`. No TensorFlow.
"""

from __future__ import annotations

import dataclasses
import re
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["complete", "skipped", "interrupted", "diverged", "failed", "damaged", "busy",
                 "refused", "pending"]


@dataclass(frozen=True)
class StopReason:
    """Why a run or a batch is to stop before its end.

    Attributes:
        cause: A signal arrived, the time budget is used up, the process holds too much memory,
            another run failed under `--fail-fast`, or a callback asks for the end, which makes the
            run complete.
        signum: The signal, where it was one.
        message: One sentence for people, "" where the cause says it all.
    """

    cause: Literal["signal", "time_budget", "memory_limit", "fail_fast", "callback"]
    signum: int | None = None
    message: str = ""

    @property
    def exit_code(self) -> int:
        """75 asks for the same line again (preempted, out of time); else 128 + the signal."""
        if self.signum is None or self.signum in (signal.SIGUSR1, signal.SIGUSR2):
            return 75
        return 128 + self.signum


ShouldStop = Callable[[], StopReason | None]


@dataclass(frozen=True)
class Outcome:
    """What became of one run.

    Attributes:
        status: How it ended; `skipped` was complete before, `pending` was not begun.
        step: Environment steps done.
        message: One sentence where the status needs one, else "".
        stop: Why it stopped, where it was stopped.
    """

    status: Status
    step: int = 0
    message: str = ""
    stop: StopReason | None = None


@dataclass(frozen=True)
class Ready:
    """A worker has imported what it needs and takes runs."""


@dataclass(frozen=True)
class Assigned:
    """A process takes the run up; `pid` is 0 where it is not of this machine."""

    run: str
    pid: int


@dataclass(frozen=True)
class Compiling:
    """The run's program is being built."""

    run: str


@dataclass(frozen=True)
class Compiled:
    """The run's program was built."""

    run: str
    seconds: float


@dataclass(frozen=True)
class Started:
    """Training begins at `step`, which is not 0 after a resume."""

    run: str
    step: int
    total_steps: int
    is_resumed: bool


@dataclass(frozen=True)
class Tick:
    """The run is at `step`."""

    run: str
    step: int
    steps_per_second: float


@dataclass(frozen=True)
class Evaluated:
    """An evaluation was made; returns in units of return, lengths in steps."""

    run: str
    step: int
    episodes: int
    return_mean: float
    return_std: float
    length_mean: float


@dataclass(frozen=True)
class Saved:
    """A full checkpoint was published."""

    run: str
    step: int


@dataclass(frozen=True)
class Message:
    """A sentence about the run."""

    run: str
    text: str


@dataclass(frozen=True)
class Ended:
    """The process that trained the run is done with it.

    Attributes:
        is_spent: Whether the process must not train another run: it is too large.
    """

    run: str
    outcome: Outcome
    seconds: float
    is_spent: bool = False


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What became of one run of a batch.

    Attributes:
        label: `<name>/<variant>/seed-<n>`.
        root: Run directory.
        outcome: How it ended.
        total_steps: Environment steps asked for.
        seconds: Wall-clock seconds that this command spent on the run.
    """

    label: str
    root: str
    outcome: Outcome
    total_steps: int = 0
    seconds: float = 0.0

    @property
    def status(self) -> Status:
        """How it ended."""
        return self.outcome.status

    @property
    def is_problem(self) -> bool:
        """Whether the run needs somebody to look at it."""
        return self.status in ("failed", "diverged", "damaged", "busy", "refused")


@dataclass(frozen=True)
class Finished:
    """The batch has the run's result."""

    run: str
    result: RunResult


@dataclass(frozen=True)
class Stopping:
    """The batch is ended early: runs write checkpoints."""

    reason: StopReason


@dataclass(frozen=True)
class Leaving:
    """The batch is left at once, without checkpoints."""


@dataclass(frozen=True)
class Refresh:
    """Nothing happened; a display may draw."""


RunEvent = (Assigned | Compiling | Compiled | Started | Tick | Evaluated | Saved | Message | Ended
            | Finished)
Event = RunEvent | Ready | Stopping | Leaving | Refresh
OnEvent = Callable[[Event], None]
# What a process that trains runs may send; the rest is made where the batch is.
_SENT = (Ready, Compiling, Compiled, Started, Tick, Evaluated, Saved, Message, Ended)
Sent = Ready | Compiling | Compiled | Started | Tick | Evaluated | Saved | Message | Ended


def _name(cls: type) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


_CLASSES: Mapping[str, type[Any]] = {_name(cls): cls for cls in _SENT}


def to_json(event: Event) -> dict[str, Any]:
    """Return an event as an object of JSON values that `from_json` reads."""
    return {"event": _name(type(event)), **dataclasses.asdict(event)}


def from_json(message: Mapping[str, Any]) -> Sent:
    """Return the event that `to_json` wrote in a process that trains runs.

    Raises:
        ValueError: It is none.
    """
    fields = dict(message)
    try:
        cls = _CLASSES[fields.pop("event")]
        if cls is Ended:
            fields["outcome"] = outcome_from_json(fields["outcome"])
        return cls(**fields)
    except (KeyError, TypeError) as error:
        raise ValueError(f"not an event: {message!r:.200}") from error


def outcome_from_json(message: Mapping[str, Any]) -> Outcome:
    """Return the outcome that `dataclasses.asdict` took apart."""
    stop = message["stop"]
    return Outcome(**{**message, "stop": None if stop is None else StopReason(**stop)})
