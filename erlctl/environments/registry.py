"""The compiled environments by id; listing and checking them needs no TensorFlow."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from erlctl.environments import catalogue
from erlctl.environments.catalogue import CompiledEntry
from erlctl.errors import ErlctlError, UnknownNameError, nearest

if TYPE_CHECKING:
    import tensorflow as tf

    from erlctl.environments.compiled.base import CompiledEnvironment

COMPILED: Mapping[str, CompiledEntry] = MappingProxyType(
    {entry.id: entry for entry in catalogue.ENTRIES}
)
_ALIASES = {alias: entry.id for entry in catalogue.ENTRIES for alias in entry.aliases}


class UnknownKeywordError(ErlctlError):
    """An environment was given a keyword argument that it does not have."""

    exit_code = 2

    def __init__(self, entry: CompiledEntry, name: str) -> None:
        guess = nearest(name, entry.keywords)
        known = ", ".join(sorted(entry.keywords))
        super().__init__(
            f"environment {entry.id} has no keyword argument {name!r}; it has: {known}",
            fix=f"write {guess!r} instead" if guess else f"remove {name!r}",
        )


def find(environment_id: str) -> CompiledEntry:
    """Return the entry of `environment_id`, which may be an alias.

    Raises:
        UnknownNameError: No compiled environment has this id; names the nearest one.
    """
    entry = COMPILED.get(_ALIASES.get(environment_id, environment_id))
    if entry is None:
        raise UnknownNameError("environment", environment_id, COMPILED)
    return entry


def keyword_arguments(entry: CompiledEntry, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return every keyword argument of an environment: its defaults, then `given`, then its own.

    Raises:
        UnknownKeywordError: `given` holds a name that the environment does not have.
    """
    for name in given:
        if name not in entry.keywords:
            raise UnknownKeywordError(entry, name)
    defaults = {name: keyword.default for name, keyword in entry.keywords.items()}
    return {**defaults, **given, **entry.fixed}


def make(
    environment_id: str,
    num_envs: int,
    generator: tf.random.Generator,
    **kwargs: Any,
) -> CompiledEnvironment:
    """Return `num_envs` copies of a compiled environment; imports TensorFlow.

    Raises:
        UnknownNameError: No compiled environment has this id.
        UnknownKeywordError: The environment has no such keyword argument.
        DomainError: A keyword argument, or `num_envs`, is outside its domain.
    """
    entry = find(environment_id)
    arguments = keyword_arguments(entry, kwargs)
    cls = getattr(importlib.import_module(entry.module), entry.class_name)
    environment: CompiledEnvironment = cls(num_envs, generator, **arguments)
    return environment
