"""Calls a run's callbacks as its events come, in the process that trains it."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace

from erlctl.callbacks.base import Callback, RunInfo
from erlctl.errors import sentence
from erlctl.events import Evaluated, Event, Outcome, Saved, Started, StopReason
from erlctl.runs.record import write_log


class CallbackError(Exception):
    """A callback raised; the run fails."""


class Calls:
    """The callbacks of one run.

    Args:
        callbacks: One object each, this run's own.
        run: The run.

    Attributes:
        stop: Set once a callback asks for the end.
    """

    def __init__(self, callbacks: Sequence[Callback], run: RunInfo) -> None:
        self._callbacks, self._run = callbacks, run
        self._begun: list[Callback] = []  # those whose `on_start` went well
        self.stop: StopReason | None = None

    def on_event(self, event: Event) -> None:
        """Tell the callbacks what concerns them.

        Raises:
            CallbackError: One of them raised.
        """
        match event:
            case Started(step=step):
                for callback in self._callbacks:
                    self._call(callback, callback.on_start, step)
                    self._begun.append(callback)
            case Evaluated():
                for callback in self._begun:
                    self._call(callback, callback.on_evaluation, event)
            case Saved():
                for callback in self._begun:
                    self._call(callback, callback.on_checkpoint, event)

    def end(self, outcome: Outcome) -> Outcome:
        """Tell every callback that began how the run ended; return that, or a callback's failure.

        The run directory is final by then: what a callback spoils here is its own, so run.json
        keeps its status, log.txt tells of every failure, and the batch of the first, unless the
        run has gone wrong itself.
        """
        failures = list[str]()
        for callback in self._begun:
            try:
                self._call(callback, callback.on_end, outcome)
            except CallbackError as error:
                write_log(self._run.paths.log, traceback.format_exc())
                failures.append(sentence(error))
        if not failures or outcome.status not in ("complete", "interrupted"):
            return outcome
        return replace(outcome, status="failed", message=failures[0], stop=None)

    def _call(self, callback: Callback, method: Callable[..., str | None], what: object) -> None:
        try:
            why = method(self._run, what)
        except (Exception, SystemExit) as error:  # whatever it does wrong
            raise CallbackError(f"callback {callback.name} raised {sentence(error)}") from error
        if why and self.stop is None:
            self.stop = StopReason("callback", message=f"stopped early: {why} ({callback.name})")
