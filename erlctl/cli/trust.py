"""Specs are data; the few that name code to be run need the user's word for it."""

from __future__ import annotations

from collections.abc import Iterable

import click

from erlctl.errors import ErlctlError
from erlctl.spec.schema import EnvironmentSection

trust_option = click.option(
    "--trust", "trusted", metavar="MODULE", multiple=True, envvar="ERLCTL_TRUST", show_envvar=True,
    help="Allow environments from this Python module (with `backend: python`, or an id as "
         "MODULE:Name-v0); repeatable.",
)


def module_of(environment: EnvironmentSection) -> str | None:
    """Return the module that making an environment would import by its id, None if there is none.

    `backend: python` calls what the id names; gym and gymnasium import the part before the colon.
    """
    module, colon, _ = environment.id.partition(":")
    return module if colon else None


def require(environments: Iterable[EnvironmentSection], trusted: Iterable[str]) -> None:
    """Refuse environments of modules that nobody vouches for.

    Args:
        environments: What is about to be made.
        trusted: Modules; one stands for its submodules as well.

    Raises:
        ErlctlError: Names the modules and the options that allow them.
    """
    allowed = set(trusted)
    unknown = {
        module for module in map(module_of, environments)
        if module is not None and not allowed & set(_with_parents(module))
    }
    if unknown:
        names = sorted(unknown)
        raise ErlctlError(
            f"environment.id names code to be run, from {', '.join(names)}",
            fix="if you trust it, add " + " ".join(f"--trust {name}" for name in names),
        )


def _with_parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]
