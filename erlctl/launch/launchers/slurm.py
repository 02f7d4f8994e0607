"""Jobs of a Slurm cluster, submitted with submitit; the runs directory is on a shared file system.

Runs that share a compiled program go into one job, several jobs into one array. Slurm signals a job
before its time is over: the run writes a checkpoint and the job requeues itself. What was submitted
is kept in `<runs-dir>/.slurm/`, so that the same line again submits only what is missing. How far a
run is is read from its run directory, whether its job lives from `squeue`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from erlctl import spec
from erlctl.errors import ErlctlError
from erlctl.events import (
    Assigned,
    Message,
    OnEvent,
    Outcome,
    Refresh,
    Started,
    Stopping,
    StopReason,
    Tick,
)
from erlctl.fields import AT_LEAST_ONE, NON_NEGATIVE, POSITIVE, option
from erlctl.launch import slurm_job
from erlctl.launch.launcher import Batch, Launcher, Tally
from erlctl.launch.listen import Listener, listening
from erlctl.launch.plan import Planned
from erlctl.launch.results import BatchResult
from erlctl.registry import register
from erlctl.runs import store
from erlctl.runs.layout import read_run_json
from erlctl.tensorflow_setup import Device

FOLDER = ".slurm"
_ENDED = ("complete", "failed", "diverged")
_COMMAND_SECONDS = 60.0


@register("launcher", "slurm")
@dataclass(frozen=True, kw_only=True)
class Slurm(Launcher):
    """Jobs of a Slurm cluster."""

    can_detach: ClassVar[bool] = True

    partition: str | None = option(None, "Partition; the cluster's default without.")
    time: int = option(60, "Minutes until a job is signalled, saved and requeued.",
                       domain=AT_LEAST_ONE)
    gpus: int = option(0, "GPUs of a job; at least one with --device gpu.", domain=NON_NEGATIVE)
    array_parallelism: int = option(64, "Jobs at once.", domain=AT_LEAST_ONE)
    runs_per_job: int = option(1, "Runs of one program that a job trains one after another.",
                               domain=AT_LEAST_ONE)
    cpus_per_task: int = option(1, "Cores of a job.", domain=AT_LEAST_ONE)
    mem_gb: float | None = option(None, "Gigabytes of a job.", domain=POSITIVE)
    setup: tuple[str, ...] = option((), "Shell lines before a job: [module load cuda].")
    qos: str | None = option(None, "Quality of service.")
    account: str | None = option(None, "Account.")
    signal_seconds: int = option(90, "Seconds before the limit at which Slurm signals; "
                                "it may do so a minute earlier.",
                                 domain=AT_LEAST_ONE)
    poll_seconds: float = option(5.0, "Seconds between two looks at queue and runs.",
                                 domain=POSITIVE)
    cluster: Literal["slurm", "local"] = option(
        "slurm", "local: processes on this machine in place of jobs, to try the options.")

    def launch(self, batch: Batch, on_event: OnEvent) -> BatchResult:
        """Submit what is not in the queue; stay until all ended unless `batch.detach`.

        Ctrl-C and the time budget end the display; the jobs go on.

        Raises:
            ErlctlError: submitit or Slurm is missing, or Slurm refuses the options; nothing is
                submitted then.
        """
        self._require(batch.device)
        folder = batch.runs_dir.absolute() / FOLDER
        folder.mkdir(exist_ok=True)
        tally = Tally(batch, on_event)
        open_runs = {planned.label: planned for planned in batch.plan
                     if planned.action != "skip"}
        jobs = self._alive(_submitted(folder))
        waiting = {label: job for label, job in jobs.items() if label in open_runs}
        busy = [label for label, planned in open_runs.items()
                if planned.is_final and label not in waiting]
        for label in busy:  # another command trains it
            del open_runs[label]
        missing = [planned for label, planned in open_runs.items() if label not in waiting]
        for label, job in waiting.items():
            on_event(Message(label, f"submitted before as job {job}"))
        if missing:
            waiting |= self._submit(missing, batch, folder, on_event)
        if batch.detach:
            for label, job in waiting.items():
                tally.ended(label, Outcome("pending", 0, f"submitted as job {job}"))
            return tally.result(None, is_detached=True)
        with listening() as listener:
            return self._watch(waiting, open_runs, batch, tally, on_event, listener)

    def _require(self, device: Device) -> None:
        if self.gpus and device == "cpu":
            raise ErlctlError(f"gpus={self.gpus} asks Slurm for what runs on the CPU do not use",
                              fix="train with --device gpu, or leave gpus out")
        if importlib.util.find_spec("submitit") is None:
            raise ErlctlError("the launcher slurm needs submitit",
                              fix="pip install 'erlctl[slurm]'")
        if self.cluster == "slurm" and not all(map(shutil.which, ("sbatch", "squeue"))):
            raise ErlctlError("sbatch and squeue are not on this machine's PATH",
                              fix="run this on a login node of the cluster")
        if self.cluster == "slurm" and self.partition is not None:
            known = _command("sinfo", "-h", "-o", "%R").split()
            if self.partition not in known:
                raise ErlctlError(f"Slurm has no partition {self.partition!r}",
                                  fix=f"choose one of {', '.join(sorted(known))}")

    def _submit(
        self, missing: Sequence[Planned], batch: Batch, folder: Path, on_event: OnEvent
    ) -> dict[str, str]:
        """Submit runs as one array; return label -> job."""
        import submitit

        groups = list(_groups(missing, self.runs_per_job))
        work = [
            slurm_job.Work(jobs=[asdict(batch.job(planned)) for planned in group],
                           cores=batch.cores or self.cpus_per_task, device=batch.device)
            for group in groups
        ]
        executor = submitit.AutoExecutor(folder=folder / "%j", cluster=self.cluster)
        executor.update_parameters(**self._parameters(batch.device))
        try:
            submitted = executor.map_array(slurm_job.train, work)
        except (submitit.core.utils.FailedJobError, OSError) as error:
            reason = " ".join(str(error).split())
            raise ErlctlError(f"Slurm refuses the jobs: {reason}",
                              fix="change the --launcher-option that it names") from error
        jobs = {planned.label: job.job_id
                for group, job in zip(groups, submitted, strict=True) for planned in group}
        store.write_json(folder / f"{submitted[0].job_id}.json", {"schema": 1, "jobs": jobs})
        for planned in missing:
            on_event(Message(planned.label, f"submitted as job {jobs[planned.label]}"))
        return jobs

    def _parameters(self, device: Device) -> dict[str, Any]:
        common = {"timeout_min": self.time, "name": "erlctl"}
        if self.cluster == "local":
            return common
        gpus = max(self.gpus, int(device == "gpu"))
        options = {
            "partition": self.partition, "qos": self.qos, "account": self.account,
            "setup": list(self.setup) or None, "gres": f"gpu:{gpus}" if gpus else None,
        }
        given = {f"slurm_{key}": value for key, value in options.items() if value is not None}
        memory = {} if self.mem_gb is None else {"mem_gb": self.mem_gb}
        return {**common, **given, **memory, "cpus_per_task": self.cpus_per_task,
                "slurm_array_parallelism": self.array_parallelism,
                "slurm_signal_delay_s": self.signal_seconds}

    def _alive(self, jobs: Mapping[str, str]) -> dict[str, str]:
        """Return the runs whose job is queued or running."""
        if self.cluster == "local":
            return {label: job for label, job in jobs.items() if _is_process(int(job))}
        if not jobs:
            return {}
        listed = set(_command("squeue", "-h", "-r", "-u", str(os.getuid()), "-o", "%i").split())
        return {label: job for label, job in jobs.items() if job in listed}

    def _watch(
        self, waiting: dict[str, str], plan: Mapping[str, Planned], batch: Batch, tally: Tally,
        on_event: OnEvent, listener: Listener,
    ) -> BatchResult:
        """Show how runs go until each has ended or somebody leaves."""
        watched = {label: _Watched(plan[label], job) for label, job in waiting.items()}
        reason: StopReason | None = None
        while watched and reason is None:
            reason = _wait(listener, self.poll_seconds, batch, on_event)
            alive = self._alive({label: each.job for label, each in watched.items()})
            for label, each in list(watched.items()):
                outcome = each.look(tally, on_event, is_alive=label in alive)
                if outcome is not None:
                    del watched[label]
                    result = tally.ended(label, outcome)
                    if batch.fail_fast and result.is_problem and watched:
                        self._cancel(sorted({other.job for other in watched.values()}))
                        on_event(Stopping(StopReason(
                            "fail_fast", message=f"{label} failed: the other jobs are cancelled")))
            on_event(Refresh())
        if reason is not None:
            on_event(Stopping(StopReason(
                reason.cause, reason.signum, "leaving; the jobs go on, `scancel "
                f"{' '.join(sorted({each.job.split('_')[0] for each in watched.values()}))}` "
                "ends them after their checkpoints")))
        for label, each in watched.items():
            tally.ended(label, Outcome("pending", 0, f"goes on as job {each.job}"))
        return tally.result(reason)

    def _cancel(self, jobs: Sequence[str]) -> None:
        if self.cluster == "local":
            for job in jobs:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(job), signal.SIGTERM)
        else:
            _command("scancel", *jobs)


class _Watched:
    """A run whose job is somewhere."""

    def __init__(self, planned: Planned, job: str) -> None:
        self.job = job
        self._planned, self._step, self._has_started = planned, planned.step, False
        self._since = time.monotonic()

    def look(self, tally: Tally, on_event: OnEvent, *, is_alive: bool) -> Outcome | None:
        """Read the run directory, tell what is new; return how it ended, None if it did not.

        Args:
            tally: Takes the step.
            on_event: Takes what is new.
            is_alive: Whether the job was in the queue before this look.
        """
        facts, label = read_run_json(self._planned.paths), self._planned.label
        status, step = facts["status"], int(facts.get("step") or 0)
        reason = str(facts.get("reason") or "")
        if status == "running" and not self._has_started:
            self._has_started, self._since = True, time.monotonic()
            tally.assigned(label)
            on_event(Assigned(label, 0))
            on_event(Started(label, step, self._planned.run.training.steps, step > 0))
        if step != self._step:
            speed = (step - self._step) / max(time.monotonic() - self._since, 1e-6)
            self._step, self._since = step, time.monotonic()
            tally.at(label, step)
            on_event(Tick(label, step, max(speed, 0.0)))
        # A job that was extended or is retried begins with the status of the last time.
        is_done = status == "complete" and step >= self._planned.run.training.steps
        if is_done or (status in _ENDED and not is_alive):
            return Outcome(status, step, reason)
        if not is_alive:
            return Outcome("interrupted", step, reason or f"job {self.job} ended before the run")
        return None


def _wait(
    listener: Listener, seconds: float, batch: Batch, on_event: OnEvent
) -> StopReason | None:
    """Sleep until the next look; return why to leave, if there is a reason."""
    on_event(Refresh())
    select.select([listener.fd], [], [], seconds)
    for signum in listener.take():
        return StopReason("signal", signum)
    if batch.max_seconds is not None and time.monotonic() > batch.started + batch.max_seconds:
        return StopReason("time_budget")
    return None


def _groups(runs: Sequence[Planned], size: int) -> Iterator[list[Planned]]:
    """Yield at most `size` runs of one program at a time."""
    programs: dict[str, list[Planned]] = {}
    for planned in runs:
        programs.setdefault(spec.program_key(planned.run), []).append(planned)
    for group in programs.values():
        for start in range(0, len(group), size):
            yield group[start:start + size]


def _submitted(folder: Path) -> dict[str, str]:
    """Return the last job that each run was submitted with."""
    jobs: dict[str, str] = {}
    for path in sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime):
        jobs.update(json.loads(path.read_text())["jobs"])
    return jobs


def _is_process(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"  # ended, its parent has not looked yet


def _command(*line: str) -> str:
    """Return what a Slurm command prints.

    Raises:
        ErlctlError: It fails: the controller does not answer, for example.
    """
    try:
        return subprocess.run(line, capture_output=True, text=True, check=True,
                              timeout=_COMMAND_SECONDS).stdout
    except subprocess.CalledProcessError as error:
        reason = " ".join(error.stderr.split())
    except subprocess.TimeoutExpired:
        reason = f"no answer within {_COMMAND_SECONDS:g} s"
    raise ErlctlError(f"{line[0]}: {reason}", fix="see whether Slurm works here: sinfo")
