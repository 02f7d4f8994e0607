"""`erlctl tune`: search fields of a spec for the settings that score best."""

from __future__ import annotations

import dataclasses
import importlib.util
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from erlctl import spec
from erlctl.cli import options, trust
from erlctl.cli.specs import load
from erlctl.errors import ErlctlError, Problem, SpecError
from erlctl.launch import submit
from erlctl.launch.launcher import Launcher, make
from erlctl.launch.results import BatchResult
from erlctl.runs import lock, preflight
from erlctl.runs.provenance import command_line
from erlctl.tensorflow_setup import Device

if TYPE_CHECKING:
    from erlctl.tuning.study import Study

_COLUMNS = ("variant", "trial", "state", "value", "params", "reason")


@click.command()
@click.argument("spec_file", metavar="SPEC")
@options.set_option
@options.seeds_option
@options.runs_dir_option
@click.option("-j", "--jobs", type=click.IntRange(min=1),
              help="Runs at once; so many trials at once as that takes.  "
                   "[default: number of cores]")
@click.option("--cores", type=click.IntRange(min=1),
              help="Cores of each run.  [default: those of the machine divided by the jobs]")
@click.option("--max-seconds", type=click.FloatRange(min=0, min_open=True), metavar="S",
              help="Time budget: then checkpoint and exit with 75; the same line goes on.")
@click.option("--max-memory", type=click.FloatRange(min=0, min_open=True), metavar="GB",
              help="Memory that one run may hold; beyond, it checkpoints and fails.")
@options.launcher_options
@trust.trust_option
@options.format_option("spec", "table", "json")
def tune(
    spec_file: str, overrides: tuple[str, ...], seeds: str | None, runs_dir: Path,
    jobs: int | None, cores: int | None, max_seconds: float | None, max_memory: float | None,
    device: Device, launcher: str, launcher_options: tuple[str, ...], launcher_config: Path | None,
    trusted: tuple[str, ...], fmt: str,
) -> None:
    """Try settings from the space in SPEC's `search:` section; the same line again goes on.

    Every variant of the spec has a search and a budget of its own. Every trial is an ordinary
    experiment below RUNS_DIR/<name>/trial-0007, and the study is Optuna's journal
    RUNS_DIR/<name>/study.log. At the end, the best settings are printed as a spec with fresh seeds:
    the scores of a search are optimistic, those of that spec are not.

    \b
    search:
      trials: 30
      space:
        agent.temperature: {type: float, low: 1e-3, high: 1, log: true}
        training.batch_size: {type: int, low: 16, high: 128, step: 16}
        network.hidden: {type: categorical, choices: [[64], [64, 64]]}

    \b
    Examples:
      erlctl tune search.yaml > best.yaml && erlctl train best.yaml
      erlctl plot runs/NAME --kind search
    """
    started = time.monotonic()
    (experiment,) = load([spec_file], overrides, seeds, trusted)
    if experiment.search is None:
        raise SpecError([Problem(experiment.source, 0, 0, "search", (
            "there is no such section; give it a space, for example search: {space: "
            "{agent.temperature: {type: float, low: 1e-3, high: 1, log: true}}}"))])
    _require_optuna()
    chosen = make(launcher, launcher_options, launcher_config)
    trust.require((run.environment for run in experiment.runs), trusted)
    wishes = submit.Wishes(
        runs_dir=runs_dir, jobs=jobs or chosen.capacity(cores, device), cores=cores, device=device,
        max_seconds=max_seconds, max_memory=max_memory, trusted=trusted, started=started)
    preflight.make_folder(runs_dir / experiment.name)
    with lock.hold(runs_dir / experiment.name / ".tune.lock"):
        code, studies = _search(experiment, chosen, wishes)
    _report(studies, code, fmt)
    click.get_current_context().exit(code)


def _require_optuna() -> None:
    missing = [name for name in ("optuna", "cmaes") if importlib.util.find_spec(name) is None]
    if missing:
        raise ErlctlError(f"erlctl tune needs {' and '.join(missing)}",
                          fix="pip install 'erlctl[tune]'")


def _search(
    experiment: spec.Experiment, launcher: Launcher, wishes: submit.Wishes
) -> tuple[int, Sequence[Study]]:
    import optuna

    from erlctl.tuning import engine
    from erlctl.tuning.study import Study, branches, open_journal

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = open_journal(wishes.runs_dir / experiment.name)
    studies = [Study(branch, storage, wishes.runs_dir) for branch in branches(experiment)]
    for study in studies:
        if study.wanted < study.branch.section.trials:
            options.info(f"{study.branch.variant}: the grid has {study.wanted} points")

    def train(runs: Sequence[spec.RunSpec]) -> BatchResult:
        trials = dataclasses.replace(experiment, runs=tuple(runs), search=None, tuned={})
        batch = submit.prepare(
            [trials], wishes, launcher, command=command_line(), say=options.info)
        return submit.launch(launcher, batch, options.make_display())

    runs_of_a_round = sum(len(study.branch.seeds) for study in studies)
    at_once = -(-(wishes.jobs or 1) // runs_of_a_round)
    return engine.search(
        studies, wishes.runs_dir, train, at_once=at_once, say=options.info), studies


def _report(studies: Sequence[Study], code: int, fmt: str) -> None:
    from erlctl.tuning.best import best_spec

    text = best_spec(studies)
    if fmt == "spec":
        click.echo(text, nl=False)
    else:
        rows = [
            {"variant": study.branch.variant, "trial": trial.number,
             "state": trial.state.name.lower(), "value": trial.value, "params": trial.params,
             "reason": trial.user_attrs.get("reason", "")}
            for study in studies for trial in study.trials
        ]
        if fmt == "json":
            options.echo_json({"rows": rows, "best": text or None, "exit_code": code})
        else:
            options.echo_rows(rows, _COLUMNS, fmt)
    if code:
        options.info("not all trials have ended; to go on: the same line again")
    elif not text:
        options.info("no trial has a score; the reasons are in --format table")
    elif fmt == "spec":
        options.info("the scores of these trials are optimistic, the best of many always is: "
                     "train this spec, its seeds are fresh, and compare that")
