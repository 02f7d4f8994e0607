"""What a parent sees of a process whose environments do not come back."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from erlctl.environments.host import watch
from erlctl.environments.host.watch import Doing, Watch
from erlctl.environments.host.watchdog import time_limit


@pytest.fixture
def pair():
    """Return a parent's watch and a child's on the same memory."""
    theirs, fd, _ = watch.for_child()
    ours = Watch(fd)
    os.close(fd)
    return theirs, ours


def test_nothing_is_overdue_before_its_time_and_after_its_end(pair):
    parent, child = pair
    assert parent.overdue() is None
    child.begin(60, np.array([3]), np.array([1]))
    assert parent.overdue() is None
    child.begin(0.001, np.array([3]), np.array([1]))
    time.sleep(0.01)
    assert parent.overdue() == Doing([3], [1])
    child.end()
    assert parent.overdue() is None


def test_a_reset_has_neither_step_nor_action_and_long_rows_are_cut(pair):
    parent, child = pair
    child.begin(-1, np.arange(40), np.full((40, 2), 0.5, np.float32))
    assert parent.overdue() == Doing(list(range(16)), [0.5] * 16)
    child.begin(-1, None, None)
    assert parent.overdue() == Doing([], [])


def test_a_time_limit_is_seen_while_its_block_runs(pair, monkeypatch):
    parent, child = pair
    monkeypatch.setattr(watch, "own", child)
    later = time.monotonic() + 100
    monkeypatch.setattr(watch.time, "monotonic", lambda: later)
    seen = []

    def fall():
        with time_limit(5, np.array([7]), np.array([[0.5, 1.0]])):
            seen.append(parent.overdue())
            later_still = later + 10
            monkeypatch.setattr(watch.time, "monotonic", lambda: later_still)
            seen.append(parent.overdue())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fall()
    assert seen == [None, Doing([7], [0.5, 1])]
    assert parent.overdue() is None


def test_a_child_adopts_what_its_parent_has_passed():
    program = (
        "import numpy as np; from erlctl.environments.host import watch; watch.adopt(); "
        "watch.own.begin(-1, np.array([4]), np.array([2]))"
    )
    parent, fd, variables = watch.for_child()
    subprocess.run(
        [sys.executable, "-c", program], check=True, pass_fds=[fd], env={**os.environ, **variables}
    )
    os.close(fd)
    assert parent.overdue() == Doing([4], [2])
