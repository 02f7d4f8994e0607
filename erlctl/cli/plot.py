"""erlctl plot: figures for papers, slides and the terminal."""

from __future__ import annotations

from pathlib import Path

import click

KINDS = ("curves",)


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--kind", type=click.Choice(KINDS), default="curves", show_default=True)
@click.option("--metric", default="return", show_default=True,
              help="Column to draw: return (evaluation), return_mean (training), entropy, ...")
@click.option("--statistic", type=click.Choice(["mean", "iqm", "median"]), default="mean",
              show_default=True, help="Over runs.")
@click.option("--x", type=click.Choice(["steps", "time"]), default="steps", show_default=True,
              help="Environment steps or training time in seconds.")
@click.option("--seeds", "show_seeds", is_flag=True, help="Draw every run faintly.")
@click.option("--smooth", type=click.IntRange(min=1), default=1, show_default=True, metavar="N",
              help="Trailing moving average of N points; said in the caption.")
@click.option("--style", type=click.Choice(["paper", "slides"]), default="paper",
              show_default=True)
@click.option("--size", type=click.FloatRange(min=1, max=60), nargs=2, metavar="W H",
              help="Inches.")
@click.option("--title")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path),
              default=Path("erlctl-plot.png"), show_default=True, metavar="FILE",
              help="PNG, SVG or PDF by its name.")
def plot(
    paths: tuple[str, ...], kind: str, metric: str, statistic: str, x: str, show_seeds: bool,
    smooth: int, style: str, size: tuple[float, float] | None, title: str | None, output: Path,
) -> None:
    """Draw runs.

    \b
    Examples:
        erlctl plot runs/cartpole-family -o curves.pdf
        erlctl plot runs/* --metric entropy --seeds -o entropy.svg
    """
    from erlctl.analysis.comparison import nothing_usable, with_distinct_variants
    from erlctl.analysis.data import find_metric
    from erlctl.analysis.figures import save
    from erlctl.analysis.figures.curves import curves
    from erlctl.analysis.load import load

    del kind
    loaded = load(paths)
    if not loaded.runs:
        raise nothing_usable(loaded)
    figure = curves(
        with_distinct_variants(loaded.runs), find_metric(metric, loaded.runs),
        statistic=statistic, by_wall_time=x == "time", show_seeds=show_seeds, smooth=smooth,
        style=style, size=size, title=title,
    )
    save.save(figure, output, style=style)
    click.echo(output)
