"""Jobs of a Slurm cluster, submitted with submitit; the runs directory is on a shared file system.

Runs that share a compiled program go into one job, several jobs into one array. Slurm signals a job
before its time is over: the run writes a checkpoint and the job requeues itself. What was submitted
is kept below the runs directory, so that the same line again submits only what is missing. How far
a run is is read from its run directory, whether its job lives from `squeue`; accounting is not
needed.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from erlctl import spec
from erlctl.errors import ErlctlError
from erlctl.events import Message, OnEvent, Outcome
from erlctl.fields import AT_LEAST_ONE, NON_NEGATIVE, POSITIVE, option
from erlctl.launch import slurm_job, slurm_queue, slurm_records
from erlctl.launch.launcher import Batch, Launcher, Tally
from erlctl.launch.listen import listening
from erlctl.launch.plan import Planned
from erlctl.launch.results import BatchResult
from erlctl.launch.slurm_queue import LocalQueue, Queue, Queued, SlurmQueue
from erlctl.launch.slurm_records import Submission, last_attempt
from erlctl.launch.slurm_watch import Submitted, Watch, tell_of_unsigned
from erlctl.registry import register
from erlctl.runs.execute import move_aside
from erlctl.runs.layout import read_run_json
from erlctl.tensorflow_setup import Device

_QUEUES: dict[str, type[Queue]] = {"slurm": SlurmQueue, "local": LocalQueue}


@register("launcher", "slurm")
@dataclass(frozen=True, kw_only=True)
class Slurm(Launcher):
    """Jobs of a Slurm cluster."""

    can_detach: ClassVar[bool] = True
    begins: ClassVar[str] = "Slurm is asked"

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

    def capacity(self, cores: int | None, device: Device = "cpu") -> int:
        """See `Launcher`; the cluster's size is its own affair."""
        del cores, device
        return self.array_parallelism

    def launch(self, batch: Batch, on_event: OnEvent) -> BatchResult:
        """Submit what is not in the queue; stay until all ended unless `batch.detach`.

        Ctrl-C and the time budget end the display; the jobs go on.

        Raises:
            ErlctlError: submitit or Slurm is missing, or Slurm refuses the options, and nothing is
                submitted; or the nodes do not share the runs directory, and what was is cancelled.
        """
        self._require(batch.device)
        queue = _QUEUES[self.cluster]()
        folder = batch.runs_dir.absolute() / queue.folder
        folder.mkdir(exist_ok=True)

        def say(text: str) -> None:
            on_event(Message(batch.plan[0].label, text))

        with slurm_records.alone(folder, say):
            jobs, queued = _known_jobs(folder, queue, say)
            batch = replace(
                batch, plan=[_unless_ours(planned, jobs, queued) for planned in batch.plan])
            open_runs = {planned.label: planned for planned in batch.plan if not planned.is_final}
            tally = Tally(batch, on_event)
            waiting = {label: jobs[label] for label, planned in open_runs.items()
                       if label in jobs and _is_to_come(planned, jobs[label], queued)}
            _tell_of_waiting(waiting, queued, on_event)
            missing = {label: planned for label, planned in open_runs.items()
                       if label not in waiting}
            if missing:
                lost = {label: jobs[label] for label in missing if label in jobs}
                tell_of_unsigned(lost, queue, on_event)
                waiting |= self._submit(list(missing.values()), batch, folder, queue, on_event)
        if batch.detach:
            for label, job in waiting.items():
                how = queued[job.number].sentence if job.number in queued else "submitted"
                tally.ended(label, Outcome("pending", 0, f"{how} as job {job.number}"))
            return tally.result(None, is_detached=True)
        with listening() as listener:
            watch = Watch(queue, batch, tally, on_event, self.poll_seconds)
            return watch.run(waiting, open_runs, listener)

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
            known = slurm_queue.partitions()
            # Slurm takes several, of which it chooses the first that has room.
            for name in self.partition.split(","):
                if name not in known:
                    raise ErlctlError(f"Slurm has no partition {name!r}",
                                      fix=f"choose one of {', '.join(known)}")

    def _submit(
        self, missing: Sequence[Planned], batch: Batch, folder: Path, queue: Queue,
        on_event: OnEvent,
    ) -> dict[str, Submitted]:
        """Submit runs as one array; return label -> job."""
        import submitit

        if batch.fresh:  # here: a job that is requeued would move aside what it has trained itself
            for planned in missing:
                if planned.paths.root.exists():
                    move_aside(planned.paths)
            batch = replace(batch, fresh=False)
        groups = list(_groups(missing, self.runs_per_job))
        work = [
            slurm_job.Work(jobs=[asdict(batch.job(planned)) for planned in group],
                           cores=batch.cores or self.cpus_per_task, device=batch.device)
            for group in groups
        ]
        submission = slurm_records.new(
            folder, [[planned.label for planned in group] for group in groups],
            before={planned.label: last_attempt(read_run_json(planned.paths))
                    for planned in missing})
        # submitit's local controller would make a folder that is called %j.
        logs = folder if self.cluster == "local" else folder / "%j"
        executor = submitit.AutoExecutor(folder=logs, cluster=self.cluster)
        executor.update_parameters(**self._parameters(batch, submission))
        try:
            submitted = executor.map_array(slurm_job.train, work)
        except (submitit.core.utils.FailedJobError, OSError) as error:
            submission.forget()
            reason = " ".join(str(error).split())
            raise ErlctlError(f"Slurm refuses the jobs: {reason}",
                              fix="change the --launcher-option that it names") from error
        submission = replace(submission, jobs=[queue.number_of(job.job_id) for job in submitted])
        submission.write()
        for label, number in submission.job_of.items():
            on_event(Message(label, f"submitted as job {number}"))
        return {label: Submitted(number, submission) for label, number in submission.job_of.items()}

    def _parameters(self, batch: Batch, submission: Submission) -> dict[str, Any]:
        common = {"timeout_min": self.time, "name": "erlctl"}
        if self.cluster == "local":
            return common
        gpus = max(self.gpus, int(batch.device == "gpu"))
        options = {
            "partition": self.partition, "qos": self.qos, "account": self.account,
            "gres": f"gpu:{gpus}" if gpus else None,
        }
        given = {f"slurm_{key}": value for key, value in options.items() if value is not None}
        memory = {} if self.mem_gb is None else {"mem_gb": self.mem_gb}
        return {**common, **given, **memory, "cpus_per_task": self.cpus_per_task,
                "slurm_setup": [submission.sign(), *self.setup],
                "slurm_comment": submission.token,
                "slurm_array_parallelism": min(self.array_parallelism, batch.jobs),
                "slurm_signal_delay_s": self.signal_seconds}


def _known_jobs(
    folder: Path, queue: Queue, say: Callable[[str], None]
) -> tuple[dict[str, Submitted], Mapping[str, Queued]]:
    """Return the last job that each run was submitted with, by label, and what is queued now."""
    before = slurm_records.known(folder, say)
    queued = queue.jobs([number for each in before for number in each.jobs]) if before else {}
    jobs = {label: Submitted(number, submission)
            for submission in (each.found_in(queued) for each in before)
            for label, number in submission.job_of.items()}
    return jobs, queued


def _is_to_come(planned: Planned, job: Submitted, queued: Mapping[str, Queued]) -> bool:
    """Return whether a job will train a run; one that has ended it may linger, or train others."""
    facts = read_run_json(planned.paths)
    return job.number in queued and not job.submission.has_ended(planned.label, facts)


def _tell_of_waiting(
    waiting: Mapping[str, Submitted], queued: Mapping[str, Queued], on_event: OnEvent
) -> None:
    for label, job in waiting.items():
        entry = queued[job.number]
        advice = f": {entry.advice(job.number)}" if entry.is_stuck else ""
        on_event(Message(label, f"submitted before as job {job.number}, {entry.sentence}{advice}"))


def _unless_ours(
    planned: Planned, jobs: Mapping[str, Submitted], queued: Mapping[str, Queued]
) -> Planned:
    """Return a run that is busy as one to go on with, if a job from here is what trains it."""
    job = jobs.get(planned.label)
    is_ours = planned.action == "busy" and job is not None and job.number in queued
    return replace(planned, action="resume") if is_ours else planned


def _groups(runs: Sequence[Planned], size: int) -> Iterator[list[Planned]]:
    """Yield at most `size` runs of one program at a time."""
    programs: dict[str, list[Planned]] = {}
    for planned in runs:
        programs.setdefault(spec.program_key(planned.run), []).append(planned)
    for group in programs.values():
        for start in range(0, len(group), size):
            yield group[start:start + size]
