"""`erlctl rm`: delete run directories, and nothing else."""

from __future__ import annotations

import sys

import click

from erlctl.cli import options

_SHOWN = 20


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@options.selection_options
def rm(paths: tuple[str, ...], yes: bool) -> None:
    """Delete the runs at or below each PATH, after asking.

    Only run directories are deleted; links are not followed. If one of the runs is running,
    nothing is deleted.

    \b
    Examples:
      erlctl rm runs/quickstart/dqn/seed-0
      erlctl rm runs/sweep --where agent.temperature=0.3 --yes
    """
    from erlctl.runs import archive

    runs = options.own_runs(paths)
    archive.refuse_busy(runs)
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError(f"{len(runs)} runs would be deleted: add --yes, because there "
                                   "is no terminal to ask on")
        for found in runs[:_SHOWN]:
            options.info(options.printable(str(found)))
        if len(runs) > _SHOWN:
            options.info(f"... and {len(runs) - _SHOWN} more")
        click.confirm(f"delete {len(runs)} run{'s' * (len(runs) != 1)} for good?", abort=True,
                      err=True)
    for found in runs:
        archive.remove(found)
        click.echo(found)
