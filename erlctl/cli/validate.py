"""`erlctl validate`: check specs, list their runs."""

from __future__ import annotations

import click

from erlctl import spec
from erlctl.cli import options
from erlctl.errors import Problem, SpecError


@click.command()
@click.argument("specs", metavar="SPEC...", nargs=-1, required=True)
@options.set_option
@options.seeds_option
@options.format_option()
def validate(specs: tuple[str, ...], overrides: tuple[str, ...], seeds: str | None,
             fmt: str) -> None:
    """Check each SPEC and list its runs; nothing is started. `-` reads standard input.

    All mistakes of all files are reported at once as `file:line:column: path: what`, and the
    command exits with 2.

    \b
    Example:
      erlctl validate experiments/quickstart.yaml --set agent.gamma=0.95
    """
    rows: list[dict[str, object]] = []
    problems: list[Problem] = []
    for path in specs:
        try:
            experiment = spec.load(path, overrides, seeds)
        except SpecError as error:
            problems.extend(error.problems)
            continue
        rows.extend(_rows(experiment))
        for warning in experiment.warnings:
            options.talk(f"{experiment.source}: warning: {warning}")
    if problems:
        raise SpecError(problems)
    options.echo_rows(rows, ["source", "name", "variant", "seed", "environment", "steps"], fmt)
    options.talk(f"{len(rows)} run{'s' if len(rows) != 1 else ''}, no problems")


def _rows(experiment: spec.Experiment) -> list[dict[str, object]]:
    return [
        {
            "source": experiment.source, "name": run.name, "variant": run.variant,
            "seed": run.seed, "environment": run.environment.id, "steps": run.training.steps,
        }
        for run in experiment.runs
    ]
