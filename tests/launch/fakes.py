"""Runs without TensorFlow: a fake `execute` that keeps a step counter in the run directory.

Started as a script it is a worker around that fake; `FAKE_TROUBLE` says what goes wrong in whom:
`<seed>:<trouble>` items, trouble one of raise, exit, kill, diverge, leak, once-kill, print,
deaf, stuck.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from erlctl import spec
from erlctl.environments.host import watch
from erlctl.errors import DivergedError
from erlctl.events import Outcome, Started, StopReason, Tick
from erlctl.launch import worker
from erlctl.runs import lock
from erlctl.runs.layout import RunPaths, label_of

STEP_SECONDS = 0.01
_LEAKED: list[bytes] = []


class FakeProgram:
    """Notes its compilation in a file next to the runs directory."""

    def __init__(self, run: spec.RunSpec) -> None:
        with Path(os.environ["FAKE_COMPILATIONS"]).open("a") as file:
            file.write(f"{run.variant} {os.getpid()}\n")

    def fits(self, run: spec.RunSpec) -> bool:
        return True

    def start(self, run: spec.RunSpec) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to free."""


def execute(
    run: spec.RunSpec, runs_dir: Path, *, program_for: Any, should_stop: Any, fresh: bool,
    on_event: Any, command: Any,
) -> Outcome:
    """Count to the run's steps, ten milliseconds each."""
    paths = RunPaths.of(runs_dir, run)
    paths.root.mkdir(parents=True, exist_ok=True)
    with lock.hold(paths.lock):
        return _count(run, paths, program_for, should_stop, on_event, fresh=fresh)


def _count(
    run: spec.RunSpec, paths: RunPaths, program_for: Any, should_stop: Any, on_event: Any,
    *, fresh: bool,
) -> Outcome:
    paths.spec.write_text(spec.dump(run))
    program_for(run)
    step = 0 if fresh else read_step(paths)
    on_event(Started(label_of(run), step, run.training.steps, step > 0))
    while step < run.training.steps:
        stop = should_stop()
        if stop is not None and stop.cause == "memory_limit":
            return _end(paths, "failed", step, stop.message, stop)
        if stop is not None:
            time.sleep(float(os.environ.get("FAKE_CHECKPOINT_SECONDS", "0")))
            return _end(paths, "interrupted", step, f"stopped at step {step}", stop)
        time.sleep(STEP_SECONDS)
        step += 1
        on_event(Tick(label_of(run), step, 1 / STEP_SECONDS))
        _trouble(run.seed, step, paths)
    return _end(paths, "complete", step)


def read_step(paths: RunPaths) -> int:
    """Return the step that a fake run has come to."""
    return _facts(paths).get("step", 0)


def _facts(paths: RunPaths) -> dict[str, Any]:
    return json.loads(paths.run_json.read_text()) if paths.run_json.exists() else {}


def _end(
    paths: RunPaths, status: str, step: int, message: str = "", stop: StopReason | None = None
) -> Outcome:
    attempts = _facts(paths).get("attempts", [])
    facts = {"status": status, "step": step, "reason": message, "attempts": [*attempts, {}]}
    temporary = paths.root / ".tmp"
    temporary.write_text(json.dumps(facts))
    temporary.replace(paths.run_json)
    return Outcome(status, step, message, stop)


def _trouble(seed: int, step: int, paths: RunPaths) -> None:
    troubles = dict(item.split(":") for item in os.environ.get("FAKE_TROUBLE", "").split())
    trouble = troubles.get(str(seed))
    if trouble == "print":
        print("an environment talks", flush=True)
        os.write(1, b"in C as well\n")
    if trouble == "deaf":
        time.sleep(3600)
    if step < 3:
        return
    if trouble == "leak":
        _LEAKED.append(b"x" * 300_000_000)
    if trouble == "stuck":
        watch.own.begin(0.1, np.array([step]), np.array([1]))
        time.sleep(3600)
    if trouble == "raise":
        raise RuntimeError("the environment broke\nin two lines")
    if trouble == "exit":
        sys.exit("the environment gave up")
    if trouble == "diverge":
        raise DivergedError("the loss is not finite at step 3")
    if trouble == "kill" or (trouble == "once-kill" and not (paths.root / "killed").exists()):
        (paths.root / "killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    time.sleep(float(os.environ.get("FAKE_IMPORT_SECONDS", "0")))
    if os.environ.get("FAKE_TROUBLE") == "import":
        raise ImportError("no tensorflow here")
    worker.serve(lambda: (execute, FakeProgram))
