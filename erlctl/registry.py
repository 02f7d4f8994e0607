"""Named things that a spec can choose: algorithms, networks, optimisers, policies.

    @register("algorithm", "dqn")
    @dataclass(frozen=True, kw_only=True)
    class Dqn(ValueAlgorithm): ...

A class is found by importing every module of its folder once; another package adds its own through
the entry-point group `erlctl.<kind>s` (for example `erlctl.algorithms`), whose values are modules
or classes that call `register` when they are imported.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from importlib import metadata
from types import MappingProxyType
from typing import TypeVar

from erlctl.errors import ErlctlError, UnknownNameError
from erlctl.fields import Options

T = TypeVar("T", bound=type[Options])

# Folder whose modules register the entries of a kind; the modules must not import TensorFlow.
_FOLDERS = {
    "algorithm": "erlctl.algorithms",
    "network": "erlctl.options.networks",
    "optimizer": "erlctl.options.optimizers",
    "policy": "erlctl.options.policies",
    "launcher": "erlctl.launch.launchers",
}
_entries: dict[str, dict[str, type[Options]]] = {kind: {} for kind in _FOLDERS}


def register(kind: str, name: str) -> Callable[[T], T]:
    """Return a class decorator that makes a class selectable as `name`.

    Raises:
        ErlctlError: The name is taken; the message names both classes.
    """

    def decorate(cls: T) -> T:
        taken = _entries[kind].get(name)
        if taken is not None and _identity(taken) != _identity(cls):
            raise ErlctlError(
                f"{kind} {name!r} is registered twice: {_identity(taken)} and {_identity(cls)}",
                fix="rename one of them or uninstall the package that brings it",
            )
        cls.registered_name = name  # type: ignore[attr-defined]
        _entries[kind][name] = cls
        return cls

    return decorate


def get(kind: str, name: str) -> type[Options]:
    """Return the class registered as `name`, or raise `UnknownNameError` with the nearest name."""
    entries = all_of(kind)
    if name not in entries:
        raise UnknownNameError(kind, name, entries)
    return entries[name]


def all_of(kind: str) -> Mapping[str, type[Options]]:
    """Return every entry of a kind, sorted by name."""
    _discover(kind)
    return MappingProxyType(dict(sorted(_entries[kind].items())))


@functools.cache
def _discover(kind: str) -> None:
    package = importlib.import_module(_FOLDERS[kind])
    for module in pkgutil.iter_modules(getattr(package, "__path__", [])):
        importlib.import_module(f"{_FOLDERS[kind]}.{module.name}")
    for point in metadata.entry_points(group=f"erlctl.{kind}s"):
        try:
            point.load()
        except Exception as error:
            raise ErlctlError(
                f"the {kind} plug-in {point.name!r} ({point.value}) cannot be loaded: {error!r}",
                fix="repair or uninstall that package",
            ) from error


def _identity(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
