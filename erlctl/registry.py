"""Named things that a spec can choose: algorithms, networks, optimisers, policies, errors.

    @register("algorithm", "dqn")
    @dataclass(frozen=True, kw_only=True)
    class Dqn(ValueAlgorithm): ...

A class is found by importing every module of its folder once; another package adds its own through
the entry-point group `erlctl.<kind>s` (for example `erlctl.algorithms`), whose values are modules
or classes that call `register` when they are imported. `load_file` does the same for a plain file.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, TypeVar

from erlctl.errors import ErlctlError, UnknownNameError
from erlctl.fields import Options

T = TypeVar("T", bound=type[Options])

# Folder whose modules register the entries of a kind; the modules must not import TensorFlow.
_FOLDERS = {
    "algorithm": "erlctl.algorithms",
    "network": "erlctl.options.networks",
    "optimizer": "erlctl.options.optimizers",
    "policy": "erlctl.options.policies",
    "error": "erlctl.options.errors",
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


def is_file(trusted: str) -> bool:
    """Return whether an argument of `--trust` names a file and not a module."""
    return trusted.endswith(".py")


def load_files(paths: Iterable[str | Path]) -> None:
    """Run Python files that register entries, each once; the caller vouches for them.

    Raises:
        ErlctlError: One cannot be read or raises; names it.
    """
    for path in paths:
        load_file(path)


def load_file(path: str | Path) -> ModuleType:
    """Run a Python file once and return its module; the caller vouches for it.

    Raises:
        ErlctlError: It cannot be read or raises; names it.
    """
    resolved = Path(path).resolve()
    name = f"erlctl_file_{hashlib.sha256(str(resolved).encode()).hexdigest()[:16]}"
    if name not in sys.modules:
        _run_file(resolved, name)
    return sys.modules[name]


def _run_file(path: Path, name: str) -> None:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ErlctlError(f"{path} is not a Python file", fix="name a file that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up while the file runs
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise ErlctlError(
            f"{path} cannot be loaded: {type(error).__name__}: {error}", fix="repair that file"
        ) from error


@functools.cache
def _discover(kind: str) -> None:
    package = importlib.import_module(_FOLDERS[kind])
    for module in pkgutil.iter_modules(getattr(package, "__path__", [])):
        importlib.import_module(f"{_FOLDERS[kind]}.{module.name}")
    load_plugins(kind)


@functools.cache
def load_plugins(kind: str) -> None:
    """Load the entry points of the group `erlctl.<kind>s`, once.

    Raises:
        ErlctlError: One cannot be loaded; names it.
    """
    for point in _entry_points().select(group=f"erlctl.{kind}s"):
        try:
            point.load()
        except Exception as error:
            raise ErlctlError(
                f"the {kind} plug-in {point.name!r} ({point.value}) cannot be loaded: {error!r}",
                fix="repair or uninstall that package",
            ) from error


@functools.cache
def _entry_points() -> Any:  # its type depends on Python's version
    # Once for all kinds: it reads a file of every installed package.
    return metadata.entry_points()


def _identity(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
