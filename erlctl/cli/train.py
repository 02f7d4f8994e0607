"""`erlctl train`: train, resume or skip every run of the given specs."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click
from click.core import ParameterSource

from erlctl import spec
from erlctl.cli import options, trust
from erlctl.cli.specs import load
from erlctl.events import RunResult
from erlctl.launch import machine, plan
from erlctl.launch.launcher import Batch, Launcher, make
from erlctl.launch.results import BatchResult
from erlctl.runs.provenance import command_line

COLUMNS = ("run", "status", "step", "steps", "evaluation_return", "seconds")


@click.command()
@click.argument("specs", metavar="SPEC...", nargs=-1, required=True)
@options.set_option
@options.seeds_option
@options.runs_dir_option
@click.option("-j", "--jobs", type=click.IntRange(min=1),
              help="Runs at once, each in a process of its own.  [default: number of cores, of a "
                   "cluster: of all nodes]")
@click.option("--fresh", is_flag=True, help="Move existing run directories aside and begin again.")
@click.option("--fail-fast", is_flag=True, help="Stop the others after the first failed run.")
@click.option("--cores", type=click.IntRange(min=1),
              help="Cores of each run.  [default: those of the machine divided by the jobs]")
@click.option("--max-seconds", type=click.FloatRange(min=0, min_open=True), metavar="S",
              help="Time budget, counted from the start of this command as a queue counts it: "
                   "then checkpoint and exit with 75; the same line goes on.")
@click.option("--max-memory", type=click.FloatRange(min=0, min_open=True), metavar="GB",
              help="Memory that one run may hold; beyond, it checkpoints and fails.")
@click.option("--launcher", default="local", show_default=True, envvar="ERLCTL_LAUNCHER",
              show_envvar=True, help="Where runs are trained.")
@click.option("--launcher-option", "launcher_options", metavar="KEY=VALUE", multiple=True,
              help="Option of the launcher; repeatable.")
@click.option("--launcher-config", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="YAML file: launcher, then its options.  "
                   "[default: ~/.config/erlctl/launchers.yaml]")
@click.option("--array-index", type=click.IntRange(min=0), metavar="K",
              help="Train only the K-th run (from 0), for job arrays of a cluster.")
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be done; write nothing.")
@click.option("--print-commands", is_flag=True,
              help="Print one command line per run, for other schedulers; train nothing.")
@trust.trust_option
@options.format_option()
def train(
    specs: tuple[str, ...], overrides: tuple[str, ...], seeds: str | None, runs_dir: Path,
    jobs: int | None, cores: int | None, fresh: bool, fail_fast: bool, max_seconds: float | None,
    max_memory: float | None, launcher: str, launcher_options: tuple[str, ...],
    launcher_config: Path | None, array_index: int | None, dry_run: bool, print_commands: bool,
    trusted: tuple[str, ...], fmt: str,
) -> None:
    """Train every run that each SPEC describes; the same line again resumes.

    Finished runs are skipped, broken ones continue from their newest checkpoint, missing ones
    start. More training.steps, other checkpoint, evaluation and logging settings go on with what is
    there. Ctrl-C writes checkpoints and leaves with 130, a second Ctrl-C leaves at once.

    \b
    Examples:
      erlctl train experiments/quickstart.yaml
      erlctl train sweep.yaml --set training.steps=20000 --seeds 0-4 --jobs 4
      erlctl train sweep.yaml --print-commands | parallel -j 4
      erlctl train sweep.yaml --array-index $SLURM_ARRAY_TASK_ID --max-seconds 3500
    """
    started = time.monotonic()
    experiments = load(specs, overrides, seeds, trusted)
    chosen = make(launcher, launcher_options, launcher_config)
    if print_commands:
        _print_commands(experiments)
        return
    runs = _chosen([run for experiment in experiments for run in experiment.runs], array_index)
    if not dry_run:
        plan.prepare(runs, runs_dir=runs_dir, say=options.info)
    planned = plan.plan_runs(runs, runs_dir=runs_dir, fresh=fresh)
    if dry_run:
        _show_plan(planned, fmt)
        return
    trust.require((run.environment for run in runs), trusted)
    if jobs is None and any(not entry.is_final for entry in planned):
        jobs = chosen.capacity(cores)
    batch = Batch(
        plan=planned, runs_dir=runs_dir, jobs=jobs or 1, cores=cores, fresh=fresh,
        fail_fast=fail_fast, max_seconds=max_seconds, max_memory=max_memory, trusted=trusted,
        command=command_line(), started=started,
    )
    result = _train(chosen, batch)
    _report(result, planned, fmt, again="the same line" + (" without --fresh" if fresh else ""))
    click.get_current_context().exit(result.exit_code)


def _chosen(runs: Sequence[spec.RunSpec], array_index: int | None) -> list[spec.RunSpec]:
    if array_index is None:
        return list(runs)
    if array_index >= len(runs):
        raise click.BadParameter(
            f"{array_index} is too large: there are {len(runs)} runs, 0 to {len(runs) - 1}",
            param_hint="--array-index",
        )
    return [runs[array_index]]


# What the printed lines replace: their own run, one process each, no printing.
_NOT_PRINTED = ("specs", "array_index", "print_commands", "dry_run", "jobs", "cores")


def _print_commands(experiments: Sequence[spec.Experiment]) -> None:
    """Print `erlctl train SPEC ... --array-index K` for every run, quoted for a shell.

    Every option that was given is passed on. As many lines as `--jobs` says run at once, so each
    gets its share of the cores.
    """
    context = click.get_current_context()
    given = [part for parameter in context.command.params if parameter.name not in _NOT_PRINTED
             for part in _given(context, parameter)]
    jobs = context.params["jobs"] or make("local").capacity(context.params["cores"])
    cores = context.params["cores"] or max(machine.usable_cores() // jobs, 1)
    for experiment in experiments:
        if experiment.source == "<stdin>":
            raise click.UsageError("--print-commands needs spec files: no other process can read "
                                   "this one's standard input")
        for index in range(len(experiment.runs)):
            line = ["erlctl", "train", _argument(experiment.source), *given, "--jobs", "1",
                    "--cores", str(cores), "--array-index", str(index)]
            click.echo(shlex.join(line))


def _given(context: click.Context, parameter: click.Parameter) -> list[str]:
    """Return an option as it would be given again; nothing if it has its default.

    What a variable of the environment or the working directory decides is spelt out, so that the
    line means the same elsewhere.
    """
    name = str(parameter.name)
    value = context.params[name]
    is_runs_dir = name == "runs_dir"
    if context.get_parameter_source(name) is ParameterSource.DEFAULT and not is_runs_dir:
        return []
    option = max(parameter.opts, key=len)
    if isinstance(value, bool):
        return [option] if value else []
    values = value if isinstance(value, tuple) else (value,)
    return [part for each in values
            for part in (option, f"{each:g}" if isinstance(each, float) else str(each))]


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
    todo = sum(not entry.is_final for entry in planned)
    options.info(f"{len(planned)} runs, {todo} to be trained; nothing was started (--dry-run)")


def _train(launcher: Launcher, batch: Batch) -> BatchResult:
    from erlctl.launch import display
    from erlctl.runs import preflight

    lines = [(entry.label, entry.run.training.steps) for entry in batch.plan]
    with display.for_stream(lines) as show:
        todo = sum(not entry.is_final for entry in batch.plan)
        if todo:
            preflight.make_folder(batch.runs_dir)
            # Said before the seconds that the workers take to import TensorFlow.
            show.say(f"{todo} of {len(batch.plan)} runs to train below {batch.runs_dir}, "
                     f"{min(batch.jobs, todo)} at once; TensorFlow starts ...")
        return launcher.launch(batch, show)


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
                click.echo(f"{result.label}: {result.outcome.message}")
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
        "run": result.label, "path": result.root, "status": result.status,
        "step": result.outcome.step,
        "steps": result.total_steps, "seconds": round(result.seconds, 1),
        "evaluation_return": summary.last_return if is_here else None,
        "reason": result.outcome.message,
    }
