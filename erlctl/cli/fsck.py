"""`erlctl fsck`: check every file of run directories; nothing is changed."""

from __future__ import annotations

import click

from erlctl.cli import options, trust
from erlctl.errors import DamagedError, ErlctlError


@click.command()
@click.argument("paths", metavar="RUN...", nargs=-1, required=True)
@trust.trust_option
@options.format_option()
def fsck(paths: tuple[str, ...], trusted: tuple[str, ...], fmt: str) -> None:
    """Check each RUN for damage and say what fixes it; exits with 5 if data were lost.

    RUN is a run, a variant, an experiment, a runs directory or a glob.
    """
    del trusted  # files are loaded already
    from erlctl.runs.fsck import check
    from erlctl.runs.layout import find_runs

    found = find_runs(paths)
    for path, reason in found.skipped:
        options.info(f"{path}: {reason}")
    findings = [finding for run in found.runs for finding in check(run)]
    rows = [
        {"path": str(finding.path), "damage": finding.is_damage, "message": finding.message,
         "fix": finding.fix}
        for finding in findings
    ]
    if rows or fmt != "table":
        options.echo_rows(rows, ["path", "damage", "message", "fix"], fmt)
    damaged = sum(finding.is_damage for finding in findings)
    options.info(f"{len(found.runs)} runs checked, {damaged} cases of damage")
    if damaged:
        raise DamagedError(f"{damaged} files are damaged; nothing was changed")
    if not found.runs:
        raise ErlctlError("no run directory to check", fix="name a run or a runs directory")
