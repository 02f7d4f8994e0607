"""The front door for commands: spec files to experiments, warnings to stderr."""

from __future__ import annotations

from collections.abc import Sequence

from erlctl import spec
from erlctl.cli import options
from erlctl.experiment import load_all
from erlctl.spec.load import Check


def load(
    paths: Sequence[str], overrides: Sequence[str], seeds: str | None, trusted: Sequence[str],
    check_run: Check | None = None,
) -> list[spec.Experiment]:
    """Return what `erlctl.experiment.load_all` does and say its warnings.

    Raises:
        SpecError: Every mistake of every file.
    """
    experiments = load_all(paths, overrides, seeds, trusted, check_run)
    for experiment in experiments:
        for warning in experiment.warnings:
            options.info(f"{experiment.source}: warning: {warning}")
    return experiments
