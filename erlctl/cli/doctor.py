"""`erlctl doctor`: is everything in place, and if not, which command mends it?"""

from __future__ import annotations

from pathlib import Path

import click

from erlctl.cli import options


@click.command()
@options.runs_dir_option
@options.format_option()
def doctor(runs_dir: Path, fmt: str) -> None:
    """Check this installation and machine: versions, known traps, XLA, disk, memory.

    Every line is ok, a warning or a problem with the command that mends it. Exits with 1 if there
    is a problem. Takes a few seconds, because it imports TensorFlow in another process.
    """
    from erlctl.doctor.checks import examine

    checks = []
    for check in examine(runs_dir):
        checks.append(check)
        if fmt == "table":  # line by line: the last ones take seconds
            click.echo(f"{check.status:<8} {check.name}: {check.found}")
            if check.fix:
                click.echo(f"         fix: {check.fix}")
    problems = sum(check.status == "problem" for check in checks)
    if fmt == "json":
        options.echo_json({"rows": [vars(check) for check in checks], "problems": problems})
    else:
        options.info(f"{problems} problem{'' if problems == 1 else 's'}")
    click.get_current_context().exit(1 if problems else 0)
