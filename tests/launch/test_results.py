"""The one exit code of a batch."""

from __future__ import annotations

import pytest

from erlctl.errors import DamagedError, DivergedError, ErlctlError, RunBusyError
from erlctl.events import StopReason
from erlctl.launch.results import exit_code, status_of_error


@pytest.mark.parametrize(
    ("statuses", "ended_by", "expected"),
    [
        (["complete", "skipped"], None, 0),
        ([], None, 0),
        (["failed"], None, 3),
        (["complete", "failed"], None, 3),
        (["diverged"], None, 4),
        (["complete", "diverged", "diverged"], None, 4),
        (["damaged", "complete"], None, 5),
        (["busy"], None, 6),
        (["refused"], None, 2),
        (["diverged", "busy"], None, 3),
        (["failed", "diverged"], None, 3),
        (["interrupted", "pending"], StopReason("signal", 2), 130),
        (["interrupted", "failed"], StopReason("signal", 15), 143),
        (["interrupted"], StopReason("time_budget"), 75),
    ],
)
def test_exit_code_says_what_kept_the_batch_from_its_end(statuses, ended_by, expected):
    assert exit_code(statuses, ended_by) == expected


def test_a_signal_after_everything_was_done_changes_nothing():
    assert exit_code(["complete", "complete"], StopReason("signal", 2)) == 0
    assert exit_code(["complete", "diverged"], StopReason("signal", 2)) == 4


@pytest.mark.parametrize("status", ["interrupted", "pending"])
def test_an_unfinished_run_never_gives_zero(status):
    assert exit_code(["complete", status]) != 0


def test_runs_stopped_by_fail_fast_do_not_hide_the_failure():
    assert exit_code(["diverged", "interrupted", "pending"]) == 4


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RunBusyError("x"), "busy"), (DamagedError("x"), "damaged"),
        (DivergedError("x"), "diverged"),
        (ErlctlError("x"), "failed"), (ValueError("x"), "failed"), (SystemExit(0), "failed"),
    ],
)
def test_every_error_has_a_status(error, status):
    assert status_of_error(error) == status
