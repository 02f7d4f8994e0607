"""The option by which a user vouches for the code that a spec names."""

from __future__ import annotations

import click

from erlctl.experiment.trust import module_of, require

__all__ = ["module_of", "require", "trust_option"]

trust_option = click.option(
    "--trust", "trusted", metavar="MODULE", multiple=True, envvar="ERLCTL_TRUST", show_envvar=True,
    help="Allow environments from this Python module (with `backend: python`, or an id as "
         "MODULE:Name-v0); repeatable.",
)
