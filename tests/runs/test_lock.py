from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from erlctl.errors import RunBusyError
from erlctl.runs import lock

HOLDER = """
import sys, time
from pathlib import Path
from erlctl.runs import lock
with lock.hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Start another process that holds the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path / ".lock"], stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_f20_a_second_process_is_told_who_holds_the_run_and_since_when(tmp_path, holder):
    with pytest.raises(RunBusyError) as caught, lock.hold(tmp_path / ".lock"):
        pass
    assert f"pid {holder.pid}" in str(caught.value)
    assert "since 20" in str(caught.value)
    assert caught.value.exit_code == 6


def test_f21_a_killed_holder_holds_nothing(tmp_path, holder):
    assert lock.is_held(tmp_path / ".lock")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert not lock.is_held(tmp_path / ".lock")
    with lock.hold(tmp_path / ".lock"):
        assert lock.read_holder(tmp_path / ".lock")["pid"] == os.getpid()


def test_children_do_not_inherit_the_lock(tmp_path):
    with lock.hold(tmp_path / ".lock"):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        assert not lock.is_held(tmp_path / ".lock")
    finally:
        child.kill()
        child.wait()


def test_readers_that_probe_do_not_make_a_start_fail(tmp_path):
    probe = subprocess.Popen([sys.executable, "-c", (
        "import sys\nfrom pathlib import Path\nfrom erlctl.runs import lock\n"
        "print('on', flush=True)\nwhile True: lock.is_held(Path(sys.argv[1]))"
    ), tmp_path / ".lock"], stdout=subprocess.PIPE)
    try:
        probe.stdout.readline()
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline:
            with lock.hold(tmp_path / ".lock"):
                pass
    finally:
        probe.kill()
        probe.wait()
        probe.stdout.close()


def test_the_holder_is_told_apart_from_one_with_the_same_pid(tmp_path):
    with lock.hold(tmp_path / ".lock"):
        holder = lock.read_holder(tmp_path / ".lock")
    assert holder["pid_start_ticks"] == lock.start_ticks(os.getpid())
    assert holder["boot_id"] == lock.boot_id()


def test_a_folder_that_was_moved_aside_meanwhile_is_busy(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    real = lock.fcntl.flock

    def moved_first(descriptor, operation):
        (tmp_path / "run").rename(tmp_path / "aside")
        return real(descriptor, operation)

    monkeypatch.setattr(lock.fcntl, "flock", moved_first)
    with pytest.raises(RunBusyError, match="moved it aside"), lock.hold(tmp_path / "run/.lock"):
        pass


def test_a_lock_file_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "victim").write_text("precious")
    (tmp_path / ".lock").symlink_to(tmp_path / "victim")
    with pytest.raises(Exception, match="cannot be opened"), lock.hold(tmp_path / ".lock"):
        pass
    assert (tmp_path / "victim").read_text() == "precious"
