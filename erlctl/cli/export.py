"""erlctl export: runs in the formats of other programs."""

from __future__ import annotations

from pathlib import Path

import click

from erlctl.cli import options


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="RUN...")
@click.option("--to", "target", type=click.Choice(["sb3", "csv"]), required=True,
              help="sb3: folders of Stable-Baselines3 and RL-Zoo (evaluations.npz, monitor.csv); "
                   "csv: one evaluations.csv and one progress.csv with the rows of all runs.")
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path),
              default=Path("export"), show_default=True, metavar="FOLDER",
              help="Never a folder of runs. It may be there already, but no file and no folder of "
                   "a run in it is overwritten.")
@options.selection_options
def export(paths: tuple[str, ...], target: str, output: Path) -> None:
    """Convert runs for other programs.

    \b
    Examples:
      erlctl export runs/cartpole-family --to csv -o tables
      erlctl export runs/cartpole-family --to sb3 -o zoo-logs
    """
    from erlctl.analysis.comparison import with_distinct_variants
    from erlctl.analysis.export import export as export_runs

    loaded = options.load_runs(paths)
    for path in export_runs(with_distinct_variants(loaded.runs), target, output):
        click.echo(path)
    for path, reason in loaded.skipped:
        options.info(f"{path}: {reason}; not exported")
