"""Settings that fit an environment: presets as data, else what its spaces ask for. No TensorFlow.

A preset is a YAML file of `erlctl/presets/`: a spec without name and algorithm for a list of
environments, what differs by algorithm, where it comes from, and what was measured with it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from erlctl.algorithms.base import Algorithm
from erlctl.environments.host import backends
from erlctl.environments.space import Spaces
from erlctl.spec.nodes import ListNode, MapNode, Node
from erlctl.spec.parser import parse

FOLDER = Path(__file__).resolve().parents[1] / "presets"
Settings = Mapping[str, Mapping[str, Any]]  # section -> field -> value, as a spec holds them

_NATURE_PIXELS = 36  # the smallest side that Nature's three convolutions reduce to a pixel
_NATURE = {"type": "conv", "filters": [32, 64, 64], "kernels": [8, 4, 3], "strides": [4, 2, 1],
           "hidden": [512]}
_MINATAR = {"type": "conv", "filters": [16], "kernels": [3], "strides": [1], "hidden": [128]}
_SMALL = {"type": "mlp", "hidden": [64, 64]}
_WIDE = {"type": "mlp", "hidden": [256, 256]}
_HOW_OFTEN: Settings = {
    "evaluation": {"every": 5000, "episodes": 20}, "checkpoint": {"every": 10_000},
    "logging": {"every": 1000},
}


class Measurement(NamedTuple):
    """Runs that were done with a preset.

    Attributes:
        environment: Id.
        algorithm: Name.
        steps: Environment steps of each run.
        seeds: Which, as in a spec.
        mean: Mean greedy return of the last evaluations.
    """

    environment: str
    algorithm: str
    steps: int
    seeds: str
    mean: float

    def __str__(self) -> str:
        return (f"mean return {self.mean:g} after {self.steps:,} steps on {self.environment}, "
                f"seeds {self.seeds}")


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Tuned settings.

    Attributes:
        name: Of the file.
        environments: Ids that they are for.
        backends: Host backends that have these, the best first; () where they are compiled.
        source: Where the numbers come from.
        settings: For each algorithm, the best choice first.
        measured: Empty where nothing was run here.
    """

    name: str
    environments: tuple[str, ...]
    backends: tuple[str, ...]
    source: str
    settings: Mapping[str, Settings]
    measured: tuple[Measurement, ...]

    def results(self, algorithm: str, environment: str | None = None) -> str:
        """Return in words what was measured with an algorithm, on one environment or on any."""
        found = [str(result) for result in self.measured
                 if result.algorithm == algorithm and environment in (None, result.environment)]
        return "; ".join(found) or "no return measured here"


@functools.cache
def all_presets() -> tuple[Preset, ...]:
    """Return every preset, sorted by name."""
    return tuple(_read(path) for path in sorted(FOLDER.glob("*.yaml")))


def find(environment_id: str) -> Preset | None:
    """Return the preset for an environment, None if there is none."""
    return next((p for p in all_presets() if environment_id in p.environments), None)


def elsewhere(environment_id: str) -> str:
    """Return how to get an environment that no installed backend has, "" where no preset knows it.

    Atari games are found by Gym's and Gymnasium's names too: ALE/Pong-v5, PongNoFrameskip-v4.
    """
    game = re.fullmatch(r"(?:ALE/)?(\w+?)(?:NoFrameskip|Deterministic)?-v\d+", environment_id)
    names = [environment_id, *([f"{game[1]}-v5"] if game else [])]
    for name in names:
        preset = find(name)
        if preset and preset.backends:
            backend = preset.backends[0]
            install = "" if backends.is_installed(backend) else (
                f" ({backends.PACKAGES[backend].install})")
            return f"{backend}{install} has {name}: write `id: {name}, backend: {backend}`"
    return ""


def fitting(spaces: Spaces | None, algorithm: type[Algorithm]) -> Settings:
    """Return untuned settings that suit an environment's spaces.

    Args:
        spaces: None where they are not known.
        algorithm: Declaration.
    """
    shape = spaces.observation.shape if spaces else ()
    if algorithm.base == "planner":  # a step is an iteration over the whole table
        return {
            "training": {"steps": 1000}, "evaluation": {"every": 100, "episodes": 20},
            "checkpoint": {"every": 500}, "logging": {"every": 10},
        }
    if algorithm.base == "kernel":  # few large fits
        return {
            "network": {"type": "features", "features": "ald", "count": 300, "novelty": 0.1},
            "training": {
                "steps": 20_000, "learning_starts": 1000, "train_every": 100, "batch_size": 4096,
                "replay_capacity": 20_000,
            }, **_HOW_OFTEN,
        }
    if algorithm.action_kind == "continuous":
        return {
            "network": _WIDE, "optimizer": {"type": "adam", "learning_rate": 3e-4},
            "training": {
                "steps": 100_000, "learning_starts": 1000, "batch_size": 256,
                "replay_capacity": 100_000, "target_update_every": 1,
                "target_update_polyak": 0.005,
            }, **_HOW_OFTEN,
        }
    is_picture = len(shape) == 3
    picture = _NATURE if min(shape[:2], default=0) >= _NATURE_PIXELS else _MINATAR
    return {
        "network": picture if is_picture else _SMALL,
        "optimizer": {"type": "adam", "learning_rate": 2.5e-4 if is_picture else 1e-3},
        "training": {
            "steps": 1_000_000 if is_picture else 50_000, "learning_starts": 1000,
            "batch_size": 32 if is_picture else 64,
            "replay_capacity": 100_000 if is_picture else 50_000,
            "target_update_every": 1000 if is_picture else 100,
        }, **_HOW_OFTEN,
    }


def merged(base: Settings, changes: Settings) -> dict[str, dict[str, Any]]:
    """Return settings with some replaced, section by section."""
    return {name: {**base.get(name, {}), **changes.get(name, {})} for name in (*base, *changes)}


def _read(path: Path) -> Preset:
    problems: list[Any] = []
    data = _value(parse(path.read_bytes(), str(path), problems))
    assert not problems, problems  # our own file
    return Preset(
        name=path.stem, environments=tuple(data["environments"]),
        backends=tuple(data.get("backends", ())), source=data["source"],
        settings={name: merged(_HOW_OFTEN, merged(data["spec"], changes))
                  for name, changes in data["algorithms"].items()},
        measured=tuple(
            Measurement(m["environment"], m["algorithm"], m["steps"], str(m["seeds"]), m["return"])
            for m in data["measured"]),
    )


def _value(node: Node) -> Any:
    """Return a tree without its positions."""
    if isinstance(node, MapNode):
        return {key.text: _value(child) for key, child in node.entries}
    return [_value(item) for item in node.items] if isinstance(node, ListNode) else node.value
