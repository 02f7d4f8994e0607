"""From runs to a batch and to its results: the one way of `erlctl train` and of `erlctl.train`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from erlctl.callbacks.reference import Reference, make, require_trust
from erlctl.errors import DomainError, Problem, SpecError
from erlctl.events import Event, OnEvent
from erlctl.experiment.trust import require
from erlctl.fields import AT_LEAST_ONE, POSITIVE
from erlctl.launch import plan
from erlctl.launch.launcher import Batch, Launcher, Tally
from erlctl.launch.results import BatchResult
from erlctl.runs import preflight, tuning_file
from erlctl.spec.schema import Experiment
from erlctl.tensorflow_setup import DEVICES, Device

_DOMAINS = {
    "jobs": AT_LEAST_ONE, "cores": AT_LEAST_ONE, "max_seconds": POSITIVE, "max_memory": POSITIVE,
}


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """How runs are trained, as a user says it.

    Attributes:
        runs_dir: Where the run directories lie.
        jobs: Runs at once; None: as many as there are cores for.
        cores: Cores of each run; None: those of the machine divided by the jobs.
        device: What each run is trained on.
        fresh: Whether existing run directories are moved aside first.
        fail_fast: Whether the first failed run stops the others.
        max_seconds: Time budget from `started`.
        max_memory: Gigabytes that one run may hold.
        callbacks: Made for each run.
        trusted: Modules and files whose code may be run.
        detach: Whether to return as soon as everything is submitted.
        started: When it was asked for, on the clock of `time.monotonic`.

    Raises:
        DomainError: A number is out of its domain.
    """

    runs_dir: Path
    jobs: int | None = None
    cores: int | None = None
    device: Device = "cpu"
    fresh: bool = False
    fail_fast: bool = False
    max_seconds: float | None = None
    max_memory: float | None = None
    callbacks: Sequence[Reference] = ()
    trusted: Sequence[str] = ()
    detach: bool = False
    started: float

    def __post_init__(self) -> None:
        for name, domain in _DOMAINS.items():
            value = getattr(self, name)
            if value is not None and value not in domain:
                raise DomainError(name, value, str(domain))
        if self.device not in DEVICES:
            raise DomainError("device", self.device, " or ".join(map(repr, DEVICES)))


def refuse_searches(experiments: Sequence[Experiment]) -> None:
    """Refuse what is to be searched, not trained as it is.

    Raises:
        SpecError: Names every such spec.
    """
    problems = [
        Problem(experiment.source, 0, 0, "search",
                f"this spec has a search section: run erlctl tune {experiment.source}")
        for experiment in experiments if experiment.search is not None
    ]
    if problems:
        raise SpecError(problems)


def prepare(
    experiments: Sequence[Experiment], wishes: Wishes, launcher: Launcher, *,
    command: Sequence[str], say: Callable[[str], None],
) -> Batch:
    """Return the batch of the runs that the front door has let in; their folders are made ready.

    Args:
        experiments: With the runs that are meant.
        wishes: How.
        launcher: Asked how many runs at once there is room for, where nobody says.
        command: Command line for run.json.
        say: Takes sentences for people.

    Raises:
        SpecError: An experiment has a search.
        ErlctlError: Code is not trusted, or a callback cannot be made.
        SpecChangedError: A run directory belongs to another spec.
    """
    refuse_searches(experiments)
    runs = [run for experiment in experiments for run in experiment.runs]
    require((run.environment for run in runs), wishes.trusted)
    require_trust(wishes.callbacks, wishes.trusted)
    for callback in wishes.callbacks:
        make(callback)  # so that a mistake costs no run; each run gets its own
    plan.prepare(runs, runs_dir=wishes.runs_dir, say=say)
    planned = plan.plan_runs(runs, runs_dir=wishes.runs_dir, fresh=wishes.fresh)
    for experiment in experiments:
        tuning_file.write_origin(experiment, wishes.runs_dir)
    jobs = wishes.jobs
    if jobs is None and any(not entry.is_final for entry in planned):
        jobs = launcher.capacity(wishes.cores, wishes.device)
    return Batch(
        plan=planned, runs_dir=wishes.runs_dir, jobs=jobs or 1,
        cores=wishes.cores, device=wishes.device, fresh=wishes.fresh, fail_fast=wishes.fail_fast,
        max_seconds=wishes.max_seconds, max_memory=wishes.max_memory, trusted=wishes.trusted,
        callbacks=wishes.callbacks, detach=wishes.detach, command=command, started=wishes.started,
    )


def launch(
    launcher: Launcher, batch: Batch, make_display: Callable[[list[tuple[str, int]]], Any],
    on_event: OnEvent | None = None,
) -> BatchResult:
    """Train the batch under a display.

    Args:
        launcher: Where.
        batch: What.
        make_display: From labels and steps to a display; see `launch.display`.
        on_event: Takes every event besides, after the display.
    """
    lines = [(entry.label, entry.run.training.steps) for entry in batch.plan]
    with make_display(lines) as show:
        def take(event: Event) -> None:
            show(event)
            if on_event is not None:
                on_event(event)

        if all(entry.action == "skip" for entry in batch.plan):
            # A launcher would ask for what nobody needs now: a cluster, a GPU. It is asked about
            # runs that are busy, which may be jobs of its own.
            return Tally(batch, take).result(None)
        todo = sum(not entry.is_final for entry in batch.plan)
        if todo:
            preflight.make_folder(batch.runs_dir)
            # Said before the seconds that it takes.
            is_light = all(entry.run.agent.base == "planner" for entry in batch.plan)
            begins = "" if is_light else f"; {launcher.begins}"
            show.say(f"{todo} of {len(batch.plan)} runs to train below {batch.runs_dir}, "
                     f"{min(batch.jobs, todo)} at once{begins} ...")
        return launcher.launch(batch, take)


def rows(result: BatchResult, batch: Batch) -> list[dict[str, object]]:
    """Return what the table of `erlctl train` says of each run, in the order of the plan."""
    from erlctl.runs.summary import summarise

    return [
        {
            "run": each.label, "path": each.root, "status": each.status,
            "step": each.outcome.step, "steps": each.total_steps,
            "seconds": round(each.seconds, 1),
            "evaluation_return": None if each.status in ("pending", "refused")
            else summarise(entry.paths).last_return,
            "reason": each.outcome.message,
        }
        for each, entry in zip(result.results, batch.plan, strict=True)
    ]
