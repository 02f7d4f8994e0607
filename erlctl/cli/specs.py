"""Specs for commands: all files, every mistake of all of them, and what only environments know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from erlctl import spec
from erlctl.cli import options
from erlctl.environments import registry as environments
from erlctl.errors import Problem, SpecError, UnknownNameError, unknown_name


def load_all(
    paths: Sequence[str], overrides: Sequence[str], seeds: str | None
) -> list[spec.Experiment]:
    """Return the experiment of each file and say its warnings.

    Raises:
        SpecError: Every mistake of every file.
    """
    experiments: list[spec.Experiment] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            experiments.append(spec.load(path, overrides, seeds, checks=[environment_problems]))
        except SpecError as error:
            problems.extend(error.problems)
    if problems:
        raise SpecError(problems)
    for experiment in experiments:
        for warning in experiment.warnings:
            options.talk(f"{experiment.source}: warning: {warning}")
    return experiments


def environment_problems(run: spec.RunSpec) -> Iterator[tuple[str, str]]:
    """Yield (path, message) where the environment or one of its arguments is not known."""
    if run.environment.backend not in ("auto", "compiled"):
        return
    try:
        entry = environments.find(run.environment.id)
    except UnknownNameError as error:
        yield "environment.id", str(error)
        return
    for name in run.environment.kwargs:
        if name not in entry.keywords:
            yield f"environment.kwargs.{name}", unknown_name("argument", name, entry.keywords)
