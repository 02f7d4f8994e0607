"""A batch of fake runs: specs, plan and pool without TensorFlow."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from erlctl import spec
from erlctl.events import Event
from erlctl.launch import launcher
from erlctl.launch.plan import plan_runs
from erlctl.launch.pool import run_all
from erlctl.launch.process import WorkerEnd
from erlctl.launch.results import BatchResult
from tests.launch.specs import start_fake, write_spec


@pytest.fixture
def make_spec(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a spec file."""
    return partial(write_spec, tmp_path)


class Batch:
    """Runs a spec's batch with fake workers and keeps what was reported.

    Attributes:
        events: Everything that the pool reported.
    """

    def __init__(self, path: Path, runs_dir: Path) -> None:
        self.runs = spec.load(path).runs
        self.runs_dir = runs_dir
        self.events: list[Event] = []

    def train(
        self, jobs: int = 2, *, start_worker: Callable[[int], WorkerEnd] = start_fake,
        retries: int = 0, **options: Any,
    ) -> BatchResult:
        """Plan and train all runs."""
        plan = plan_runs(self.runs, runs_dir=self.runs_dir, fresh=options.get("fresh", False))
        on_event = options.pop("on_event", self.events.append)
        batch = launcher.Batch(plan=plan, runs_dir=self.runs_dir, jobs=jobs, **options)
        return run_all(batch, on_event, start_worker=start_worker, retries=retries)


@pytest.fixture(autouse=True)
def hang_ups_are_heard() -> Iterator[None]:
    """Undo what `nohup make test` hands down: the tests decide who ignores SIGHUP."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def make_batch(
    make_spec: Callable[..., Path], runs_dir: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Batch]:
    """Return a function that makes a batch of fake runs."""
    monkeypatch.setenv("FAKE_COMPILATIONS", str(tmp_path / "compilations"))

    def make(**spec_options: Any) -> Batch:
        return Batch(make_spec(**spec_options), runs_dir)

    return make
