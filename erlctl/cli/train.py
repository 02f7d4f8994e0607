"""`erlctl train`: train, resume or skip every run of the given specs."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from erlctl import spec
from erlctl.cli import options, trust
from erlctl.cli.specs import load
from erlctl.launch import machine, plan
from erlctl.launch.results import BatchResult, RunResult

COLUMNS = ("run", "status", "step", "steps", "evaluation_return", "seconds")


@click.command()
@click.argument("specs", metavar="SPEC...", nargs=-1, required=True)
@options.set_option
@options.seeds_option
@options.runs_dir_option
@click.option("-j", "--jobs", type=click.IntRange(min=1),
              help="Runs at once, each in a process of its own.  [default: number of cores]")
@click.option("--fresh", is_flag=True, help="Move existing run directories aside and begin again.")
@click.option("--fail-fast", is_flag=True, help="Stop the others after the first failed run.")
@click.option("--max-seconds", type=click.FloatRange(min=0, min_open=True), metavar="S",
              help="Time budget: then checkpoint and exit with 75; the same line goes on.")
@click.option("--max-memory", type=click.FloatRange(min=0, min_open=True), metavar="GB",
              help="Memory that one run may hold; beyond, it checkpoints and fails.")
@click.option("--array-index", type=click.IntRange(min=0), metavar="K",
              help="Train only the K-th run (from 0), for job arrays of a cluster.")
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be done; write nothing.")
@click.option("--print-commands", is_flag=True,
              help="Print one command line per run, for other schedulers; train nothing.")
@trust.trust_option
@options.format_option()
def train(
    specs: tuple[str, ...], overrides: tuple[str, ...], seeds: str | None, runs_dir: Path,
    jobs: int | None, fresh: bool, fail_fast: bool, max_seconds: float | None,
    max_memory: float | None, array_index: int | None, dry_run: bool, print_commands: bool,
    trusted: tuple[str, ...], fmt: str,
) -> None:
    """Train every run that each SPEC describes; the same line again resumes.

    Finished runs are skipped, broken ones continue from their newest checkpoint, missing ones
    start. Ctrl-C writes checkpoints and leaves with 130, a second Ctrl-C leaves at once.

    \b
    Examples:
      erlctl train experiments/quickstart.yaml
      erlctl train sweep.yaml --set training.steps=20000 --seeds 0-4 --jobs 4
      erlctl train sweep.yaml --print-commands | parallel -j 4
      erlctl train sweep.yaml --array-index $SLURM_ARRAY_TASK_ID --max-seconds 3500
    """
    experiments = load(specs, overrides, seeds, trusted)
    if print_commands:
        _print_commands(experiments, overrides, seeds, runs_dir, trusted, fresh=fresh)
        return
    runs = _chosen([run for experiment in experiments for run in experiment.runs], array_index)
    planned = plan.plan_runs(runs, runs_dir=runs_dir, fresh=fresh)
    if dry_run:
        _show_plan(planned, fmt)
        return
    trust.require((run.environment for run in runs), trusted)
    batch = _train(
        planned, runs_dir, jobs or machine.usable_cores(), fresh=fresh, fail_fast=fail_fast,
        max_seconds=max_seconds, max_memory=max_memory,
    )
    _report(batch, planned, fmt, again="the same line" + (" without --fresh" if fresh else ""))
    click.get_current_context().exit(batch.exit_code)


def _chosen(runs: Sequence[spec.RunSpec], array_index: int | None) -> list[spec.RunSpec]:
    if array_index is None:
        return list(runs)
    if array_index >= len(runs):
        raise click.BadParameter(
            f"{array_index} is too large: there are {len(runs)} runs, 0 to {len(runs) - 1}",
            param_hint="--array-index",
        )
    return [runs[array_index]]


def _print_commands(
    experiments: Sequence[spec.Experiment], overrides: Sequence[str], seeds: str | None,
    runs_dir: Path, trusted: Sequence[str], *, fresh: bool,
) -> None:
    """Print `erlctl train SPEC ... --array-index K` for every run, quoted for a shell."""
    changes: list[str] = [part for override in overrides for part in ("--set", override)]
    changes += ["--seeds", seeds] if seeds is not None else []
    changes += ["--runs-dir", str(runs_dir)]
    changes += [part for module in trusted for part in ("--trust", module)]
    changes += ["--fresh"] if fresh else []
    for experiment in experiments:
        if experiment.source == "<stdin>":
            raise click.UsageError("--print-commands needs spec files: no other process can read "
                                   "this one's standard input")
        for index in range(len(experiment.runs)):
            line = ["erlctl", "train", _argument(experiment.source), *changes,
                    "--array-index", str(index)]
            click.echo(shlex.join(line))


def _argument(path: str) -> str:
    """Return a path that cannot be taken for an option."""
    return f"./{path}" if path.startswith("-") else path


def _show_plan(planned: Sequence[plan.Planned], fmt: str) -> None:
    from erlctl.runs import estimate

    rows = [
        {
            "run": str(entry.paths.root), "action": entry.action, "status": entry.status,
            "step": entry.step, "steps": entry.run.training.steps,
            "replay_mb": estimate.replay_megabytes(entry.run),
        }
        for entry in planned
    ]
    options.echo_rows(rows, ["run", "action", "status", "step", "steps", "replay_mb"], fmt)
    todo = sum(not entry.is_settled for entry in planned)
    options.info(f"{len(planned)} runs, {todo} to be trained; nothing was started (--dry-run)")


def _train(
    planned: Sequence[plan.Planned], runs_dir: Path, jobs: int, *, fresh: bool, fail_fast: bool,
    max_seconds: float | None, max_memory: float | None,
) -> BatchResult:
    from erlctl.launch import display
    from erlctl.launch.pool import run_all
    from erlctl.runs import preflight
    from erlctl.runs.provenance import command_line

    lines = [(entry.label, entry.run.training.steps) for entry in planned]
    with display.for_stream(lines) as show:
        todo = sum(not entry.is_settled for entry in planned)
        if todo:
            preflight.make_folder(runs_dir)
            # Said before the seconds that the workers take to import TensorFlow.
            show.say(f"{todo} of {len(planned)} runs to train below {runs_dir}, "
                     f"{min(jobs, todo)} at once; TensorFlow starts ...")
        return run_all(
            planned, runs_dir=runs_dir, jobs=jobs, fresh=fresh, fail_fast=fail_fast,
            on_event=show, max_seconds=max_seconds, max_memory=max_memory,
            command=command_line(),
        )


def _report(batch: BatchResult, planned: Sequence[plan.Planned], fmt: str, again: str) -> None:
    rows = [
        _row(result, entry) for result, entry in zip(batch.results, planned, strict=True)
    ]
    if fmt == "json":
        options.echo_json({"rows": rows, "exit_code": batch.exit_code})
    else:
        options.echo_rows(rows, COLUMNS, fmt)
        for result in batch.results:  # below the table, where a long reason breaks no line of it
            if result.is_problem:
                click.echo(f"{result.label}: {result.reason}")
    sys.stdout.flush()
    problems = sum(result.is_problem for result in batch.results)
    if problems:
        options.info(f"{problems} of {len(rows)} runs did not end well; each has a log.txt")
    if any(result.status in ("interrupted", "pending") for result in batch.results):
        options.info(f"to go on: {again} again")
    elif problems < len(rows):
        folders = sorted({str(entry.paths.root.parents[1]) for entry in planned})
        options.info(f"compare: {shlex.join(['erlctl', 'compare', *folders])}")


def _row(result: RunResult, entry: plan.Planned) -> dict[str, object]:
    from erlctl.runs.summary import summarise

    summary = summarise(entry.paths)
    is_here = result.status not in ("pending", "refused")
    return {
        "run": result.label, "path": result.root, "status": result.status, "step": result.step,
        "steps": result.total_steps, "seconds": round(result.seconds, 1),
        "evaluation_return": summary.last_return if is_here else None,
        "reason": result.reason,
    }
