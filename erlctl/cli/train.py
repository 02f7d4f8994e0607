"""`erlctl train`: train, resume or skip every run of the given specs."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import click
from click.core import ParameterSource

from erlctl import spec
from erlctl.callbacks.reference import Reference
from erlctl.cli import options, trust
from erlctl.cli.specs import load
from erlctl.launch import machine, plan, submit
from erlctl.launch.launcher import Batch, make
from erlctl.launch.results import BatchResult
from erlctl.runs import initial
from erlctl.runs.layout import label_of
from erlctl.runs.provenance import command_line
from erlctl.tensorflow_setup import Device

COLUMNS = ("run", "status", "step", "steps", "evaluation_return", "seconds")


@click.command()
@click.argument("specs", metavar="SPEC...", nargs=-1, required=True)
@options.set_option
@options.seeds_option
@options.runs_dir_option
@click.option("-j", "--jobs", type=click.IntRange(min=1),
              help="Runs at once, each in a process of its own.  [default: number of cores, with "
                   "--device gpu of GPUs; of a cluster: of all nodes]")
@click.option("--fresh", is_flag=True, help="Move existing run directories aside and begin again.")
@click.option("--fail-fast", is_flag=True, help="Stop the others after the first failed run.")
@click.option("--cores", type=click.IntRange(min=1),
              help="Cores of each run.  [default: those of the machine divided by the jobs]")
@click.option("--max-seconds", type=click.FloatRange(min=0, min_open=True), metavar="S",
              help="Time budget, counted from the start of this command as a queue counts it: "
                   "then checkpoint and exit with 75; the same line goes on.")
@click.option("--max-memory", type=click.FloatRange(min=0, min_open=True), metavar="GB",
              help="Memory that one run may hold; beyond, it checkpoints and fails.")
@options.launcher_options
@click.option("--detach", is_flag=True,
              help="Return when all is submitted (slurm); the same line shows how far it is.")
@click.option("--variant", "variants", metavar="GLOB", multiple=True,
              help="Only these variants; repeatable.")
@click.option("--where", metavar="PATH=VALUE", multiple=True,
              help="Only runs whose spec says so: --where agent.temperature=0.03; repeatable, all "
                   "must hold.")
@click.option("--callback", "callbacks", metavar="MODULE:OBJECT[,KEY=VALUE]", multiple=True,
              help="Call this while each run trains, e.g. "
                   "erlctl.callbacks:EarlyStopping,patience=5; with --trust for code of your own, "
                   "also FILE.py:OBJECT; repeatable.")
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
    max_memory: float | None, device: Device, launcher: str, launcher_options: tuple[str, ...],
    launcher_config: Path | None, detach: bool, variants: tuple[str, ...],
    where: tuple[str, ...],
    callbacks: tuple[str, ...], array_index: int | None, dry_run: bool, print_commands: bool,
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
      erlctl train sweep.yaml --variant "dqn*" --where agent.gamma=0.95
      erlctl train sweep.yaml --callback erlctl.callbacks:EarlyStopping,patience=5
      erlctl train sweep.yaml --print-commands | parallel -j 4
      erlctl train sweep.yaml --array-index $SLURM_ARRAY_TASK_ID --max-seconds 3500
    """
    started = time.monotonic()
    begins = partial(initial.problems, runs_dir=runs_dir, fresh=fresh)
    experiments = _selected(load(specs, overrides, seeds, trusted, begins), variants, where)
    submit.refuse_searches(experiments)
    chosen = make(launcher, launcher_options, launcher_config)
    if detach and not chosen.can_detach:
        raise click.UsageError(f"--detach: the launcher {launcher} trains only while it is watched")
    references = [Reference.parse(text) for text in callbacks]
    if print_commands:
        _print_commands(experiments)
        return
    experiments = _chosen(experiments, array_index)
    if dry_run:
        runs = [run for experiment in experiments for run in experiment.runs]
        _show_plan(plan.plan_runs(runs, runs_dir=runs_dir, fresh=fresh), fmt)
        return
    batch = submit.prepare(experiments, submit.Wishes(
        runs_dir=runs_dir, jobs=jobs, cores=cores, device=device, fresh=fresh,
        fail_fast=fail_fast, max_seconds=max_seconds, max_memory=max_memory,
        callbacks=references, trusted=trusted, detach=detach, started=started,
    ), chosen, command=command_line(), say=options.info)
    result = submit.launch(chosen, batch, options.make_display())
    _report(result, batch, fmt, again="the same line" + (" without --fresh" if fresh else ""))
    click.get_current_context().exit(result.exit_code)


def _selected(
    experiments: Sequence[spec.Experiment], variants: Sequence[str], where: Sequence[str]
) -> Sequence[spec.Experiment]:
    """Return the experiments with the runs that `--variant` and `--where` leave."""
    if not variants and not where:
        return experiments
    from erlctl.analysis.selection import Selection

    selection = Selection.parse(variants, where)
    kept = set(map(label_of, selection.of_specs(
        [run for experiment in experiments for run in experiment.runs])))
    return [
        replace(experiment,
                runs=tuple(run for run in experiment.runs if label_of(run) in kept))
        for experiment in experiments
    ]


def _chosen(
    experiments: Sequence[spec.Experiment], array_index: int | None
) -> Sequence[spec.Experiment]:
    """Return the experiments, or of one of them the run that `--array-index` counts to."""
    if array_index is None:
        return experiments
    runs = [(experiment, run) for experiment in experiments for run in experiment.runs]
    if array_index >= len(runs):
        raise click.BadParameter(
            f"{array_index} is too large: there are {len(runs)} runs, 0 to {len(runs) - 1}",
            param_hint="--array-index",
        )
    experiment, run = runs[array_index]
    return [replace(experiment, runs=(run,))]


# What the printed lines replace: their own run, one process each, no printing.
_NOT_PRINTED = ("specs", "array_index", "print_commands", "dry_run", "jobs", "cores")


def _print_commands(experiments: Sequence[spec.Experiment]) -> None:
    """Print `erlctl train SPEC ... --array-index K` for every run, quoted for a shell.

    Every option that was given is passed on. As many lines as `--jobs` says run at once, so each
    gets its share of the cores.
    """
    context = click.get_current_context()
    given = [part for parameter in context.command.params
             if parameter.name not in _NOT_PRINTED and parameter.name in context.params
             for part in _given(context, parameter)]
    given += ["--quiet"] * options.is_quiet()
    jobs = context.params["jobs"] or make("local").capacity(
        context.params["cores"], context.params["device"])
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


def _report(result: BatchResult, batch: Batch, fmt: str, again: str) -> None:
    rows = submit.rows(result, batch)
    if fmt == "json":
        options.echo_json({"rows": rows, "exit_code": result.exit_code})
    else:
        options.echo_rows(rows, COLUMNS, fmt)
        for each in result.results:  # below the table, where a long reason breaks no line of it
            if each.is_problem:
                click.echo(f"{each.label}: {each.outcome.message}")
    sys.stdout.flush()
    problems = sum(each.is_problem for each in result.results)
    if problems:
        options.info(f"{problems} of {len(rows)} runs did not end well; each has a log.txt")
    if any(each.status in ("interrupted", "pending") for each in result.results):
        options.info(f"to go on: {again} again")
    elif problems < len(rows):
        folders = sorted({str(entry.paths.root.parents[1]) for entry in batch.plan})
        options.info(f"compare: {shlex.join(['erlctl', 'compare', *folders])}")
