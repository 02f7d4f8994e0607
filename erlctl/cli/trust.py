"""The option by which a user vouches for the code that a spec names."""

from __future__ import annotations

import click

from erlctl import registry
from erlctl.experiment.trust import module_of, require

__all__ = ["module_of", "require", "trust_option"]

def _load_files(
    ctx: click.Context, parameter: click.Parameter, trusted: tuple[str, ...]
) -> tuple[str, ...]:
    """Run the trusted files at once, before specs that need what they register are read."""
    del ctx, parameter
    registry.load_files([name for name in trusted if registry.is_file(name)])
    return trusted


trust_option = click.option(
    "--trust", "trusted", metavar="MODULE|FILE.py", multiple=True, envvar="ERLCTL_TRUST",
    show_envvar=True, callback=_load_files,
    help="Allow environments from this Python module (with `backend: python`, or an id as "
         "MODULE:Name-v0), or run this file, which registers algorithms, networks, optimisers, "
         "policies or environments; repeatable.",
)
