"""`erlctl validate`: check specs, list their runs."""

from __future__ import annotations

import click

from erlctl import spec
from erlctl.cli import options, trust
from erlctl.cli.specs import load
from erlctl.runs import initial

_COLUMNS = ["source", "name", "variant", "seed", "environment", "backend", "steps"]


@click.command()
@click.argument("specs", metavar="SPEC...", nargs=-1, required=True)
@options.set_option
@options.seeds_option
@trust.trust_option
@options.format_option()
def validate(specs: tuple[str, ...], overrides: tuple[str, ...], seeds: str | None,
             trusted: tuple[str, ...], fmt: str) -> None:
    """Check each SPEC and list its runs; nothing is started. `-` reads standard input.

    All mistakes of all files are reported at once as `file:line:column: path: what`, and the
    command exits with 2.

    \b
    Example:
      erlctl validate experiments/quickstart.yaml --set agent.gamma=0.95
    """
    rows = [row for experiment in load(specs, overrides, seeds, trusted, initial.problems)
            for row in _rows(experiment)]
    options.echo_rows(rows, _COLUMNS, fmt)
    options.info(f"{len(rows)} run{'s' if len(rows) != 1 else ''}, no problems")


def _rows(experiment: spec.Experiment) -> list[dict[str, object]]:
    return [
        {
            "source": experiment.source, "name": run.name, "variant": run.variant,
            "seed": run.seed, "environment": run.environment.id,
            "backend": run.environment.backend, "steps": run.training.steps,
        }
        for run in experiment.runs
    ]
