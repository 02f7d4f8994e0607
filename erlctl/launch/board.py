"""What is known of every run of a batch while it goes on, and the sentences about it."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from erlctl.launch.results import RunResult

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

    def apply(self, event: Mapping[str, Any]) -> str | None:
        """Take in one event; return a sentence for the user, or None."""
        kind = event["event"]
        if "run" not in event:
            return _batch_sentence(event)
        state = self.runs[event["run"]]
        if "step" in event:
            state.step = event["step"]
        sentence = _TELL[kind](state, event) if kind in _TELL else None
        return f"{state.label}: {sentence}" if sentence else None


def _assigned(state: RunState, event: Mapping[str, Any]) -> None:
    del event
    state.phase = "preparing"


def _compiling(state: RunState, event: Mapping[str, Any]) -> str:
    del event
    state.phase = "compiling"
    return "compiling"


def _started(state: RunState, event: Mapping[str, Any]) -> str | None:
    state.phase = "training"  # of a resume a message has told, with the checkpoint's name
    return None if event["is_resumed"] else f"started, {state.total_steps} steps"


def _tick(state: RunState, event: Mapping[str, Any]) -> None:
    state.phase = "training"
    rate = event["steps_per_second"]
    before = state.steps_per_second or rate
    state.steps_per_second = before + _RATE_WEIGHT * (rate - before)


def _evaluation(state: RunState, event: Mapping[str, Any]) -> str:
    state.last_return = event["return_mean"]
    return (
        f"step {state.step}: evaluation return {event['return_mean']:.1f} "
        f"(standard deviation {event['return_std']:.1f} over {event['episodes']} episodes)"
    )


def _message(state: RunState, event: Mapping[str, Any]) -> str:
    del state
    return str(event["text"])


def _ended(state: RunState, event: Mapping[str, Any]) -> str | None:
    result: RunResult = event["result"]
    state.phase, state.step, state.steps_per_second = result.status, result.step, 0.0
    if result.status == "skipped":
        return f"already complete at step {result.step}, skipped"
    if result.status == "pending":
        return None  # the table says so
    reason = f": {result.reason}" if result.reason else ""
    if result.status in ("busy", "refused"):
        return f"{result.status}{reason}"
    return f"{result.status} at step {result.step} after {duration(result.seconds)}{reason}"


_TELL = {
    "assigned": _assigned, "compiling": _compiling, "started": _started, "tick": _tick,
    "evaluation": _evaluation, "message": _message, "end": _ended,
}


def _batch_sentence(event: Mapping[str, Any]) -> str | None:
    kind = event["event"]
    if kind == "leaving":
        return "leaving now; the same line goes on from the last checkpoints"
    if kind == "fail_fast":
        return f"{event['failed']} failed: stopping the others (--fail-fast)"
    if kind != "stopping":
        return None
    if not event["signum"]:
        return "time budget used up (--max-seconds) - writing checkpoints"
    if event["signum"] == signal.SIGINT:
        return "interrupted - writing checkpoints (Ctrl-C again to quit now)"
    return f"{signal.Signals(event['signum']).name} received - writing checkpoints"


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
