"""Which backend an environment section means, and what is wrong with it. Imports no environment."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from importlib import util
from types import MappingProxyType
from typing import NamedTuple

from erlctl.environments import registry
from erlctl.errors import ErlctlError, UnknownNameError
from erlctl.options.wrappers import Wrappers
from erlctl.spec.schema import Backend, EnvironmentSection


class Package(NamedTuple):
    """What a backend needs: its package has the same name.

    Attributes:
        install: The command that installs it.
        brings: Which environments it has.
    """

    install: str
    brings: str


PACKAGES: Mapping[str, Package] = MappingProxyType({
    "gym": Package("pip install 'gym==0.23.0'", "every id that gym 0.23 has registered"),
    "gymnasium": Package("pip install 'erlctl[gymnasium]'", "gym's maintained successor"),
    "envpool": Package("pip install 'erlctl[envpool]'", "Atari, Box2D, MuJoCo in C++"),
})
# What the compiled environments have under names of their own.
_COMPILED_KEYWORDS = {
    "time_limit": "time_limit", "sticky_actions": "sticky_action_probability",
}


def resolve(section: EnvironmentSection) -> Backend:
    """Return the backend: `auto` is compiled where there is one of that id, else gym."""
    if section.backend != "auto":
        return section.backend
    return "compiled" if is_compiled(section.id) else "gym"


def is_compiled(environment_id: str) -> bool:
    """Return whether there is a compiled environment of this id or alias."""
    try:
        registry.find(environment_id)
    except UnknownNameError:
        return False
    return True


def is_installed(backend: str) -> bool:
    """Return whether a backend's package is there; it is not imported."""
    return backend not in PACKAGES or util.find_spec(backend) is not None


def require(backend: str) -> None:
    """Refuse a backend whose package is missing.

    Raises:
        ErlctlError: With the command that installs it.
    """
    if not is_installed(backend):
        raise ErlctlError(
            f"backend {backend} needs the package {backend}, which is not installed",
            fix=PACKAGES[backend].install,
        )


def problems(section: EnvironmentSection) -> Iterator[tuple[str, str]]:
    """Yield (path inside the section, message) for what can be seen without the environment."""
    backend = resolve(section)
    if not is_installed(backend):
        yield "backend", f"{backend} needs the package {backend}: {PACKAGES[backend].install}"
    if backend == "compiled":
        yield from _compiled_problems(section)
    if backend == "envpool":
        yield from _envpool_problems(section)
    if backend == "python" and section.id.count(":") != 1:
        yield "id", f"with backend python it is module:factory, got {section.id!r}"


def _compiled_problems(section: EnvironmentSection) -> Iterator[tuple[str, str]]:
    for field in dataclasses.fields(Wrappers):
        if getattr(section.wrappers, field.name) == field.default:
            continue
        remedy = "write `backend: gym` if gym has this environment"
        keyword = _COMPILED_KEYWORDS.get(field.name)
        if keyword and is_compiled(section.id) and hasattr(
            registry.find(section.id).keywords, keyword
        ):
            remedy = f"write it as environment.kwargs.{keyword}"
        yield f"wrappers.{field.name}", f"compiled environments have no wrappers: {remedy}"
    if section.vectorise != "inline":
        yield "vectorise", "compiled environments run in the compiled program: remove it"


def _envpool_problems(section: EnvironmentSection) -> Iterator[tuple[str, str]]:
    if section.vectorise != "inline":
        yield "vectorise", "EnvPool has threads of its own: remove it"
    if section.wrappers.action_repeat != 1:
        yield "wrappers.action_repeat", (
            "EnvPool repeats actions itself: write environment.kwargs.frame_skip where it has that"
        )
