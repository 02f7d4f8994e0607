"""The backends' packages: imported quietly, asked which environments they have."""

from __future__ import annotations

import contextlib
import difflib
import functools
import importlib
import io
import os
import warnings
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from erlctl.environments import registry
from erlctl.environments.host import backends
from erlctl.errors import ErlctlError, UnknownNameError
from erlctl.spec.schema import Backend

_MAX_NAMED = 20


def revive_numpy_names() -> None:
    """Give NumPy 2 back the two names that gym 0.23 and its environments still use."""
    for name, kept in (("float_", np.float64), ("bool8", np.bool_)):
        if not hasattr(np, name):
            setattr(np, name, kept)


def load(backend: str) -> Any:
    """Return the package of a backend, imported.

    Raises:
        ErlctlError: It is not installed; names the command that does it.
    """
    backends.require(backend)
    if backend == "gym":
        revive_numpy_names()
    # Gym says on every import that it is no longer maintained.
    with contextlib.redirect_stderr(io.StringIO()):
        return importlib.import_module(backend)


@functools.cache
def prepare_pygame() -> None:
    """Let pygame, which many environments import, do without a screen, a sound card and a word."""
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    os.environ.setdefault("SDL_AUDIODRIVER", "dummy")
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    warnings.filterwarnings("ignore", "pkg_resources is deprecated as an API", UserWarning)


_IDS: Mapping[str, Callable[[Any], Collection[str]]] = MappingProxyType({
    # Its own look-up raises for what is no id at all: "ALE/", "CartPole-v1 ".
    "gym": lambda gym: frozenset(gym.envs.registry.env_specs),
    "gymnasium": lambda gymnasium: gymnasium.registry,
    "envpool": lambda envpool: envpool.list_all_envs(),
})


def known_ids(backend: str) -> Collection[str]:
    """Return the ids that a backend's package has registered itself."""
    return _IDS[backend](load(backend))


def has(backend: str, environment_id: str) -> bool:
    """Return whether a backend knows an id; `module:id` is registered by importing the module."""
    return ":" in environment_id or environment_id in known_ids(backend)


def facts(backend: str, environment_id: str) -> tuple[float | None, str]:
    """Return (reward threshold or None, where the environment comes from) of a known id."""
    package = load(backend)
    if backend == "envpool":
        return package.make_spec(environment_id).reward_threshold, "EnvPool"
    spec = package.spec(environment_id)
    return spec.reward_threshold, f"{backend}, {spec.entry_point}"


class OtherBackendError(ErlctlError):
    """An environment that another backend has."""

    exit_code = 2


def unknown(backend: Backend, environment_id: str) -> ErlctlError:
    """Return the error for an id that a backend does not know; `auto` is compiled, then gym."""
    name = "gym" if backend == "auto" else backend
    others = (other for other in backends.PACKAGES if other != name)
    owners = [other for other in others
              if backends.is_installed(other) and has(other, environment_id)]
    if owners:
        return OtherBackendError(
            f"{name} has no environment {environment_id!r}, {' and '.join(owners)} "
            f"{'has' if len(owners) == 1 else 'have'} it",
            fix=f"write `backend: {owners[0]}`",
        )
    known = {*known_ids(name), *(registry.COMPILED if backend == "auto" else ())}
    return UnknownNameError(
        "environment" if backend == "auto" else f"{backend} environment", environment_id,
        similar(known, environment_id) or sorted(known)[:_MAX_NAMED],
    )


def similar(known: Collection[str], environment_id: str) -> list[str]:
    """Return known ids that an unknown one may mean, a few: EnvPool has more than a thousand."""
    stem = environment_id.partition("-")[0].lower()
    close = difflib.get_close_matches(environment_id, known, n=_MAX_NAMED, cutoff=0.5)
    found = dict.fromkeys([*close, *(name for name in known if stem in name.lower())])
    return list(found)[:_MAX_NAMED]
