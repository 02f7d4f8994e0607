"""`erlctl environments`: what can stand at `environment.id`, and a random policy's return there."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import click

from erlctl.cli import options
from erlctl.environments import registry
from erlctl.errors import UnknownNameError
from erlctl.launch.quiet import quieten_tensorflow, start_tensorflow

if TYPE_CHECKING:
    from erlctl.environments.catalogue import CompiledEntry
    from erlctl.environments.inspection import RandomPlay

# Backend -> (module, how to install it, what it brings).
_BACKENDS = {
    "gym": ("gym", "comes with erlctl", "every id that gym 0.23 has registered"),
    "gymnasium": ("gymnasium", "pip install 'erlctl[gymnasium]'", "gym's maintained successor"),
    "envpool": ("envpool", "pip install 'erlctl[envpool]'", "Atari, Box2D, MuJoCo in C++"),
}
_COLUMNS = ["environment", "time_limit", "threshold", "observation", "action", "summary"]


@click.command()
@click.argument("environment_id", metavar="[ID]", required=False)
@click.option("--episodes", type=click.IntRange(min=0), default=100, show_default=True,
              help="Episodes of the random policy that is measured with ID; 0 measures nothing.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
              help="Seed of the random policy and its environments.")
@options.format_option()
def environments(environment_id: str | None, episodes: int, seed: int, fmt: str) -> None:
    """List the compiled environments and the installed host backends, or explain ID.

    With ID: spaces, limits, reward threshold, keyword arguments, source, and the return of a
    uniformly random policy, measured now.

    \b
    Example:
      erlctl environments MinAtar/Breakout-v1
    """
    if environment_id is None:
        _echo_list(fmt)
        return
    document = _details(environment_id, episodes, seed)
    if fmt == "json":
        options.echo_json(document)
    else:
        _echo_details(document)


def _echo_list(fmt: str) -> None:
    compiled = [_summary(entry) for entry in registry.COMPILED.values()]
    backends = [
        {"backend": name, "installed": importlib.util.find_spec(module) is not None,
         "install": install, "brings": brings}
        for name, (module, install, brings) in _BACKENDS.items()
    ]
    if fmt == "json":
        options.echo_json({"compiled": compiled, "backends": backends})
        return
    options.echo_rows(compiled, _COLUMNS)
    click.echo()
    rows = [{**row, "installed": "yes" if row["installed"] else "no"} for row in backends]
    options.echo_rows(rows, ["backend", "installed", "install", "brings"])


def _summary(entry: CompiledEntry) -> dict[str, Any]:
    return {
        "environment": entry.id, "backend": "compiled", "time_limit": entry.time_limit,
        "threshold": entry.reward_threshold, "observation": entry.observation,
        "action": entry.action, "summary": entry.doc,
    }


def _details(environment_id: str, episodes: int, seed: int) -> dict[str, Any]:
    quieten_tensorflow()
    try:
        entry = registry.find(environment_id)
    except UnknownNameError:
        return _gym_details(environment_id, episodes, seed)
    document = {
        **_summary(entry), "source": entry.source, "aliases": list(entry.aliases),
        "arguments": [
            {"argument": name, "default": keyword.default, "meaning": keyword.doc}
            for name, keyword in entry.keywords.items()
        ],
    }
    if episodes:
        from erlctl.environments import inspection  # imports TensorFlow

        start_tensorflow()
        play = inspection.play_compiled(entry.id, num_episodes=episodes, seed=seed)
        document["random_policy"] = _measured(play)
    return document


def _gym_details(environment_id: str, episodes: int, seed: int) -> dict[str, Any]:
    from erlctl.environments import inspection

    environment = inspection.make_gym(environment_id)
    spec = environment.spec
    document = {
        "environment": spec.id, "backend": "gym", "time_limit": spec.max_episode_steps,
        "threshold": spec.reward_threshold, "observation": str(environment.observation_space),
        "action": str(environment.action_space), "summary": "not compiled: steps on the host",
        "source": f"gym, {spec.entry_point}", "aliases": [], "arguments": [],
    }
    if episodes:
        play = inspection.play_gym(environment, num_episodes=episodes, seed=seed)
        document["random_policy"] = _measured(play)
    environment.close()
    return document


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
        options.echo_rows(document["arguments"], ["argument", "default", "meaning"])


def _sentence(play: dict[str, Any]) -> str:
    speed = f"{play['steps_per_second']:,} steps/s"
    if not play["episodes"]:
        return f"no episode ended; {speed}"
    spread = "" if play["sd"] is None else f" ± {play['sd']:.4g} (sd)"
    return (f"return {play['mean']:.4g}{spread}, length {play['length_mean']:.4g}, "
            f"over {play['episodes']} episodes; {speed}")
