"""What a `train` line would do with each run: skip, resume, start; nothing is written here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from erlctl.errors import DamagedError, ErlctlError, SpecChangedError
from erlctl.launch.queue import label_of
from erlctl.launch.results import RunResult
from erlctl.runs import lock, record, spec_file
from erlctl.runs.layout import RunPaths, read_run_json
from erlctl.spec.schema import RunSpec

_DIFF_LINES = 12


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One run and what is known of it before anything is started.

    Attributes:
        run: The resolved spec.
        paths: Its run directory, which need not exist.
        status: Status of the run directory, "pending" if there is none.
        step: Environment steps that its run.json reports.
        action: "skip", "busy" (another process is at it), "resume", "start" or "restart"
            (`--fresh` moves the old folder aside).
    """

    run: RunSpec
    paths: RunPaths
    status: str
    step: int
    action: str

    @property
    def label(self) -> str:
        """`<name>/<variant>/seed-<n>`."""
        return label_of(self.run)

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing to do, or nothing that can be done now."""
        return self.action in ("skip", "busy")

    def mark_failed(self, reason: str) -> None:
        """Write into run.json that the process died, which it could not do itself."""
        with contextlib.suppress(OSError, ErlctlError):  # the result says it in any case
            record.mark_failed(self.paths, reason)

    def settled_result(self) -> RunResult:
        """Return the result of a run that is complete or busy already."""
        is_busy = self.action == "busy"
        return RunResult(
            label=self.label, root=str(self.paths.root), step=self.step,
            total_steps=self.run.training.steps, status="busy" if is_busy else "skipped",
            reason=_holder(self.paths) if is_busy else "already complete",
        )


def plan_runs(runs: Iterable[RunSpec], *, runs_dir: Path, fresh: bool = False) -> list[Planned]:
    """Return what is to be done with each run.

    Raises:
        SpecChangedError: A run directory belongs to another spec; every such run is named.
    """
    plan = [_plan_run(run, RunPaths.of(runs_dir, run), fresh=fresh) for run in runs]
    if not fresh:
        _refuse_changed_specs(plan)
    return plan


def _plan_run(run: RunSpec, paths: RunPaths, *, fresh: bool) -> Planned:
    facts = read_run_json(paths)
    status, step = facts["status"], facts.get("step")
    exists = paths.root.exists()
    if not exists:
        action = "start"
    elif lock.is_held(paths.lock):
        action = "busy"
    elif fresh:
        action = "restart"
    else:
        action = "skip" if status == "complete" else "resume"
    return Planned(run=run, paths=paths, status=status, action=action,
                   step=step if isinstance(step, int) else 0)


def _holder(paths: RunPaths) -> str:
    holder = lock.read_holder(paths.lock)
    return (f"already running (pid {holder.get('pid', '?')} on {holder.get('host', '?')} "
            f"since {holder.get('since', '?')})")


def _refuse_changed_specs(plan: Sequence[Planned]) -> None:
    changed = [(planned, difference) for planned in plan if (difference := _spec_diff(planned))]
    if not changed:
        return
    planned, difference = changed[0]
    others = f"\n  and {len(changed) - 1} more runs" if len(changed) > 1 else ""
    raise SpecChangedError(
        f"{planned.paths.root} holds a run of another spec:\n{difference}{others}",
        fix="undo the change, give the spec another `name:`, "
            "or add --fresh to move the old runs aside",
    )


def _spec_diff(planned: Planned) -> str:
    """Return the first lines that differ between the spec on disk and the one asked for."""
    try:
        difference = spec_file.difference(planned.run, planned.paths)
    except DamagedError:
        return ""  # concerns that run alone: `execute` reports it
    lines = [f"    {line}" for line in (difference or "").splitlines()]
    return "\n".join(lines[:_DIFF_LINES] + (["    ..."] if len(lines) > _DIFF_LINES else []))
