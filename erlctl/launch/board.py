"""What is known of every run of a batch while it goes on, and the sentences about it."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass

from erlctl.events import (
    Assigned,
    Compiling,
    Evaluated,
    Event,
    Finished,
    Leaving,
    Message,
    RunResult,
    Started,
    Stopping,
    StopReason,
    Tick,
)

_RATE_WEIGHT = 0.3  # of the newest rate; chunks are about half a second


@dataclass
class RunState:
    """The line of one run.

    Attributes:
        label: `<name>/<variant>/seed-<n>`.
        total_steps: Environment steps asked for.
        step: Environment steps done.
        phase: "waiting", "preparing", "compiling", "training" or the status it ended with.
        steps_per_second: Recent training rate, 0 while unknown.
        last_return: Mean return of the newest evaluation, None before the first.
    """

    label: str
    total_steps: int
    step: int = 0
    phase: str = "waiting"
    steps_per_second: float = 0.0
    last_return: float | None = None

    @property
    def is_active(self) -> bool:
        """Whether a worker is at it now."""
        return self.phase in ("preparing", "compiling", "training")

    @property
    def seconds_left(self) -> float | None:
        """Seconds to the end at the present rate, evaluations and checkpoints left out."""
        if not self.steps_per_second:
            return None
        return (self.total_steps - self.step) / self.steps_per_second

    def describe(self) -> str:
        """Return one line of figures: `step=120000/500000 24% return=87.3 rate=812/s eta=7m48s`."""
        percent = 100 * self.step // max(self.total_steps, 1)
        parts = [f"step={self.step}/{self.total_steps} {percent}%"]
        if self.last_return is not None:
            parts.append(f"return={self.last_return:.1f}")
        if self.steps_per_second:
            parts.append(f"rate={self.steps_per_second:.0f}/s")
        if self.seconds_left is not None:
            parts.append(f"eta={duration(self.seconds_left)}")
        return " ".join(parts)


class Board:
    """All runs; `apply` takes an event and returns what is worth saying about it."""

    def __init__(self, runs: Sequence[tuple[str, int]]) -> None:
        self.runs = {label: RunState(label, total) for label, total in runs}

    @property
    def active(self) -> list[RunState]:
        """Runs that a worker is at."""
        return [state for state in self.runs.values() if state.is_active]

    @property
    def done(self) -> int:
        """How many runs have ended."""
        return sum(not (s.is_active or s.phase == "waiting") for s in self.runs.values())

    @property
    def seconds_left(self) -> float | None:
        """Seconds until all runs end if the active ones' rates stay; None while unknown."""
        rate = sum(state.steps_per_second for state in self.active)
        left = sum(
            state.total_steps - state.step
            for state in self.runs.values() if state.is_active or state.phase == "waiting"
        )
        return left / rate if rate else None

    def apply(self, event: Event) -> str | None:
        """Take in one event; return a sentence for the user, or None."""
        run = getattr(event, "run", None)
        if run is None:
            return _batch_sentence(event)
        state = self.runs[run]
        state.step = getattr(event, "step", state.step)
        sentence = _run_sentence(state, event)
        return f"{state.label}: {sentence}" if sentence else None


def _run_sentence(state: RunState, event: Event) -> str | None:
    match event:
        case Assigned():
            state.phase = "preparing"
        case Compiling():
            state.phase = "compiling"
            return "compiling"
        case Started():
            state.phase = "training"  # of a resume a message has told, with the checkpoint's name
            return None if event.is_resumed else f"started, {state.total_steps} steps"
        case Tick(steps_per_second=rate):
            state.phase = "training"
            before = state.steps_per_second or rate
            state.steps_per_second = before + _RATE_WEIGHT * (rate - before)
        case Evaluated():
            state.last_return = event.return_mean
            return (f"step {state.step}: evaluation return {event.return_mean:.1f} "
                    f"(standard deviation {event.return_std:.1f}) over {event.episodes} episodes")
        case Message():
            return event.text
        case Finished(result=result):
            return _finished(state, result)
    return None


def _finished(state: RunState, result: RunResult) -> str | None:
    outcome = result.outcome
    state.phase, state.step, state.steps_per_second = outcome.status, outcome.step, 0.0
    message = f": {outcome.message}" if outcome.message else ""
    match outcome.status:
        case "skipped":
            why = outcome.message.removeprefix("already complete")
            return f"already complete at step {outcome.step}, skipped{why}"
        case "pending":
            return None  # the table says so
        case "busy" | "refused":
            return f"{outcome.status}{message}"
    return f"{outcome.status} at step {outcome.step} after {duration(result.seconds)}{message}"


def _batch_sentence(event: Event) -> str | None:
    match event:
        case Leaving():
            return "leaving now; the same line goes on from the last checkpoints"
        case Stopping(reason=StopReason(message=message)) if message:
            return message
        case Stopping(reason=StopReason(signum=signal.SIGINT)):
            return "interrupted - writing checkpoints (Ctrl-C again to quit now)"
        case Stopping(reason=StopReason(signum=int() as signum)):
            return f"{signal.Signals(signum).name} received - writing checkpoints"
    return None


def duration(seconds: float) -> str:
    """Return seconds as people say them: 0.4s, 12s, 7m48s, 3h05m, 2d04h."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}m{rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours < 24 else f"{hours // 24}d{hours % 24:02d}h"
