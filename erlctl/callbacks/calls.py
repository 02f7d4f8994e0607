"""Calls a run's callbacks as its events come, in the process that trains it."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

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
        self._has_begun = False
        self.stop: StopReason | None = None

    def on_event(self, event: Event) -> None:
        """Tell the callbacks what concerns them.

        Raises:
            CallbackError: One of them raised.
        """
        match event:
            case Started(step=step):
                self._has_begun = True
                self._each(lambda callback: callback.on_start(self._run, step))
            case Evaluated():
                self._each(lambda callback: callback.on_evaluation(self._run, event))
            case Saved():
                self._each(lambda callback: callback.on_checkpoint(self._run, event))

    def end(self, outcome: Outcome) -> Outcome:
        """Tell how the run ended; return that, or the failure of a callback.

        The run directory is final by then: what a callback spoils here is its own, so run.json
        keeps its status, and the batch and log.txt tell of the failure.
        """
        if not self._has_begun:
            return outcome
        try:
            self._each(lambda callback: callback.on_end(self._run, outcome))
        except CallbackError as error:
            write_log(self._run.paths.log, traceback.format_exc())
            return replace(outcome, status="failed", message=sentence(error), stop=None)
        return outcome

    def _each(self, call: Callable[[Callback], Any]) -> None:
        for callback in self._callbacks:
            try:
                why = call(callback)
            except (Exception, SystemExit) as error:  # whatever it does wrong
                raise CallbackError(f"callback {callback.name} raised {sentence(error)}") from error
            if why and self.stop is None:
                self.stop = StopReason("callback", message=f"stopped early: {why} "
                                                           f"({callback.name})")
