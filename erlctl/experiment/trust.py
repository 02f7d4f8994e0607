"""Specs are data; the few that name code to be run need the user's word for it."""

from __future__ import annotations

from collections.abc import Iterable

from erlctl.errors import ErlctlError
from erlctl.spec.schema import EnvironmentSection


def module_of(environment: EnvironmentSection) -> str | None:
    """Return the module that making an environment would import by its id, None if there is none.

    `backend: python` calls what the id names; gym and gymnasium import the part before the colon.
    """
    module, colon, _ = environment.id.partition(":")
    return module if colon else None


def is_trusted(environment: EnvironmentSection, trusted: Iterable[str]) -> bool:
    """Return whether an environment names no code, or code of a module that is vouched for.

    Args:
        environment: What is about to be made.
        trusted: Modules; one stands for its submodules as well.
    """
    module = module_of(environment)
    return not module or is_trusted_module(module, trusted)


def is_trusted_module(module: str, trusted: Iterable[str]) -> bool:
    """Return whether a module or one that it is part of is vouched for."""
    parts = module.split(".")
    parents = {".".join(parts[:count]) for count in range(1, len(parts) + 1)}
    return bool(parents & set(trusted))


def require(environments: Iterable[EnvironmentSection], trusted: Iterable[str]) -> None:
    """Refuse environments of modules that nobody vouches for.

    Raises:
        ErlctlError: Names the modules and the options that allow them.
    """
    allowed = set(trusted)
    names = sorted({
        str(module_of(section)) for section in environments if not is_trusted(section, allowed)})
    if names:
        raise ErlctlError(
            f"environment.id names code to be run, from {', '.join(names)}",
            fix="if you trust it, add " + " ".join(f"--trust {name}" for name in names),
        )
