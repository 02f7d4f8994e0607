"""erlctl report: everything about some runs in one HTML file."""

from __future__ import annotations

from pathlib import Path

import click

from erlctl.cli import options


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path),
              default=Path("report.html"), show_default=True, metavar="FILE",
              help="The page; - is standard output.")
@click.option("--metric", default="return", show_default=True, help="As for compare.")
@click.option("--at", type=click.IntRange(min=0), metavar="STEP", help="As for compare.")
@click.option("--last", type=click.IntRange(min=1), default=1, show_default=True, metavar="K",
              help="As for compare.")
@click.option("--baseline", metavar="VARIANT", help="As for compare.")
@click.option("--reference", "references", multiple=True, metavar="ENV=LOW,HIGH",
              help="As for compare.")
@click.option("--force", is_flag=True, help="As for compare.")
@options.selection_options
@click.option("--title", help="Heading (default: the names of the experiments).")
@click.option("--label", "renamed", multiple=True, metavar="OLD=NEW",
              help="Name of a variant in the figures, as for plot.")
def report(
    paths: tuple[str, ...], output: Path, metric: str, at: int | None, last: int,
    baseline: str | None, references: tuple[str, ...], force: bool, title: str | None,
    renamed: tuple[str, ...],
) -> None:
    """Write a report: comparison, figures, spec differences, provenance, runs.

    One file that needs no network; runs are linked relative to it.

    \b
    Examples:
      erlctl report runs/cartpole-family -o report.html
      erlctl report runs/* --baseline dqn --title "CartPole, 10 seeds"
    """
    from erlctl.analysis import labels
    from erlctl.analysis import references as reference_scores
    from erlctl.analysis import report as page
    from erlctl.analysis.comparison import compare
    from erlctl.analysis.data import find_metric
    from erlctl.analysis.scores import Scoring
    from erlctl.errors import ErlctlError

    loaded = options.load_runs(paths)
    scoring = Scoring(metric=find_metric(metric, loaded.runs), at=at, last=last)
    comparison = compare(loaded, scoring, baseline=baseline, force=force,
                         references=reference_scores.parse(references, loaded.runs))
    names = sorted({run.experiment or run.source for run in loaded.runs})
    is_stdout = str(output) == "-"
    variants = sorted({group.variant for block in comparison.blocks for group in block.groups})
    text = page.report(comparison, title=title or ", ".join(names),
                       labels=labels.parse(renamed, variants),
                       link_from=None if is_stdout else output.absolute().parent)
    if is_stdout:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, "utf-8")
    except OSError as error:
        raise ErlctlError(f"{output}: {error.strerror}", fix="name a file in a folder that "
                          "exists and can be written to") from error
    click.echo(output)
