"""What became of each run of a batch, and the one exit code that follows from it. No TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from erlctl.errors import (
    DamagedError,
    DivergedError,
    ErlctlError,
    RunBusyError,
    SomeRunsFailedError,
    SpecChangedError,
)

# Status of a result -> the exit code when nothing else went wrong. `skipped` was complete before;
# `pending` and `interrupted` are nobody's failure: what ended the batch decides.
PROBLEM_EXIT_CODES = {
    "failed": SomeRunsFailedError.exit_code,
    "diverged": DivergedError.exit_code,
    "damaged": DamagedError.exit_code,
    "busy": RunBusyError.exit_code,
    "refused": SpecChangedError.exit_code,
}
RESULT_STATUSES = ("complete", "skipped", "interrupted", "pending", *PROBLEM_EXIT_CODES)


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What became of one run.

    Attributes:
        label: `<name>/<variant>/seed-<n>`.
        root: Run directory.
        status: One of `RESULT_STATUSES`.
        step: Environment steps done.
        total_steps: Environment steps asked for.
        seconds: Wall-clock seconds that this command spent on the run.
        reason: One sentence where the status needs one, else "".
        signum: Signal that a worker was stopped by, for `interrupted`.
    """

    label: str
    root: str
    status: str
    step: int = 0
    total_steps: int = 0
    seconds: float = 0.0
    reason: str = ""
    signum: int | None = None

    @property
    def is_problem(self) -> bool:
        """Whether the run needs somebody to look at it."""
        return self.status in PROBLEM_EXIT_CODES


@dataclass(frozen=True, kw_only=True)
class BatchResult:
    """All results, in the order of the runs asked for.

    Attributes:
        results: One per run.
        ended_by: What ended the batch before its end: an exit code (130, 143, 129, 75) or None.
    """

    results: Sequence[RunResult]
    ended_by: int | None = None

    @property
    def exit_code(self) -> int:
        """See `exit_code`."""
        return exit_code([result.status for result in self.results], self.ended_by)


def exit_code(statuses: Sequence[str], ended_by: int | None = None) -> int:
    """Return the exit code of a batch.

    A signal or an exhausted budget decides if it kept a run from its end. Else every problem of
    one kind gives that kind's code, problems of several kinds give 3 (some runs failed), no problem
    gives 0. A single run follows the same rule.

    Args:
        statuses: One of `RESULT_STATUSES` per run.
        ended_by: Exit code of the signal or budget that ended the batch early, if one did.
    """
    if ended_by is not None and {"interrupted", "pending"} & set(statuses):
        return ended_by
    codes = {PROBLEM_EXIT_CODES[status] for status in statuses if status in PROBLEM_EXIT_CODES}
    if len(codes) == 1:
        return codes.pop()
    if codes:
        return SomeRunsFailedError.exit_code
    # Cannot happen without `ended_by`; but 0 must mean that everything asked for is done.
    unfinished = set(statuses) & {"interrupted", "pending"}
    return SomeRunsFailedError.exit_code if unfinished else 0


# Which status an exception that ends a run stands for; everything else is "failed".
_STATUS_OF_ERROR: tuple[tuple[type[ErlctlError], str], ...] = (
    (RunBusyError, "busy"),
    (DamagedError, "damaged"),
    (DivergedError, "diverged"),
    (SpecChangedError, "refused"),
)


def status_of_error(error: BaseException) -> str:
    """Return the status of a run that ended with `error`."""
    for cls, status in _STATUS_OF_ERROR:
        if isinstance(error, cls):
            return status
    return "failed"
