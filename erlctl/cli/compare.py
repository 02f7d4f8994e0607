"""erlctl compare: which variant is better, and how sure is that?"""

from __future__ import annotations

import os
import shutil
import sys

import click

from erlctl.cli import options

KINDS = ("final", "best", "area", "steps")


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--metric", default="return", show_default=True,
              help="Column to compare: return (evaluation), return_mean (training), entropy, "
                   "action_gap, steps_per_second, wall_seconds, ... any column of the tables.")
@click.option("--score", "kind", type=click.Choice(KINDS), default="final", show_default=True,
              help="final: last evaluation; best: best evaluation; area: mean over training; "
                   "steps: steps to --threshold.")
@click.option("--at", type=click.IntRange(min=0), metavar="STEP",
              help="Compare as it was at this step; also uses unfinished runs that got there.")
@click.option("--last", type=click.IntRange(min=1), default=1, show_default=True, metavar="K",
              help="Final score = mean of the last K evaluations or rows.")
@click.option("--threshold", type=float, help="For --score steps.")
@click.option("--baseline", metavar="VARIANT",
              help="Compare all others with this one (default: the best with each other one).")
@click.option("--reference", "references", multiple=True, metavar="ENV=LOW,HIGH",
              help="Returns that become 0 and 1 when environments are put together; repeatable. "
                   "Gym's classic environments have theirs.")
@click.option("--difference", type=float, metavar="D",
              help="Say how many more seeds would show a true difference of D (power 0.8).")
@click.option("--by", type=click.Choice(["variant", "environment"]), default="variant",
              show_default=True, help="Rows of the table.")
@click.option("--include-unfinished", is_flag=True, help="Use unfinished runs as far as they came.")
@click.option("--force", is_flag=True,
              help="Put different environments and evaluation protocols together.")
@click.option("--spec-diff/--no-spec-diff", default=True, show_default=True,
              help="Show where the specs of the variants differ.")
@options.selection_options
@options.format_option("table", "json", "csv", "markdown", "latex")
def compare(
    paths: tuple[str, ...], metric: str, kind: str, at: int | None, last: int,
    threshold: float | None, baseline: str | None, references: tuple[str, ...],
    difference: float | None, by: str, include_unfinished: bool, force: bool,
    spec_diff: bool, fmt: str,
) -> None:
    """Say which variant is better, and how sure that is.

    PATH is a run, a variant, an experiment, a runs directory or a glob; also folders of
    Stable-Baselines3, RL-Zoo and CleanRL (TensorBoard). The unit of every interval and test is the
    run, never the episode. Runs without a score are listed with the reason. `better` is said with
    an error rate of 5 % over all comparisons of a table, also where the data chose the best.

    \b
    Examples:
        erlctl compare runs/cartpole-family
        erlctl compare runs/* --baseline dqn --format latex
        erlctl compare runs --metric entropy --last 5
    """
    from erlctl.analysis import references as reference_scores
    from erlctl.analysis import render
    from erlctl.analysis.comparison import compare as compare_runs
    from erlctl.analysis.comparison import nothing_usable
    from erlctl.analysis.data import find_metric
    from erlctl.analysis.scores import Scoring

    if (kind == "steps") != (threshold is not None):
        raise click.UsageError("--score steps and --threshold X belong together")
    loaded = options.load_runs(paths)
    scoring = Scoring(
        metric=find_metric(metric, loaded.runs), kind=kind, at=at, last=last, threshold=threshold,
        include_unfinished=include_unfinished,
    )
    comparison = compare_runs(loaded, scoring, baseline=baseline, force=force,
                              references=reference_scores.parse(references, loaded.runs),
                              difference=difference)
    is_terminal = sys.stdout.isatty()
    layout = render.Layout(
        by=by, spec_differences=spec_diff, color=is_terminal and "NO_COLOR" not in os.environ,
        width=shutil.get_terminal_size().columns if is_terminal else None,
    )
    click.echo(render.FORMATS[fmt](comparison, layout), nl=False)
    if not comparison.num_used:
        raise nothing_usable(loaded, scoring)
