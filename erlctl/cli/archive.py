"""`erlctl archive`: runs in one file, verified."""

from __future__ import annotations

from pathlib import Path

import click

from erlctl.cli import options


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True,
              metavar="FILE.tar.gz", help="A new file; nothing is overwritten.")
@options.selection_options
def archive(paths: tuple[str, ...], output: Path) -> None:
    """Pack the runs at or below each PATH into FILE.tar.gz.

    It holds <name>/<variant>/seed-<n>/ as below a runs directory, and manifest.json with the
    SHA-256 of every file. It is read back before it gets its name. The runs stay where they are.

    \b
    Examples:
      erlctl archive runs/quickstart -o quickstart.tar.gz
      erlctl archive runs --variant 'dqn*' -o dqn.tar.gz
    """
    from erlctl.runs.archive import pack

    runs = options.own_runs(paths)
    count, left_out = pack(runs, output)
    for path in left_out:
        options.info(f"{path}: no regular file; left out")
    options.info(f"{len(runs)} runs, {count} files, verified")
    click.echo(output)
