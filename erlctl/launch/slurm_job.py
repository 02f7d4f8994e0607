"""What runs inside a Slurm job: train some runs, checkpoint and requeue before the limit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from erlctl.events import Event, Message, Tick
from erlctl.launch.job import Job
from erlctl.launch.listen import heard_signals
from erlctl.launch.process import worker_environment
from erlctl.launch.worker import StopRequest, Worker
from erlctl.tensorflow_setup import Device

# Slurm sends it before the limit because submitit asks for it.
_REQUEUE_SIGNALS = (signal.SIGUSR1, signal.SIGUSR2)


@dataclass(frozen=True, kw_only=True)
class Work:
    """What one job does.

    Attributes:
        jobs: Fields of a `launch.job.Job` for each run, in order.
        cores: Cores that it may use.
        device: What it trains on; Slurm lets a job see the GPUs that are its own.
    """

    jobs: Sequence[Mapping[str, Any]]
    cores: int
    device: Device = "cpu"


def train(work: Work) -> list[str]:
    """Train the runs of a job; return how each ended. The job's standard output tells of it.

    A run that is complete already is skipped, so that a requeued job goes on where it was.
    """
    # Read when TensorFlow is imported.
    os.environ.update(worker_environment(work.cores, work.device))
    stop = StopRequest()
    for number in heard_signals():  # submitit's own handlers would leave without a checkpoint
        signal.signal(number, stop.on_signal)
    from erlctl.runs.execute import execute
    from erlctl.training.factory import make_program

    has_trained = False

    def say(event: Event) -> None:
        nonlocal has_trained
        has_trained |= isinstance(event, Tick) and event.steps_per_second > 0
        if isinstance(event, Message):
            _write(f"{event.run}: {event.text}")

    worker = Worker(execute, make_program, say, stop)
    statuses = list[str]()
    for job in work.jobs:
        if stop.reason is not None:
            break
        ended = worker.train(Job(**job))
        _write(f"{ended.run}: {ended.outcome.status} {ended.outcome.message}")
        statuses.append(ended.outcome.status)
        if ended.is_spent:  # on stderr, the last line of which stands for runs that did not begin
            sys.stderr.write("the run before has used this process up; the same line submits it\n")
            break
    if stop.reason is not None and stop.reason.signum in _REQUEUE_SIGNALS:
        if has_trained or "complete" in statuses:
            _requeue()
        else:  # it would be so for ever
            _write("not requeued: the limit came before the first step; give the job more time")
    return statuses


def _requeue() -> None:
    """Ask Slurm to run this job again; outside of Slurm nobody can."""
    array, index = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    job = f"{array}_{index}" if array else os.environ.get("SLURM_JOB_ID")
    if job is not None:
        subprocess.run(["scontrol", "requeue", job], check=True)


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
