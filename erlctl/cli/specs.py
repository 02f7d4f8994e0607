"""Specs for commands: all files, every mistake of all of them, and what only environments know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from erlctl import spec
from erlctl.cli import options
from erlctl.environments import registry as environments
from erlctl.environments.host import backends, packages
from erlctl.errors import Problem, SpecError, UnknownNameError, unknown_name
from erlctl.spec.schema import EnvironmentSection


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
            options.info(f"{experiment.source}: warning: {warning}")
    return experiments


def environment_problems(run: spec.RunSpec) -> Iterator[tuple[str, str]]:
    """Yield (path, message) where the environment or one of its arguments is not known."""
    section = run.environment
    backend, found = backends.resolve(section), False
    for path, problem in backends.problems(section):
        found = True
        yield f"environment.{path}", problem
    if backend == "compiled":
        yield from _compiled_problems(section)
    elif not found and backend in backends.PACKAGES:
        yield from _host_problems(section, backend)


def _compiled_problems(section: EnvironmentSection) -> Iterator[tuple[str, str]]:
    try:
        entry = environments.find(section.id)
    except UnknownNameError as error:
        yield "environment.id", str(error)
        return
    for name in section.kwargs:
        if name not in entry.keywords:
            yield f"environment.kwargs.{name}", unknown_name("argument", name, entry.keywords)


def _host_problems(section: EnvironmentSection, backend: str) -> Iterator[tuple[str, str]]:
    if packages.has(backend, section.id):
        return
    if section.backend == "auto":
        known = {*environments.COMPILED, *packages.known_ids(backend)}
        yield "environment.id", str(UnknownNameError("environment", section.id, known))
    else:
        yield "environment.id", str(packages.unknown(backend, section.id))
