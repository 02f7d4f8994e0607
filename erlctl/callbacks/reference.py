"""Callbacks by name: how a command line, a Python call and a process far away mean the same one."""

from __future__ import annotations

import functools
import importlib
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from erlctl import callbacks
from erlctl.callbacks.base import Callback
from erlctl.errors import DomainError, ErlctlError
from erlctl.experiment.trust import is_trusted_module
from erlctl.registry import is_file, load_file
from erlctl.spec.nodes import resolve

_OURS = {f"erlctl.callbacks:{name}" for name in callbacks.__all__}
FORM = "module:object or file.py:object, with arguments as in module:object,key=value"


@dataclass(frozen=True)
class Reference:
    """A callback that can be made anywhere.

    Attributes:
        target: `module:object` or `/path/file.py:object`, a subclass of `Callback`.
        options: Its keyword arguments, JSON values.
    """

    target: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def module(self) -> str:
        """What must be trusted: a module or a file."""
        return self.target.rpartition(":")[0]

    @property
    def is_file(self) -> bool:
        """Whether the code is in a file that is named by its path."""
        return is_file(self.module)

    def __str__(self) -> str:
        return ",".join([self.target, *(f"{key}={value}" for key, value in self.options.items())])

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Return the callback that a text such as `module:object,key=value` names.

        Raises:
            DomainError: It has another form.
        """
        target, *items = text.split(",")
        module, _, name = target.rpartition(":")
        pairs = [item.partition("=") for item in items]
        if not module or not name or not all(key and equals for key, equals, _ in pairs):
            raise DomainError("callback", text, FORM)
        if is_file(module):  # the process that trains may be somewhere else
            target = f"{Path(module).resolve()}:{name}"
        return cls(target, {key.strip(): resolve(value) for key, _, value in pairs})

    @classmethod
    def of(cls, given: Any) -> Reference:
        """Return the callback that a Python call gives.

        Args:
            given: A text as for `parse`, a class of a module, or a `functools.partial` of one with
                keyword arguments.

        Raises:
            DomainError: It cannot be made in another process.
        """
        if isinstance(given, str):
            return cls.parse(given)
        options: Mapping[str, Any] = {}
        if isinstance(given, functools.partial) and not given.args:
            given, options = given.func, given.keywords
        module, name = getattr(given, "__module__", None), getattr(given, "__qualname__", None)
        if not module or not name or "<" in name or module == "__main__":
            raise DomainError(
                "callback", given, "something that another process can make: a class of a module, "
                "functools.partial(cls, key=value), or a text such as 'file.py:Name,key=value'",
                fix="write it into a file and name it: 'file.py:Name', with trusted=['file.py']",
            )
        try:
            return cls(f"{module}:{name}", json.loads(json.dumps(options)))
        except TypeError as error:
            raise DomainError("callback", options, f"arguments of JSON values ({error})") from error


def require_trust(references: Iterable[Reference], trusted: Iterable[str]) -> None:
    """Refuse callbacks of modules and files that nobody vouches for; those we ship need no word.

    Raises:
        ErlctlError: Names them and the options that allow them.
    """
    allowed = {*trusted, *(str(Path(name).resolve()) for name in trusted)}
    names = sorted({each.module for each in references if each.target not in _OURS and not (
        each.module in allowed if each.is_file else is_trusted_module(each.module, allowed))})
    if names:
        raise ErlctlError(
            f"--callback names code to be run, from {', '.join(names)}",
            fix="if you trust it, add " + " ".join(f"--trust {name}" for name in names))


def make(reference: Reference) -> Callback:
    """Return a callback of its own; imports its module.

    Raises:
        ErlctlError: There is no such object, it is no `Callback`, or it raises.
    """
    try:
        factory: Any = _module(reference)
        for part in reference.target.rpartition(":")[2].split("."):
            factory = getattr(factory, part)
        if not (isinstance(factory, type) and issubclass(factory, Callback)):
            raise ErlctlError(f"it is a {type(factory).__qualname__}, not a class of callbacks",
                              fix="derive its class from erlctl.callbacks.Callback")
        made = factory(**reference.options)
    except ErlctlError as error:
        raise ErlctlError(f"callback {reference}: {error}") from error
    except Exception as error:  # whatever a module or a constructor does wrong
        raise ErlctlError(
            f"callback {reference}: {type(error).__name__}: {error}",
            fix=f"expected {FORM}; modules are found where Python finds them and in this folder",
        ) from error
    made.name = str(reference)
    return made


def _module(reference: Reference) -> Any:
    if reference.is_file:
        return load_file(reference.module)
    # Home-made modules lie beside the spec; last, so that they hide nothing that is installed.
    if (folder := str(Path.cwd())) not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(reference.module)
