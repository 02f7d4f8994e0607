"""The compiled environments by id; listing and checking them needs no TensorFlow.

Another package adds its own through the entry-point group `erlctl.environments`, a plain file by
`--trust FILE`: both call `register` with a `catalogue.CompiledEntry`.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from erlctl.environments import catalogue
from erlctl.environments.catalogue import CompiledEntry, Keywords
from erlctl.errors import ErlctlError, UnknownNameError
from erlctl.registry import load_plugins

if TYPE_CHECKING:
    import tensorflow as tf

    from erlctl.environments.compiled.base import CompiledEnvironment
    from erlctl.environments.compiled.tables import Table

_entries: dict[str, CompiledEntry] = {entry.id: entry for entry in catalogue.ENTRIES}


class _Compiled(Mapping[str, CompiledEntry]):
    """Id -> entry, plug-ins included; aliases are found too, but not listed."""

    def __getitem__(self, environment_id: str) -> CompiledEntry:
        load_plugins("environment")
        if environment_id in _entries:
            return _entries[environment_id]
        for entry in _entries.values():
            if environment_id in entry.aliases:
                return entry
        raise KeyError(environment_id)

    def __iter__(self) -> Iterator[str]:
        load_plugins("environment")
        return iter(_entries)

    def __len__(self) -> int:
        load_plugins("environment")
        return len(_entries)


COMPILED: Mapping[str, CompiledEntry] = _Compiled()


def register(entry: CompiledEntry) -> CompiledEntry:
    """Make a compiled environment selectable by its id and aliases.

    Raises:
        ErlctlError: One of these names is taken.
    """
    for name in (entry.id, *entry.aliases):
        for other in _entries.values():
            if name in (other.id, *other.aliases) and other != entry:
                raise ErlctlError(
                    f"environment {name!r} is registered twice: {other.module}.{other.class_name} "
                    f"and {entry.module}.{entry.class_name}",
                    fix="rename one of them or uninstall the package that brings it",
                )
    _entries[entry.id] = entry
    return entry


def find(environment_id: str) -> CompiledEntry:
    """Return the entry of `environment_id`, which may be an alias.

    Raises:
        UnknownNameError: No compiled environment has this id; names the nearest one.
    """
    entry = COMPILED.get(environment_id)
    if entry is None:
        raise UnknownNameError("environment", environment_id, COMPILED)
    return entry


def keywords_of(entry: CompiledEntry, given: Mapping[str, Any]) -> Keywords:
    """Return every keyword argument that a spec may give: `given`, else the defaults.

    Raises:
        UnknownNameError: `given` holds a name that the environment does not have.
        DomainError: A value is outside its domain.
    """
    known = [field.name for field in dataclasses.fields(entry.keywords)]
    for name in given:
        if name not in known:
            raise UnknownNameError(f"argument of {entry.id}", name, known)
    return dataclasses.replace(entry.keywords, **given)


def table_of(environment_id: str, given: Mapping[str, Any]) -> Table | None:
    """Return the table of a tabular environment, None for any other; needs no TensorFlow.

    Args:
        environment_id: As for `find`.
        given: Keyword arguments as a spec gives them.
    """
    entry = COMPILED.get(environment_id)
    if entry is None or entry not in catalogue.TABULAR:
        return None
    from erlctl.environments.compiled import tables

    keywords = keywords_of(entry, given)
    names = {field.name for field in dataclasses.fields(keywords)}
    names -= {field.name for field in dataclasses.fields(catalogue.TableKeywords)}
    build = tables.BUILDERS[entry.fixed["builder"]]
    return build(**{name: getattr(keywords, name) for name in names})


def make(
    environment_id: str,
    num_envs: int,
    generator: tf.random.Generator,
    **kwargs: Any,
) -> CompiledEnvironment:
    """Return `num_envs` copies of a compiled environment; imports TensorFlow.

    Raises:
        UnknownNameError: No compiled environment has this id, or it has no such keyword argument.
        DomainError: A keyword argument, or `num_envs`, is outside its domain.
    """
    entry = find(environment_id)
    keywords = keywords_of(entry, kwargs)
    arguments = {**{f.name: getattr(keywords, f.name) for f in dataclasses.fields(keywords)},
                 **entry.fixed}
    cls = getattr(importlib.import_module(entry.module), entry.class_name)
    environment: CompiledEnvironment = cls(num_envs, generator, **arguments)
    return environment
