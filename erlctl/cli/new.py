"""`erlctl new`: a commented spec for an environment and an algorithm."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import click

from erlctl import registry
from erlctl.algorithms.base import Algorithm
from erlctl.algorithms.planners import Planner
from erlctl.cli import options, trust
from erlctl.environments.host import backends
from erlctl.environments.space import Spaces
from erlctl.errors import DomainError, ErlctlError, SpecError, UnknownNameError
from erlctl.experiment import load_all, presets, template
from erlctl.experiment.fit import UNREAD, has_table
from erlctl.experiment.load import spaces_of
from erlctl.experiment.presets import Preset
from erlctl.experiment.trust import is_trusted
from erlctl.spec.schema import NAME, Backend, EnvironmentSection

_STDOUT = "-"
_MAX_NAMED = 2
_FIRST_CHOICE = {
    "discrete": "munchausen_dqn", "continuous": "sac", "multi_discrete": "factorial_dpp",
}
# What only host environments have.
_HOST_FIELDS = {"environment.wrappers", "environment.vectorise", "environment.step_timeout"}


def _echo_presets(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    del parameter
    if not wanted or context.resilient_parsing:
        return
    options.echo_rows(
        [{"preset": preset.name, "environments": _shortened(preset.environments),
          "algorithm": name, "measured": preset.results(name)}
         for preset in presets.all_presets() for name in preset.settings],
        ["preset", "environments", "algorithm", "measured"])
    context.exit()


def _shortened(names: Sequence[str]) -> str:
    more = len(names) - _MAX_NAMED
    return ", ".join(names[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


@click.command()
@click.argument("name")
@click.option("--env", "environment_id", metavar="ID", required=True,
              help="Environment, as in `erlctl environments`.")
@click.option("--algorithm", metavar="NAME",
              help="As in `erlctl algorithms`; default: one that fits the environment's actions.")
@click.option("--backend", type=click.Choice(["compiled", *backends.PACKAGES, "python"]),
              help="Where the environment runs; default: the first that has it here.")
@click.option("-o", "output", metavar="FILE",
              help="File to write, never one that exists; - is stdout.  [default: NAME.yaml]")
@click.option("--presets", is_flag=True, is_eager=True, expose_value=False, callback=_echo_presets,
              help="List the environments with tuned settings and what was measured, then stop.")
@trust.trust_option
def new(
    name: str, environment_id: str, algorithm: str | None, backend: Backend | None,
    output: str | None, trusted: tuple[str, ...],
) -> None:
    """Write a commented spec: settings that are known to fit ID, else what its spaces ask for.

    NAME is the experiment's, and the folder below the runs directory. Every field that is not set
    stands there behind a `#` with its default and meaning. The spec is validated before it is
    written.

    \b
    Examples:
      erlctl new cartpole --env CartPole-v1
      erlctl new hopper --env Hopper-v4 --algorithm munchausen_sac -o specs/hopper.yaml
    """
    target = Path(output or f"{name}.yaml")
    if name not in NAME:
        raise DomainError("NAME", name, str(NAME))
    if output != _STDOUT and target.exists():
        raise _exists(target)
    preset = presets.find(environment_id)
    section = EnvironmentSection(
        id=environment_id, backend=backend or _backend_of(environment_id, preset))
    text, about = _spec(name, section, algorithm, preset, trusted)
    _validate(text, target, trusted)
    for paragraph in about:
        options.info(paragraph)
    if output == _STDOUT:
        click.echo(text, nl=False)
        return
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise _exists(target) from None
    except OSError as error:
        raise ErlctlError(f"cannot write {target}: {error.strerror}") from None
    click.echo(target)
    options.info(f"next: erlctl train {target}   (your editor explains the fields after "
                 f"`erlctl schema > {target.parent / template.SCHEMA_FILE}`)")


def _exists(path: Path) -> ErlctlError:
    return ErlctlError(f"{path} exists already and is left as it is",
                       fix="name another file with -o")


def _backend_of(environment_id: str, preset: Preset | None) -> Backend:
    """Return the first backend that has an environment here, `auto` where that finds it."""
    if backends.is_compiled(environment_id):
        return "auto"
    from erlctl.environments.host import packages

    if preset and preset.backends:
        found = (name for name in preset.backends
                 if backends.is_installed(name) and packages.has(name, environment_id))
        return cast(Backend, next(found, preset.backends[0]))
    from erlctl.environments import inspection

    try:
        return inspection.find_backends(environment_id)[0]
    except UnknownNameError as error:
        hint = presets.elsewhere(environment_id)
        if not hint:
            raise
        raise packages.OtherBackendError(
            f"unknown environment {environment_id!r}", fix=hint) from error


def _spaces(section: EnvironmentSection, trusted: tuple[str, ...]) -> Spaces | None:
    """Return an environment's spaces, None where looking would run code nobody vouches for."""
    if backends.resolve(section) == "compiled" or not is_trusted(section, trusted):
        return spaces_of(section)
    from erlctl.environments.host import probe

    (answer,) = probe.ask([section])
    if isinstance(answer, str):
        raise ErlctlError(answer)
    return answer


def _spec(
    name: str, section: EnvironmentSection, algorithm: str | None, preset: Preset | None,
    trusted: tuple[str, ...],
) -> tuple[str, list[str]]:
    """Return a spec and what is to be known about it, a paragraph each."""
    spaces = None
    if preset is None or (algorithm and algorithm not in preset.settings):
        preset, spaces = None, _spaces(section, trusted)
    if algorithm is None:
        algorithm = next(iter(preset.settings)) if preset else _first_choice(section, spaces)
    cls = cast("type[Algorithm]", registry.get("algorithm", algorithm))
    if preset:
        settings = preset.settings[algorithm]
        about = [f"Settings: {preset.source}.",
                 f"Measured with {algorithm}: {preset.results(algorithm, section.id)}."]
    else:
        settings = presets.fitting(spaces, cls)
        about = ["No tuned settings are known for this: a start that fits the environment's "
                 "spaces, not run here."]
    others = _others(cls, section)
    about += [f"Other algorithms for {cls.action_kind} actions: {', '.join(others)}."]
    environment: dict[str, Any] = {"id": section.id} | (
        {} if section.backend == "auto" else {"backend": section.backend})
    settings = presets.merged(
        {"environment": environment, "agent": {"algorithm": algorithm}}, settings)
    left_out = set(UNREAD.get(cls.base, ()))
    if backends.resolve(section) == "compiled":
        left_out |= _HOST_FIELDS
    return template.write(settings, name, about, left_out), about


def _others(chosen: type[Algorithm], section: EnvironmentSection) -> list[str]:
    """Return the names of the other algorithms that an environment's actions and tables allow."""
    is_tabular = has_table(section)
    known = cast("Mapping[str, type[Algorithm]]", registry.all_of("algorithm"))
    return [name for name, cls in known.items()
            if cls.action_kind == chosen.action_kind and cls is not chosen
            and (is_tabular or not issubclass(cls, Planner))]


def _first_choice(section: EnvironmentSection, spaces: Spaces | None) -> str:
    if spaces is None:
        raise click.UsageError(
            f"which algorithm suits {section.id} is not known without making it: add --trust "
            f"{trust.module_of(section)}, or name one with --algorithm")
    return _FIRST_CHOICE[spaces.action_kind]


def _validate(text: str, target: Path, trusted: tuple[str, ...]) -> None:
    """Refuse a spec that would not start; its mistakes have no place in any file of the user's."""
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / target.name
        draft.write_text(text, encoding="utf-8")
        try:
            (experiment,) = load_all([str(draft)], trusted=trusted)
        except SpecError as error:
            raise SpecError(
                dataclasses.replace(problem, source=f"{target} (not written)", line=0, column=0)
                for problem in error.problems) from None
    for warning in experiment.warnings:
        options.info(f"warning: {warning}")
