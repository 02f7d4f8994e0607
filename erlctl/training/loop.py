"""The host's part of a run: when to call which compiled function, and what to tell the recorder.

Nothing here changes a number of the run: chunks may be cut anywhere, the state is in the program.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Protocol

import numpy as np

from erlctl.events import Outcome, ShouldStop, Status
from erlctl.spec.schema import RunSpec
from erlctl.training.chunk import Chunk, Episodes
from erlctl.training.protocol import Program

# How a run that is stopped has ended: a callback asks for the end because it has seen enough.
_STOPPED: Mapping[str, Status] = {"memory_limit": "failed", "callback": "complete"}
# How long a chunk may take, so that signals are answered soon; the first one is a guess.
_CHUNK_SECONDS = 0.5
_FIRST_CHUNK = 64


class Recorder(Protocol):
    """What the loop needs from storage."""

    def episodes(self, episodes: Episodes) -> None:
        """Training episodes ended."""

    def progress(self, row: dict[str, float]) -> None:
        """A logging interval is over; absent figures are unknown."""

    def evaluation(self, step: int, returns: np.ndarray, lengths: np.ndarray) -> None:
        """An evaluation was made."""

    def checkpoint(self, step: int) -> None:
        """Save everything now."""

    def tick(self, step: int, steps_per_second: float) -> None:
        """The run is at `step`; called after each chunk, to be cheap."""


def train(
    program: Program,
    run: RunSpec,
    recorder: Recorder,
    should_stop: ShouldStop = lambda: None,
) -> Outcome:
    """Take `program` from its step to the end of the run.

    Args:
        program: At step 0 or restored.
        run: Resolved spec.
        recorder: Gets every row; asked to checkpoint on schedule, at the end and when stopped.
        should_stop: Polled between chunks; a reason ends the run after a checkpoint: as failed
            where it holds too much memory, as complete for a callback, else as interrupted.

    Returns:
        How it ended. A non-finite number ends it without a checkpoint: the last one is finite.
    """
    total = run.training.steps
    pace = _Pace(run.environment.num_envs)
    while program.step < total:
        stop_reason = should_stop()
        if stop_reason is not None:
            recorder.checkpoint(program.step)
            status = _STOPPED.get(stop_reason.cause, "interrupted")
            message = stop_reason.message or f"stopped at step {program.step}"
            return Outcome(status, program.step, message, stop_reason)
        before = program.step
        stop = _next_stop(run, before)
        if _is_due(run, run.logging.every, before, stop):
            last = run.environment.num_envs  # one vector step before the row
            if stop - before == last:
                program.take_diagnostics()
            else:
                stop -= last
        chunk = pace.advance(program, stop - before)
        recorder.episodes(chunk.episodes)
        recorder.tick(chunk.step, pace.steps_per_second)
        if chunk.diverged_at is not None:
            message = f"the loss is not finite at step {chunk.diverged_at}"
            return Outcome("diverged", chunk.step, message)
        _events(program, run, recorder, pace, before, chunk.step)
    return Outcome("complete", program.step)


def _events(
    program: Program, run: RunSpec, recorder: Recorder, pace: _Pace, before: int, now: int
) -> None:
    if _is_due(run, run.logging.every, before, now):
        row = {"step": now, "updates": program.updates, **program.interval_metrics()}
        recorder.progress({**row, "steps_per_second": pace.interval_rate()})
    if _is_due(run, run.evaluation.every, before, now):
        recorder.evaluation(now, *program.evaluate(run.evaluation.episodes))
    if _is_due(run, run.checkpoint.every, before, now):
        recorder.checkpoint(now)


def _is_due(run: RunSpec, every: int, before: int, now: int) -> bool:
    """Return whether something that happens every so many steps, and at the end, happens now."""
    return now >= run.training.steps or before // every != now // every


def _next_stop(run: RunSpec, step: int) -> int:
    """Return the step of the next event; events fall on the first vector step at or after them."""
    num_envs = run.environment.num_envs
    frequencies = (run.logging.every, run.evaluation.every, run.checkpoint.every)
    nearest = min(run.training.steps, *((step // every + 1) * every for every in frequencies))
    return -(-nearest // num_envs) * num_envs


class _Pace:
    """Cuts the way to the next event into chunks of about half a second."""

    def __init__(self, num_envs: int) -> None:
        self._num_envs = num_envs
        self._chunk = _FIRST_CHUNK
        self.steps_per_second = 0.0
        self._steps, self._seconds = 0, 0.0

    def advance(self, program: Program, num_steps: int) -> Chunk:
        """Advance by `num_steps` or by one chunk, whichever is less."""
        vector_steps = min(num_steps // self._num_envs, self._chunk, program.max_chunk)
        started = time.monotonic()
        chunk = program.advance(vector_steps * self._num_envs)
        seconds = max(time.monotonic() - started, 1e-9)
        self.steps_per_second = vector_steps * self._num_envs / seconds
        self._steps += vector_steps * self._num_envs
        self._seconds += seconds
        wanted = int(vector_steps / seconds * _CHUNK_SECONDS)
        self._chunk = max(1, min(wanted, self._chunk * 4))
        return chunk

    def interval_rate(self) -> float:
        """Return the training steps per second since the last call, evaluations left out."""
        rate = self._steps / max(self._seconds, 1e-9)
        self._steps, self._seconds = 0, 0.0
        return rate
