"""What a `train` line would do with each run: skip, resume, start; only `prepare` writes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from erlctl.errors import DamagedError, ErlctlError, Problem, SpecChangedError, SpecError
from erlctl.events import Outcome, RunResult
from erlctl.experiment import resolve
from erlctl.runs import initial, lock, record, spec_file, store
from erlctl.runs.layout import RunPaths, label_of, read_run_json
from erlctl.spec.schema import RunSpec

ORPHAN_SECONDS = 60.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One run and what is known of it before anything is started.

    Attributes:
        run: The resolved spec.
        paths: Its run directory, which need not exist.
        status: Status of the run directory, "pending" if there is none.
        step: Environment steps that its run.json reports.
        action: "skip", "busy" (another process is at it), "resume", "extend" (complete, but more
            steps are asked for), "start" or "restart" (`--fresh` moves the old folder aside).
        note: What to add to the sentence about it.
    """

    run: RunSpec
    paths: RunPaths
    status: str
    step: int
    action: str
    note: str = ""

    @property
    def label(self) -> str:
        """`<name>/<variant>/seed-<n>`."""
        return label_of(self.run)

    @property
    def is_final(self) -> bool:
        """Whether there is nothing to do, or nothing that can be done now."""
        return self.action in ("skip", "busy")

    def result(self, outcome: Outcome, seconds: float = 0.0) -> RunResult:
        """Return the result of the run that ended with `outcome`."""
        return RunResult(label=self.label, root=str(self.paths.root), outcome=outcome,
                         total_steps=self.run.training.steps, seconds=seconds)

    def final_result(self) -> RunResult:
        """Return the result of a run that is complete or busy already."""
        if self.action == "busy":
            return self.result(Outcome("busy", self.step, lock.who_holds(self.paths.lock)))
        return self.result(Outcome("skipped", self.step, "already complete" + self.note))

    def mark_failed(self, reason: str) -> None:
        """Write into run.json that the process died, which it could not do itself."""
        with contextlib.suppress(OSError, ErlctlError):  # the result says it in any case
            record.mark_failed(self.paths, reason)


def plan_runs(runs: Iterable[RunSpec], *, runs_dir: Path, fresh: bool = False) -> list[Planned]:
    """Return what is to be done with each run, `auto` resolved; nothing is written.

    Raises:
        SpecChangedError: A run directory belongs to another spec; the first is shown.
        SpecError: `training.initial_checkpoint` of a run that begins is not there.
    """
    plan: list[Planned] = []
    refused: list[SpecChangedError] = []
    for run in map(resolve, runs):
        try:
            plan.append(_plan_run(run, RunPaths.of(runs_dir, run), fresh=fresh))
        except SpecChangedError as error:
            refused.append(error)
    if len(refused) > 1:
        raise SpecChangedError(f"{refused[0]}\n  and {len(refused) - 1} more runs")
    if refused:
        raise refused[0]
    return plan


def _plan_run(run: RunSpec, paths: RunPaths, *, fresh: bool) -> Planned:
    facts = read_run_json(paths)
    status, step = facts["status"], facts.get("step")
    step = step if isinstance(step, int) else 0
    note = ""
    if not paths.root.exists():
        action = "start"
    elif lock.is_held(paths.lock):
        action = "busy"
    elif fresh:
        action = "restart"
    else:
        action = "resume"
        with contextlib.suppress(DamagedError):  # concerns that run alone: `execute` reports it
            on_disk = spec_file.examine(run, paths)
            if status == "complete":
                action = "extend" if on_disk.has_more_steps else "skip"
                note = f"; no step is left for {on_disk.sentence}" if on_disk.changes else ""
                if step < run.training.steps and facts.get("reason"):
                    note = f": {facts['reason']}{note}"
            elif on_disk.is_replaced:
                action = "start"
    begins = action in ("start", "restart") or not paths.checkpoints.exists()
    if begins and (problems := list(initial.problems(run))):
        # For callers that did not come through the front door.
        raise SpecError(Problem(run.name, 0, 0, *each) for each in problems)
    return Planned(run=run, paths=paths, status=status, action=action, step=step, note=note)


def prepare(
    runs: Iterable[RunSpec], *, runs_dir: Path, say: Callable[[str], None],
    patience_seconds: float = ORPHAN_SECONDS,
) -> None:
    """Make run directories ready to be planned: wait for orphans, sweep what others left.

    A process whose parent was killed holds its run until its checkpoint is written, a second or
    two. Whoever is still at it after `patience_seconds` counts as busy.
    """
    all_paths = [RunPaths.of(runs_dir, run) for run in runs]
    deadline = time.monotonic() + patience_seconds
    orphans = [paths for paths in all_paths if lock.is_orphan(paths.lock)]
    if orphans:
        say(f"{len(orphans)} runs still write the checkpoints of a command that was killed; "
            f"waiting up to {patience_seconds:g} s for them ...")
    while orphans and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        orphans = [paths for paths in orphans if lock.is_orphan(paths.lock)]
    for paths in all_paths:
        if store.leftovers(paths.root, paths.checkpoints):
            # A run that is busy, or a folder that cannot be written: what follows says so.
            with contextlib.suppress(OSError, ErlctlError), lock.hold(paths.lock):
                for path in store.sweep(paths.root, paths.checkpoints):
                    record.write_log(paths.log, f"removed {path.name}, left by another process")
