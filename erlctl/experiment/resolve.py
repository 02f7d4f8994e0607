"""What `auto` means for a run is decided once, when the run is made, and stands in its spec."""

from __future__ import annotations

import dataclasses

from erlctl.environments import registry
from erlctl.environments.catalogue import Keywords
from erlctl.environments.host import backends
from erlctl.experiment import compilation
from erlctl.spec import canonical
from erlctl.spec.nodes import MapNode, ScalarNode, Where
from erlctl.spec.reader import FAILED, Reader
from erlctl.spec.schema import EnvironmentSection, RunSpec, Scalar

_HERE = Where("")  # the places are known to whoever has read the spec


def resolve(run: RunSpec) -> RunSpec:
    """Return `run` with every `auto` replaced by what it means here: backend and compilation.

    For a planner nothing is compiled, and `compile` stays as it is.

    Keyword arguments of a compiled environment get the types that it declares: 1e3 is 1000.
    """
    section = run.environment
    backend = backends.resolve(section)
    kwargs = section.kwargs
    if backend == "compiled" and backends.is_compiled(section.id):
        keywords, problems = read_keywords(section)
        if keywords is not None and not problems:
            kwargs = {name: getattr(keywords, name) for name in kwargs}
    section = dataclasses.replace(section, backend=backend, kwargs=kwargs)
    run = dataclasses.replace(run, environment=section)
    if run.training.compile != "auto" or run.agent.base == "planner":
        return run
    training = dataclasses.replace(run.training, compile=compilation.choose(run))
    return dataclasses.replace(run, training=training)


def read_keywords(
    section: EnvironmentSection,
) -> tuple[Keywords | None, list[tuple[str, str]]]:
    """Return a compiled environment's keyword arguments, or what is wrong with them.

    Returns:
        The arguments, those that are not given by default (None: some cannot be read), and for each
        that is wrong its path and a message.
    """
    declared = registry.find(section.id).keywords
    reader = Reader()
    entries = tuple((ScalarNode(_HERE, name), _node(v)) for name, v in section.kwargs.items())
    read = reader.section(
        MapNode(_HERE, entries), type(declared), "environment.kwargs", declared)
    problems = [(problem.path, problem.message) for problem in reader.problems]
    return None if read is FAILED else read, problems


def _node(value: Scalar) -> ScalarNode:
    """Return a value of a spec as it was written, or might have been."""
    if isinstance(value, str):
        return ScalarNode(_HERE, value, quoted=True)
    return ScalarNode(_HERE, canonical.scalar_text(value))
