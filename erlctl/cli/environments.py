"""`erlctl environments`: what can stand at `environment.id`, and a random policy's return there."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from erlctl.cli import options, trust
from erlctl.environments import registry
from erlctl.environments.host import backends
from erlctl.environments.space import Space
from erlctl.experiment.fields import facts_of, one_line
from erlctl.spec.schema import Backend, EnvironmentSection
from erlctl.tensorflow_setup import quieten_tensorflow, start_tensorflow

if TYPE_CHECKING:
    from erlctl.environments.catalogue import CompiledEntry
    from erlctl.environments.inspection import RandomPlay

_SPACE_WIDTH = 120  # of a space in its library's words, which may list every bound
_COLUMNS = ["environment", "time_limit", "threshold", "observation", "action", "summary"]


@click.command()
@click.argument("environment_id", metavar="[ID]", required=False)
@click.option("--backend", type=click.Choice(["compiled", *backends.PACKAGES, "python"]),
              help="Whose environment ID is; default: the first that can make it here.")
@click.option("--episodes", type=click.IntRange(min=0), default=100, show_default=True,
              help="Episodes of the random policy that is measured with ID; 0 measures nothing.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
              help="Seed of the random policy and its environments.")
@trust.trust_option
@options.format_option()
def environments(
    environment_id: str | None, backend: Backend | None, episodes: int, seed: int,
    trusted: tuple[str, ...], fmt: str,
) -> None:
    """List the compiled environments and the installed host backends, or explain ID.

    With ID: spaces, limits, reward threshold, keyword arguments, source, and the return of a
    uniformly random policy, measured now.

    \b
    Examples:
      erlctl environments MinAtar/Breakout-v1
      erlctl environments LunarLander-v2 --backend envpool
    """
    if environment_id is None:
        _echo_list(fmt)
        return
    document = _details(environment_id, backend, episodes, seed, trusted)
    if fmt == "json":
        options.echo_json(document)
    else:
        _echo_details(document)


def _echo_list(fmt: str) -> None:
    compiled = [_summary(entry) for entry in registry.COMPILED.values()]
    hosts = [
        {"backend": name, "installed": backends.is_installed(name), "install": package.install,
         "brings": package.brings}
        for name, package in backends.PACKAGES.items()
    ]
    if fmt == "json":
        options.echo_json({"compiled": compiled, "backends": hosts})
        return
    options.echo_rows(compiled, _COLUMNS)
    click.echo()
    rows = [{**row, "installed": "yes" if row["installed"] else "no"} for row in hosts]
    options.echo_rows(rows, ["backend", "installed", "install", "brings"])


def _summary(entry: CompiledEntry) -> dict[str, Any]:
    spaces = entry.spaces()
    return {
        "environment": entry.id, "backend": "compiled", "time_limit": spaces.time_limit,
        "threshold": entry.reward_threshold, "observation": str(spaces.observation),
        "action": str(spaces.action), "summary": entry.doc,
    }


def _details(
    environment_id: str, backend: Backend | None, episodes: int, seed: int, trusted: Iterable[str]
) -> dict[str, Any]:
    from erlctl.environments import inspection

    quieten_tensorflow()
    names = [backend] if backend else inspection.find_backends(environment_id)
    if names == ["compiled"]:
        return _compiled_details(registry.find(environment_id), episodes, seed)
    trust.require([EnvironmentSection(id=environment_id, backend=names[0])], trusted)
    return _host_details(environment_id, names, episodes, seed)


def _compiled_details(entry: CompiledEntry, episodes: int, seed: int) -> dict[str, Any]:
    document = {
        **_summary(entry), "source": entry.source, "aliases": list(entry.aliases),
        "arguments": [
            {"argument": facts.pop("field"), **facts}
            for facts in facts_of(
                dataclasses.fields(entry.keywords), type(entry.keywords), entry.keywords)
        ],
    }
    if episodes:
        from erlctl.environments import inspection

        start_tensorflow()
        play = inspection.play_compiled(entry.id, num_episodes=episodes, seed=seed)
        document["random_policy"] = _measured(play)
    return document


def _host_details(
    environment_id: str, names: Sequence[Backend], episodes: int, seed: int
) -> dict[str, Any]:
    from erlctl.environments import inspection
    from erlctl.environments.host import packages

    backend, vector = inspection.make_host(environment_id, names)
    threshold, source = (None, "your own module") if backend == "python" else packages.facts(
        backend, environment_id
    )
    observation, action = vector.observation, vector.action
    shape = list(observation.shape)
    stack = f", {vector.frame_stack} stacked" if vector.frame_stack > 1 else ""
    chosen = str(Space(action.shape, action.dtype.name, action.num_actions, "", action.factors))
    document: dict[str, Any] = {
        "environment": environment_id, "backend": backend, "time_limit": vector.time_limit,
        "threshold": threshold, "source": source, "aliases": [], "arguments": [],
        "observation": f"{observation.dtype} {shape}{stack}, from {_short(observation.native)}",
        "action": f"{chosen}, from {_short(action.native)}",
        "summary": f"steps on the host: write `backend: {backend}`",
    }
    try:
        if episodes:
            play = inspection.play_host(vector, num_episodes=episodes, seed=seed)
            document["random_policy"] = _measured(play)
    finally:
        vector.close()
    return document


def _short(space: str) -> str:
    return textwrap.shorten(space, _SPACE_WIDTH, placeholder=" ...")


def _measured(play: RandomPlay) -> dict[str, Any]:
    count = len(play.returns)
    return {
        "episodes": count,
        "mean": float(play.returns.mean()) if count else None,
        "sd": float(play.returns.std(ddof=1)) if count > 1 else None,
        "length_mean": float(play.lengths.mean()) if count else None,
        "steps_per_second": round(play.steps_per_second),
    }


def _echo_details(document: dict[str, Any]) -> None:
    click.echo(f"{document['environment']}: {document['summary']}\n")
    labels = {"backend": "Backend", "observation": "Observation", "action": "Action",
              "time_limit": "Time limit", "threshold": "Reward threshold", "source": "Source"}
    rows = [{"property": label, "value": "none" if document[name] is None else document[name]}
            for name, label in labels.items()]
    if document["aliases"]:
        rows.append({"property": "Also called", "value": ", ".join(document["aliases"])})
    if play := document.get("random_policy"):
        rows.append({"property": "Random policy", "value": _sentence(play)})
    for row in rows:
        click.echo(f"{row['property'] + ':':<18}{row['value']}")
    if document["arguments"]:
        click.echo("\nArguments (environment.kwargs)")
        rows = [{**row, "default": one_line(row["default"])} for row in document["arguments"]]
        options.echo_rows(rows, ["argument", "default", "type", "domain", "meaning"])


def _sentence(play: dict[str, Any]) -> str:
    speed = f"{play['steps_per_second']:,} steps/s"
    if not play["episodes"]:
        return f"no episode ended; {speed}"
    spread = "" if play["sd"] is None else f" ± {play['sd']:.4g} (sd)"
    return (f"return {play['mean']:.4g}{spread}, length {play['length_mean']:.4g}, "
            f"over {play['episodes']} episodes; {speed}")
