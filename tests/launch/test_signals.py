"""Signals to a real parent process with real (fake-training) workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from erlctl.launch.process import worker_environment
from erlctl.runs.layout import find_runs, read_run_json


class Parent:
    """A running parent with two runs of 1,000 steps (10 s) on two workers."""

    def __init__(self, spec_path: Path, runs_dir: Path, stderr: Path) -> None:
        self.runs_dir = runs_dir
        self._stderr = stderr
        script = Path(__file__).with_name("parent.py")
        with stderr.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, str(script), str(spec_path), str(runs_dir)],
                env=worker_environment(), stdout=subprocess.PIPE, stderr=file, text=True,
            )
        self.workers = [int(self.process.stdout.readline()) for _ in range(2)]

    def send(self, signum: int) -> None:
        self.process.send_signal(signum)

    @property
    def said(self) -> str:
        return self._stderr.read_text()

    def wait_until(self, condition: Callable[[], bool], seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.said
            time.sleep(0.02)

    def wait_for_training(self) -> None:
        self.wait_until(lambda: self.said.count("has begun") == 2)

    def wait(self, seconds: float = 30.0) -> int:
        return self.process.wait(seconds)

    def living_workers(self) -> list[int]:
        return [pid for pid in self.workers if is_alive(pid)]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def start(
    make_spec: Callable[..., Path], runs_dir: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., Parent]]:
    """Return a function that starts a parent; what is left of it is killed after the test."""
    monkeypatch.setenv("FAKE_COMPILATIONS", str(tmp_path / "compilations"))
    parents: list[Parent] = []

    def make(steps: int = 1000) -> Parent:
        parents.append(Parent(make_spec(steps=steps, seeds=2), runs_dir, tmp_path / "stderr"))
        return parents[-1]

    yield make
    for parent in parents:
        parent.process.kill()
        parent.process.wait()
        parent.process.stdout.close()
        for pid in parent.living_workers():
            os.kill(pid, signal.SIGKILL)


def facts(runs_dir: Path) -> list[dict[str, object]]:
    return [read_run_json(paths) for paths in find_runs([runs_dir]).runs]


@pytest.mark.parametrize(
    ("signum", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGUSR1, 75),
     (signal.SIGUSR2, 75)],
)
def test_a_signal_checkpoints_every_run_and_gives_its_exit_code(start, runs_dir, signum, code):
    parent = start()
    parent.wait_for_training()
    parent.send(signum)
    assert parent.wait() == code
    assert [fact["status"] for fact in facts(runs_dir)] == ["interrupted", "interrupted"]
    assert all(fact["step"] > 0 for fact in facts(runs_dir))
    assert "writing checkpoints" in parent.said
    assert not parent.living_workers()


def test_ctrl_c_is_answered_at_once_and_says_how_to_leave(start):
    parent = start()
    parent.wait_for_training()
    parent.send(signal.SIGINT)
    parent.wait_until(lambda: "Ctrl-C again to quit now" in parent.said, seconds=1.0)
    assert parent.wait() == 130


def test_a_second_ctrl_c_leaves_at_once(start, monkeypatch):
    monkeypatch.setenv("FAKE_TROUBLE", "0:deaf 1:deaf")
    parent = start()
    parent.wait_for_training()
    parent.send(signal.SIGINT)
    parent.wait_until(lambda: "Ctrl-C again" in parent.said)
    began = time.monotonic()
    parent.send(signal.SIGINT)
    assert parent.wait() == 130
    assert time.monotonic() - began < 3.0
    assert not parent.living_workers()


def test_ctrl_c_while_workers_import_does_not_wait_for_them(start, monkeypatch):
    monkeypatch.setenv("FAKE_IMPORT_SECONDS", "30")
    parent = start()
    began = time.monotonic()
    parent.send(signal.SIGINT)
    assert parent.wait() == 130
    assert time.monotonic() - began < 5.0


def test_after_ctrl_c_the_same_line_goes_on_to_the_end(start, runs_dir):
    parent = start(steps=300)
    parent.wait_for_training()
    parent.send(signal.SIGINT)
    parent.wait()
    steps = [fact["step"] for fact in facts(runs_dir)]
    again = start(steps=300)
    assert again.wait() == 0
    assert all(0 < step < 300 for step in steps)
    assert [fact["step"] for fact in facts(runs_dir)] == [300, 300]


def test_no_worker_outlives_a_parent_that_was_killed(start, runs_dir):
    parent = start()
    parent.wait_for_training()
    parent.send(signal.SIGKILL)
    parent.wait()
    parent.wait_until(lambda: not parent.living_workers(), seconds=10.0)
    states = [json.loads(paths.run_json.read_text()) for paths in find_runs([runs_dir]).runs]
    assert [state["status"] for state in states] == ["interrupted", "interrupted"]


def test_r6_a_rerun_waits_for_the_orphans_of_a_killed_parent_and_goes_on(
    start, runs_dir, monkeypatch
):
    monkeypatch.setenv("FAKE_CHECKPOINT_SECONDS", "2")
    parent = start(steps=100)
    parent.wait_for_training()
    parent.send(signal.SIGKILL)  # nobody waits for it yet: a dead parent may be a zombie
    time.sleep(0.2)
    again = start(steps=100)
    assert again.wait() == 0, again.said
    assert "2 runs still write the checkpoints of a command that was killed" in again.said
    assert [fact["step"] for fact in facts(runs_dir)] == [100, 100]


def test_a_worker_killed_by_the_system_is_replaced(start, runs_dir):
    parent = start(steps=200)
    parent.wait_for_training()
    os.kill(parent.workers[0], signal.SIGKILL)
    assert parent.wait() == 3
    assert "killed by SIGKILL (out of memory?)" in parent.said


def test_a_hang_up_is_ignored_under_nohup(start):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        parent = start(steps=150)
    finally:
        signal.signal(signal.SIGHUP, before)
    parent.wait_for_training()
    parent.send(signal.SIGHUP)
    assert parent.wait() == 0


def test_f23_a_run_that_was_suspended_goes_on(start, runs_dir):
    parent = start(steps=200)
    parent.wait_for_training()
    for signum in (signal.SIGTSTP, signal.SIGCONT):
        parent.send(signum)
        os.kill(parent.workers[0], signum)
        time.sleep(0.5)
    assert parent.wait() == 0
    assert [fact["step"] for fact in facts(runs_dir)] == [200, 200]
