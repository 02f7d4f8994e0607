"""Runs from paths: our own run directories and, read-only, those of other programs."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from erlctl.analysis import sources, specs
from erlctl.analysis.data import UNKNOWN, Columns, Run
from erlctl.environments.catalogue import changes_the_task
from erlctl.errors import printable
from erlctl.runs import layout, tables

_MAX_LETTERS = 255  # of a name, which a hostile file may make megabytes long
_MAX_REASON = 2000


@dataclass(frozen=True)
class Loaded:
    """What was found below some paths.

    Attributes:
        runs: Every run that could be read, also the unfinished ones.
        skipped: What could not, each with the reason.
    """

    runs: list[Run] = field(default_factory=list)
    skipped: list[tuple[Path, str]] = field(default_factory=list)


def load(paths: Iterable[str | Path]) -> Loaded:
    """Return the runs at or below `paths`; nothing is written, nothing is locked.

    Args:
        paths: Each a run, a variant, an experiment, a runs directory, a glob of those, or a folder
            of Stable-Baselines3, RL-Zoo or CleanRL (TensorBoard).
    """
    found = layout.find_runs(paths)
    loaded = Loaded(runs=[load_run(paths) for paths in found.runs])
    for path, reason in found.skipped:
        may_be_foreign = path.exists() and not path.is_symlink() and reason != layout.MOVED_ASIDE
        foreign = list(sources.discover(path)) if may_be_foreign else []
        loaded.runs.extend(foreign)
        if not foreign:
            loaded.skipped.append((path, reason))
    return loaded


def load_run(paths: layout.RunPaths) -> Run:
    """Return one of our own runs; tables are read when they are asked for."""
    facts = layout.read_run_json(paths)
    spec_text = specs.read_without_seed(paths.spec)
    spec = specs.parse(spec_text)
    environment = _environment(spec, facts)
    variant = printable(str(facts["variant"]))
    algorithm = printable(str(spec.get("agent.algorithm") or facts.get("algorithm") or ""))
    algorithm = algorithm[:_MAX_LETTERS]
    return Run(
        path=paths.root,
        source="erlctl",
        experiment=printable(str(facts["name"])),
        variant=_without_environment(variant, environment) or algorithm or "?",
        seed=layout.whole(facts.get("seed")),
        environment=environment,
        algorithm=algorithm,
        status=str(facts["status"]),
        reason=printable(" ".join(str(facts.get("reason") or "").split()))[:_MAX_REASON],
        step=_whole(facts.get("step")) or 0,
        total_steps=_whole(facts.get("total_steps")) or _whole(spec.get("training.steps")),
        step_unit=printable(str(facts.get("step_unit") or Run.step_unit))[:_MAX_LETTERS],
        protocol=_protocol(spec, facts),
        spec_text=spec_text,
        facts=facts,
        tuning=_tuning(paths),
        read_evaluation=partial(_read, paths.evaluations),
        read_progress=partial(_read, paths.progress),
    )


def _read(path: Path, columns: Collection[str] | None = None) -> tuple[Columns, list[str]]:
    table = tables.read_table(path, columns)
    return table.columns, table.problems


def _tuning(paths: layout.RunPaths) -> dict[str, Any]:
    """What a search says of the variant; {} where there was none, or where the file is damaged."""
    try:
        facts = layout.load_object(paths.tuning)
    except (OSError, ValueError, RecursionError):
        return {}
    numbers = [name for name in ("trial", "trials") if name in facts]
    return facts if all(layout.whole(facts[name]) is not None for name in numbers) else {}


def _whole(value: object) -> int | None:
    """A number of steps, whatever a damaged or foreign file holds in its place."""
    try:
        return layout.whole(int(float(str(value))))
    except (ValueError, OverflowError):
        return None


def _environment(spec: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    given = facts.get("environment")
    name = str(spec.get("environment.id") or (given if isinstance(given, str) else "") or UNKNOWN)
    prefix = "environment.kwargs."
    arguments = [
        f"{key.removeprefix(prefix)}={value}" for key, value in sorted(spec.items())
        if key.startswith(prefix) and changes_the_task(name, key.removeprefix(prefix))
    ]
    full = f"{name}({', '.join(arguments)})" if arguments else name
    return printable(full[:_MAX_LETTERS])


def _protocol(spec: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    evaluation = facts.get("evaluation")
    evaluation = evaluation if isinstance(evaluation, dict) else {}
    policy = evaluation.get("policy")
    if isinstance(policy, dict):
        policy = policy.get("type")
    policy = policy or spec.get("evaluation.policy.type") or "unknown policy"
    episodes = evaluation.get("episodes") or spec.get("evaluation.episodes") or "?"
    details = [
        f"{key.rpartition('.')[2]} {value}" for key, value in sorted(spec.items())
        if key.startswith("evaluation.policy.") and key != "evaluation.policy.type"
    ]
    described = f"{policy} ({', '.join(details)})" if details else policy
    return printable(f"{episodes} {described} episodes"[:_MAX_LETTERS])


def _without_environment(variant: str, environment: str) -> str:
    """Drop the environment from a variant's name, so that environments can be put together."""
    # A folder's name has "-" where an id such as MinAtar/Breakout-v1 has other signs.
    name = re.escape(environment.partition("(")[0]).replace("/", "[/-]").replace(":", "[:-]")
    pattern = re.compile(rf"(?:(?:environment\.?)?(?:id)?=)?{name}")
    return ",".join(part for part in variant.split(",") if not pattern.fullmatch(part.strip()))
