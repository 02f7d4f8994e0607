"""erlctl plot: figures for papers, slides and the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from erlctl.cli import options

if TYPE_CHECKING:
    from erlctl.analysis.load import Loaded
    from erlctl.analysis.scores import Scoring

Draw = Callable[["Loaded", "Scoring", dict[str, Any], dict[str, Any]], Any]


def _curves(loaded: Loaded, scoring: Scoring, look: dict[str, Any], choices: dict[str, Any]) -> Any:
    from erlctl.analysis.figures.curves import curves

    return curves(loaded.runs, scoring.metric, **_line_options(choices), **look)


def _diagnostics(
    loaded: Loaded, scoring: Scoring, look: dict[str, Any], choices: dict[str, Any]
) -> Any:
    del scoring  # every column has a panel
    from erlctl.analysis.figures.diagnostics import diagnostics

    return diagnostics(loaded.runs, **_line_options(choices), **look)


def _line_options(choices: dict[str, Any]) -> dict[str, Any]:
    return {
        "statistic": choices["statistic"], "by_wall_time": choices["x"] == "time",
        "show_seeds": choices["show_seeds"], "smooth": choices["smooth"], "band": choices["band"],
    }


def _sensitivity(
    loaded: Loaded, scoring: Scoring, look: dict[str, Any], choices: dict[str, Any]
) -> Any:
    from erlctl.analysis.figures.sensitivity import sensitivity

    return sensitivity(
        loaded.runs, choices["field"], scoring=scoring, statistic=choices["statistic"], **look
    )


def _search(
    loaded: Loaded, scoring: Scoring, look: dict[str, Any], choices: dict[str, Any]
) -> Any:
    del scoring, choices  # a search has an objective of its own
    from erlctl.analysis.figures.search import search

    return search(loaded.runs, **look)


def _of_comparison(kind: str) -> Draw:
    def draw(
        loaded: Loaded, scoring: Scoring, look: dict[str, Any], choices: dict[str, Any]
    ) -> Any:
        from erlctl.analysis import references
        from erlctl.analysis.comparison import compare
        from erlctl.analysis.figures import profile, summary

        comparison = compare(
            loaded, scoring, baseline=choices["baseline"], force=choices["force"],
            references=references.parse(choices["references"], loaded.runs),
        )
        if kind == "profile":
            return profile.profile(comparison, band=choices["band"], **look)
        return getattr(summary, kind)(comparison, **look)

    return draw


KINDS: Mapping[str, Draw] = {
    "curves": _curves, "aggregate": _of_comparison("aggregate"),
    "profile": _of_comparison("profile"), "improvement": _of_comparison("improvement"),
    "sensitivity": _sensitivity, "diagnostics": _diagnostics,
    "search": _search,
}
_COMPARED = ("aggregate", "profile", "improvement")
_ONLY_FOR: Mapping[str, Sequence[str]] = {  # options that the other kinds could only ignore
    "baseline": ("improvement",), "field": ("sensitivity",), "reference": _COMPARED,
    "force": _COMPARED, "at": (*_COMPARED, "sensitivity"), "last": (*_COMPARED, "sensitivity"),
}


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--kind", type=click.Choice(list(KINDS)), default="curves", show_default=True,
              help="curves: metric over steps; aggregate: point and interval per variant; profile: "
                   "fraction of runs above each score; improvement: pairs; sensitivity: score "
                   "against a swept field; diagnostics: entropy, gap, KL, ... side by side; "
                   "search: history, importance and slices of `erlctl tune`.")
@click.option("--metric", default="return", show_default=True,
              help="Column: return (evaluation), return_mean (training), entropy, ...")
@click.option("--statistic", type=click.Choice(["mean", "iqm", "median"]), default="mean",
              show_default=True, help="Over runs.")
@click.option("--x", type=click.Choice(["steps", "time"]), default="steps", show_default=True,
              help="Steps (environment steps, iterations of planners) or training time in "
                   "seconds.")
@click.option("--seeds", "show_seeds", is_flag=True, help="Draw every run faintly.")
@click.option("--smooth", type=click.IntRange(min=1), default=1, show_default=True, metavar="N",
              help="Trailing moving average of N points; said in the caption.")
@click.option("--at", type=click.IntRange(min=0), metavar="STEP", help="Scores as of this step.")
@click.option("--last", type=click.IntRange(min=1), default=1, show_default=True, metavar="K",
              help="Scores: mean of the last K evaluations or rows.")
@click.option("--baseline", metavar="VARIANT", help="For improvement: all others against this one.")
@click.option("--field", metavar="PATH", help="For sensitivity: e.g. agent.temperature.")
@click.option("--reference", "references", multiple=True, metavar="ENV=LOW,HIGH",
              help="Returns that become 0 and 1 over several environments; repeatable.")
@click.option("--force", is_flag=True, help="Put different environments and protocols together.")
@click.option("--style", type=click.Choice(["paper", "slides"]), default="paper",
              show_default=True)
@click.option("--size", type=click.FloatRange(min=1, max=60), nargs=2, metavar="W H",
              help="Width and height in inches.")
@click.option("--title", help='Heading instead of the usual one; "" for none.')
@click.option("--label", "renamed", multiple=True, metavar="OLD=NEW",
              help="Call the variant OLD (its name, or the short one in the legend) NEW; "
                   "repeatable.")
@click.option("--band", type=click.Choice(["auto", "always", "none"]), default="auto",
              show_default=True, help="95% intervals of lines; auto: the runs themselves in "
                                      "place of an interval of fewer than five.")
@click.option("--caption/--no-caption", default=True,
              help="Number of runs and kind of interval below the figure.")
@click.option("--xlim", type=float, nargs=2, metavar="LOW HIGH", help="Limits of the x axes.")
@click.option("--ylim", type=float, nargs=2, metavar="LOW HIGH",
              help="Limits of the y axes, where they have one unit.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="PNG, SVG or PDF by its name (default: KIND.png).")
@options.selection_options
@click.option("--terminal", is_flag=True, help="Draw curves in the terminal instead.")
def plot(
    paths: tuple[str, ...], kind: str, metric: str, at: int | None, last: int, style: str,
    output: Path | None, terminal: bool, renamed: tuple[str, ...], **choices: Any,
) -> None:
    """Draw runs into a PNG, SVG or PDF file, or in the terminal.

    PATH is a run, a variant, an experiment, a runs directory or a glob, as for `compare`.

    \b
    Examples:
        erlctl plot runs/cartpole-family -o curves.pdf
        erlctl plot runs/* --kind aggregate --style slides -o scores.png
        erlctl plot runs/family --label munchausen_dqn=M-DQN --size 3.3 2.5 --ylim 0 500
        erlctl plot runs/family --terminal
    """
    from erlctl.analysis import labels
    from erlctl.analysis.comparison import with_distinct_variants
    from erlctl.analysis.data import find_metric
    from erlctl.analysis.figures.figure import check_name
    from erlctl.analysis.load import Loaded
    from erlctl.analysis.numbers import natural
    from erlctl.analysis.scores import Scoring

    if terminal and (kind != "curves" or output is not None):
        raise click.UsageError("--terminal draws curves and writes no file")
    _refuse_unused(kind, {**choices, "reference": choices["references"], "at": at,
                          "last": last if last > 1 else None})
    target = output or Path(f"{kind}.png")
    check_name(target)
    found = options.load_runs(paths)
    loaded = Loaded(with_distinct_variants(found.runs), found.skipped)
    scoring = Scoring(metric=find_metric(metric, loaded.runs), at=at, last=last)
    variants = sorted({run.variant for run in loaded.runs}, key=natural)
    names = labels.parse(renamed, variants)
    if terminal:
        from erlctl.analysis import terminal as screen

        click.echo(screen.curves(loaded.runs, scoring.metric, statistic=choices["statistic"],
                                 renamed=names))
        return
    look = {name: choices.pop(name) for name in ("size", "title", "caption", "xlim", "ylim")}
    KINDS[kind](loaded, scoring, {**look, "style": style, "labels": names}, choices).save(target)
    for path, reason in loaded.skipped:
        click.echo(f"{path}: {reason}; not drawn", err=True)
    click.echo(target)


def _refuse_unused(kind: str, given: Mapping[str, Any]) -> None:
    for option, kinds in _ONLY_FOR.items():
        if given[option] not in (None, False, ()) and kind not in kinds:
            raise click.UsageError(f"--{option} does nothing with --kind {kind}, "
                                   f"only with --kind {', '.join(kinds)}")
