"""`erlctl show`: everything about one run, read from its folder."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from erlctl.cli import options
from erlctl.errors import ErlctlError
from erlctl.files import read_regular

_NUM_EVALUATIONS = 5
_MAX_SPEC_BYTES = 1 << 20


@click.command()
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@options.format_option()
def show(run: Path, fmt: str) -> None:
    """Show one RUN: status, progress, evaluations, attempts, files, spec, how to go on.

    \b
    Example:
      erlctl show runs/quickstart/dqn/seed-0
    """
    report = _report(only_run(run))
    if fmt == "json":
        options.echo_json(report)
        return
    for title, lines in _sections(report):
        click.echo(click.style(title, bold=True))
        for line in lines:
            click.echo(f"  {options.printable(line)}")


def only_run(path: Path) -> Any:
    """Return the one run at `path`.

    Raises:
        BadParameter: There are several.
        ErlctlError: There is none.
    """
    from erlctl.runs.layout import find_runs, no_run

    found = find_runs([path])
    if len(found.runs) == 1:
        return found.runs[0]
    if found.runs:
        listed = "\n".join(f"  {paths.root}" for paths in found.runs[:10])
        raise click.BadParameter(f"{path} holds {len(found.runs)} runs, name one:\n{listed}",
                                 param_hint="RUN")
    raise no_run(found.skipped)


def _report(paths: Any) -> dict[str, Any]:
    from erlctl.runs import notes
    from erlctl.runs.layout import read_run_json
    from erlctl.runs.summary import evaluation_means, summarise

    facts = read_run_json(paths)
    summary = asdict(summarise(paths))
    steps, returns, _ = evaluation_means(paths)
    return {
        **summary,
        "updated": facts.get("updated"),
        "notes": notes.read_or_none(paths)["notes"],
        "evaluations": [
            {"step": int(step), "return_mean": float(mean)}
            for step, mean in list(zip(steps, returns, strict=True))[-_NUM_EVALUATIONS:]
            if math.isfinite(step)  # a damaged row may have none
        ],
        "attempts": [a for a in _list(facts.get("attempts")) if isinstance(a, dict)],
        "versions": facts.get("versions"),
        "command": _command(facts),
        "files": [{"name": name, "bytes": size} for name, size in _files(paths.root)],
        "spec": _text(paths.spec),
        "resume": _resume(paths, facts),
    }


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else []


def _command(facts: Mapping[str, Any]) -> str | None:
    parts = _list(facts.get("command"))
    return shlex.join(map(str, parts)) if parts else None


def _resume(paths: Any, facts: Mapping[str, Any]) -> str | None:
    """Return a line that goes on with this one run from anywhere; None if there is none.

    The resolved spec in the folder is a spec of one run, and the runs directory is three levels
    up, unless somebody renamed a folder.
    """
    from erlctl import spec
    from erlctl.runs.layout import RunPaths

    root = paths.root.absolute()
    try:
        run = spec.load_run(root / "spec.yaml")
    except ErlctlError:
        return None
    if facts["status"] == "complete" or RunPaths.of(root.parents[2], run).root != root:
        return None
    return shlex.join(
        ["erlctl", "train", str(root / "spec.yaml"), "--runs-dir", str(root.parents[2])]
    )


def _files(root: Path) -> Iterator[tuple[str, int]]:
    """Yield the entries of a run directory with the bytes in them; links are not followed."""
    try:
        entries = sorted(os.scandir(root), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield f"{entry.name}/", _tree_bytes(Path(entry.path))
        else:
            yield entry.name, _bytes(Path(entry.path))


def _tree_bytes(folder: Path) -> int:
    return sum(
        _bytes(Path(parent, name)) for parent, _, names in os.walk(folder) for name in names
    )


def _bytes(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0  # gone since it was listed


def _text(path: Path) -> str | None:
    try:
        return read_regular(path, _MAX_SPEC_BYTES).decode("utf-8", "replace")
    except OSError:
        return None


def _sections(report: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    total = "?" if report["total_steps"] is None else report["total_steps"]
    reason = f" ({report['reason']})" if report["reason"] else ""
    yield str(report["path"]), [
        f"status       {report['status']}{reason}",
        f"run          {report['name']}/{report['variant']}/seed-{report['seed']}",
        f"algorithm    {report['algorithm'] or '?'} on {report['environment'] or '?'}",
        f"step         {report['step']} of {total}",
        f"updated      {report['updated'] or '?'}",
        *([f"where        {', '.join(filter(None, (report['host'], report['job'])))}"]
          if report["status"] == "running" and report["host"] else []),
        *(f"problem      {problem}" for problem in report["problems"]),
    ]
    if report["tags"] or report["notes"]:
        yield "notes", [
            *(f"{entry.get('time', '?')}  {entry['text']}" for entry in report["notes"]),
            *([f"tags: {', '.join(report['tags'])}"] if report["tags"] else []),
        ]
    if report["evaluations"]:
        yield "evaluations", [
            f"step {row['step']:>9}  mean return {row['return_mean']:.6g}"
            for row in report["evaluations"]
        ]
    if report["attempts"]:
        yield "attempts", [_attempt(attempt) for attempt in report["attempts"]]
    yield "files", [f"{row['bytes']:>12,}  {row['name']}" for row in report["files"]]
    if report["spec"] is not None:
        yield "spec", report["spec"].splitlines()
    if report["command"]:
        yield "started by", [report["command"]]
    if report["resume"]:
        yield "to go on", [report["resume"]]


def _attempt(attempt: Mapping[str, Any]) -> str:
    ended = attempt.get("ended") or "-"
    steps = f"{attempt.get('from_step', '?')} to {attempt.get('to_step') or '?'}"
    outcome, job = attempt.get("outcome") or "?", attempt.get("job")
    return f"{attempt.get('started', '?')} .. {ended}  step {steps}  {outcome} " \
           f"on {attempt.get('host', '?')}{f', {job}' if job else ''}"
