"""Stop a run when its evaluations no longer get better."""

from __future__ import annotations

import math

from erlctl.callbacks.base import Callback, RunInfo
from erlctl.errors import DomainError
from erlctl.events import Evaluated


class EarlyStopping(Callback):
    """Stops when the mean evaluation return has not risen for some evaluations, or is high enough.

    A resumed run decides as an uninterrupted one: it looks at the evaluations on the disk. One that
    was to stop at the last of them stops where it is, and so does a longer one.

    Args:
        patience: Evaluations without a better mean return before the stop; None never stops so.
        min_delta: By how much a return must exceed the best so far to count, in units of return.
        threshold: Stop as soon as an evaluation's mean return is at least this, units of return.
        min_steps: Environment steps before which nothing stops.

    Raises:
        DomainError: An argument is outside its domain, or nothing would ever stop.
    """

    def __init__(
        self, *, patience: int | None = 5, min_delta: float = 0.0, threshold: float | None = None,
        min_steps: int = 0,
    ) -> None:
        if patience is not None and (type(patience) is not int or patience < 1):
            raise DomainError("patience", patience, "a whole number of evaluations from 1, or null")
        if not _is_number(min_delta) or min_delta < 0:
            raise DomainError("min_delta", min_delta, "a number from 0")
        if threshold is not None and not _is_number(threshold):
            raise DomainError("threshold", threshold, "a number or null")
        if type(min_steps) is not int or min_steps < 0:
            raise DomainError("min_steps", min_steps, "a whole number of steps from 0")
        if patience is None and threshold is None:
            raise DomainError("patience", patience, "given where there is no threshold")
        self._patience, self._min_delta = patience, min_delta
        self._threshold, self._min_steps = threshold, min_steps
        self._best, self._waited = -math.inf, 0

    def on_start(self, run: RunInfo, step: int) -> str | None:
        """Look at the evaluations of earlier attempts; return why the last of them stops."""
        from erlctl.runs.summary import evaluation_means  # NumPy: not for the command's help

        self._best, self._waited = -math.inf, 0
        why = None
        steps, returns, _ = evaluation_means(run.paths)
        for at, value in zip(steps, returns, strict=True):
            if at <= step:
                why = self._decide(int(at), float(value))
        return why

    def on_evaluation(self, run: RunInfo, event: Evaluated) -> str | None:
        """Return why to stop."""
        del run
        return self._decide(event.step, event.return_mean)

    def _decide(self, step: int, value: float) -> str | None:
        if value > self._best + self._min_delta:
            self._best, self._waited = value, 0
        else:
            self._waited += 1
        if step < self._min_steps:
            return None
        if self._threshold is not None and value >= self._threshold:
            return f"evaluation return {value:g} has reached {self._threshold:g}"
        if self._patience is not None and self._waited >= self._patience:
            return (f"no evaluation return above {self._best + self._min_delta:g} "
                    f"in {self._waited} evaluations")
        return None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
