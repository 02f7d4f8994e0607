"""`erlctl ls`: runs with their status, filtered and sorted."""

from __future__ import annotations

import fnmatch
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from erlctl.cli import options
from erlctl.launch.board import duration
from erlctl.runs.layout import STATUSES, natural

if TYPE_CHECKING:
    from erlctl.analysis.data import Run
    from erlctl.runs.summary import RunSummary

COLUMNS = ("status", "name", "variant", "seed", "progress", "last_return", "best_return", "age")
CSV_COLUMNS = (
    "path", "status", "name", "variant", "seed", "algorithm", "environment", "step", "total_steps",
    "last_return", "best_return", "updated", "reason", "tags", "source",
    "host", "job",
)
# Runs without the value come last, whatever is sorted by.
_SORT: Mapping[str, Callable[[RunSummary], Any]] = {
    "status": lambda run: STATUSES.index(run.status),
    "name": lambda run: [*map(natural, (run.name, run.variant)), run.seed or 0],
    "variant": lambda run: natural(run.variant),
    "seed": lambda run: run.seed,
    "algorithm": lambda run: run.algorithm,
    "environment": lambda run: natural(run.environment),
    "step": lambda run: run.step,
    "progress": lambda run: run.step / run.total_steps if run.step and run.total_steps else None,
    "return": lambda run: run.last_return,
    "best": lambda run: run.best_return,
    "age": lambda run: -run.updated.timestamp() if run.updated else None,
}


@click.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option("--status", "statuses", type=click.Choice(STATUSES), multiple=True,
              help="Only runs with this status; repeatable.")
@click.option("--algorithm", metavar="GLOB", help="Only runs of this algorithm.")
@click.option("--environment", metavar="GLOB", help="Only runs on this environment.")
@click.option("--name", metavar="GLOB", help="Only runs whose name/variant or name matches.")
@click.option("--tag", "tags", metavar="TAG", multiple=True,
              help="Only runs with this tag; repeatable, all must be there.")
@click.option("--sort", type=click.Choice(list(_SORT)), help="Order; by default as found.")
@click.option("--reverse", is_flag=True, help="Turn the order round.")
@click.option("--watch", is_flag=True, help="Show again until Ctrl-C.")
@click.option("--every", type=click.FloatRange(min=0.1), default=2.0, show_default=True,
              metavar="SECONDS", help="How often --watch shows.")
@options.selection_options
@options.runs_dir_option
@options.format_option("table", "json", "csv")
def ls(
    paths: tuple[str, ...], statuses: tuple[str, ...], algorithm: str | None,
    environment: str | None, name: str | None, tags: tuple[str, ...], sort: str | None,
    reverse: bool, watch: bool, every: float, runs_dir: str, fmt: str,
) -> None:
    """List the runs below each PATH (the runs directory by default).

    PATH is a run, a variant, an experiment, a runs directory or a glob; also folders of other
    programs, as for `compare`. Host and job are shown of runs that run elsewhere.

    \b
    Examples:
      erlctl ls
      erlctl ls runs/quickstart --status failed --format json | jq -r '.rows[].path'
      erlctl ls --watch runs/quickstart --sort age
    """
    globs = {"algorithm": algorithm, "environment": environment, "name": name}

    def show() -> None:
        found, total = _find(paths or (str(runs_dir),), is_default=not paths)
        runs = [run for run in found if _matches(run, statuses, tags, globs)]
        if sort:
            runs = _sorted(runs, _SORT[sort])
        _print(runs[::-1] if reverse else runs, total, fmt)

    show()
    while watch:
        time.sleep(every)
        if fmt == "table":
            click.clear()
        show()


def _find(paths: Sequence[str], *, is_default: bool) -> tuple[list[RunSummary], int]:
    if is_default and not Path(paths[0]).exists():  # not there yet is simply empty
        return [], 0
    loaded = options.load_runs(paths, may_be_empty=is_default)
    for path, reason in loaded.skipped:
        if not is_default:
            options.info(f"{path}: {reason}")
    return [_summary(run) for run in loaded.runs], len(loaded.runs)


def _summary(run: Run) -> RunSummary:
    """A run of another program has no run.json, but the same columns."""
    from erlctl.analysis.data import METRICS
    from erlctl.runs.layout import RunPaths
    from erlctl.runs.summary import RunSummary, summarise

    if run.source == "erlctl":
        return summarise(RunPaths(run.path))
    values = run.curve(METRICS["return"])[1]
    return RunSummary(
        path=str(run.path), status=run.status, name=run.experiment, variant=run.variant,
        seed=run.seed, algorithm=run.algorithm, environment=run.environment, step=run.step,
        total_steps=None, last_return=float(values[-1]) if values.size else None,
        best_return=float(values.max()) if values.size else None, updated=None, reason=run.reason,
        problems=tuple(run.table_problems("evaluation")), source=run.source,
    )


def _matches(
    run: RunSummary, statuses: Sequence[str], tags: Sequence[str],
    globs: Mapping[str, str | None],
) -> bool:
    values = {
        "algorithm": [run.algorithm], "environment": [run.environment],
        "name": [run.name, f"{run.name}/{run.variant}"],
    }
    return (not statuses or run.status in statuses) and set(tags) <= set(run.tags) and all(
        pattern is None or any(fnmatch.fnmatchcase(value, pattern) for value in values[key])
        for key, pattern in globs.items()
    )


def _sorted(
    runs: Iterable[RunSummary], key: Callable[[RunSummary], Any]
) -> list[RunSummary]:
    known = [run for run in runs if key(run) is not None]
    return [*sorted(known, key=key), *(run for run in runs if key(run) is None)]


def _print(runs: Sequence[RunSummary], total: int, fmt: str) -> None:
    if fmt == "table":
        more = ["tags"] if any(run.tags for run in runs) else []
        if any(_is_elsewhere(run) for run in runs):
            more += ["host", "job"]
        options.echo_rows(map(_row, runs), [*COLUMNS, *more], fmt)
        hidden = f" of {total}" if total != len(runs) else ""
        options.info(f"{len(runs)}{hidden} run{'' if total == 1 else 's'}")
        for run in runs:
            for problem in run.problems:
                options.info(f"{run.path}: {problem}")
        return
    rows = [{**asdict(run), "updated": _iso(run.updated)} for run in runs]
    columns = CSV_COLUMNS if fmt == "csv" else (*CSV_COLUMNS, "problems")
    options.echo_rows(rows, columns, fmt)


def _is_elsewhere(run: RunSummary) -> bool:
    is_elsewhere = run.job or run.host not in ("", socket.gethostname())
    return run.status == "running" and bool(is_elsewhere)


def _row(run: RunSummary) -> dict[str, Any]:
    step = "?" if run.step is None else str(run.step)
    total = "?" if run.total_steps is None else str(run.total_steps)
    return {**asdict(run), "progress": f"{step}/{total}", "age": _age(run.updated)}


def _age(updated: datetime | None) -> str | None:
    if updated is None:
        return None
    return duration(max((datetime.now(timezone.utc) - updated).total_seconds(), 0.0))


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.strftime("%Y-%m-%dT%H:%M:%SZ")
