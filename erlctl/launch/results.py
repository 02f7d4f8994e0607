"""The one exit code that follows from what became of each run of a batch. No TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from erlctl.errors import (
    DamagedError,
    DivergedError,
    ErlctlError,
    RunBusyError,
    SomeRunsFailedError,
    SpecChangedError,
)
from erlctl.events import RunResult, Status, StopReason

# Status of a run -> the exit code when nothing else went wrong. `skipped` was complete before;
# `pending` and `interrupted` are nobody's failure: what ended the batch decides.
PROBLEM_EXIT_CODES: Mapping[str, int] = {
    "failed": SomeRunsFailedError.exit_code,
    "diverged": DivergedError.exit_code,
    "damaged": DamagedError.exit_code,
    "busy": RunBusyError.exit_code,
    "refused": SpecChangedError.exit_code,
}


@dataclass(frozen=True, kw_only=True)
class BatchResult:
    """All results, in the order of the runs asked for.

    Attributes:
        results: One per run.
        ended_by: What ended the batch before its end, or None.
        is_detached: Whether runs go on elsewhere, so that `pending` is what was asked for.
    """

    results: Sequence[RunResult]
    ended_by: StopReason | None = None
    is_detached: bool = False

    @property
    def exit_code(self) -> int:
        """See `exit_code`."""
        statuses = [result.status for result in self.results
                    if not (self.is_detached and result.status == "pending")]
        return exit_code(statuses, self.ended_by)


def exit_code(statuses: Sequence[str], ended_by: StopReason | None = None) -> int:
    """Return the exit code of a batch.

    A signal or an exhausted budget decides if it kept a run from its end. Else every problem of
    one kind gives that kind's code, problems of several kinds give 3 (some runs failed), no problem
    gives 0. A single run follows the same rule.

    Args:
        statuses: How each run ended.
        ended_by: The signal or budget that ended the batch early, if one did.
    """
    if ended_by is not None and {"interrupted", "pending"} & set(statuses):
        return ended_by.exit_code
    codes = {PROBLEM_EXIT_CODES[status] for status in statuses if status in PROBLEM_EXIT_CODES}
    if len(codes) == 1:
        return codes.pop()
    if codes:
        return SomeRunsFailedError.exit_code
    # Cannot happen without `ended_by`; but 0 must mean that everything asked for is done.
    unfinished = set(statuses) & {"interrupted", "pending"}
    return SomeRunsFailedError.exit_code if unfinished else 0


# Which status an exception that ends a run stands for; everything else is "failed".
_STATUS_OF_ERROR: tuple[tuple[type[ErlctlError], Status], ...] = (
    (RunBusyError, "busy"),
    (DamagedError, "damaged"),
    (DivergedError, "diverged"),
    (SpecChangedError, "refused"),
)


def status_of_error(error: BaseException) -> Status:
    """Return the status of a run that ended with `error`."""
    for cls, status in _STATUS_OF_ERROR:
        if isinstance(error, cls):
            return status
    return "failed"
