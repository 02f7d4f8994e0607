"""One line about a run directory, whatever state it is in: for tables. No TensorFlow."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import numpy as np
import numpy.typing as npt

from erlctl.runs.layout import RunPaths, read_run_json, whole
from erlctl.runs.notes import read_or_none
from erlctl.runs.tables import read_table

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """What `erlctl ls` shows of a run.

    Attributes:
        path: Run directory, as found.
        status: One of `runs.layout.STATUSES`.
        name, variant, seed: Identity; from the folder names where run.json does not say.
        algorithm, environment: From run.json, "" where it does not say.
        step, total_steps: Environment steps done and asked for; None where unknown.
        last_return, best_return: Mean return of the newest and of the best evaluation, in units of
            return; None before the first.
        updated: When run.json last changed, UTC; None where unknown.
        reason: Why the status is what it is, "" where it needs no word.
        problems: What could not be read.
        tags: From notes.json.
        source: Which program wrote it.
        host, job: Where its newest attempt ran or runs, "" where that is unknown; the job of a
            cluster, "slurm 4711_3".
    """

    path: str
    status: str
    name: str
    variant: str
    seed: int | None
    algorithm: str
    environment: str
    step: int | None
    total_steps: int | None
    last_return: float | None
    best_return: float | None
    updated: datetime | None
    reason: str
    problems: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    source: str = "erlctl"
    host: str = ""
    job: str = ""


def summarise(paths: RunPaths) -> RunSummary:
    """Return what is known of a run; never raises for what its files hold."""
    facts = read_run_json(paths)
    steps, returns, problems = evaluation_means(paths)
    if facts.get("problem"):
        problems = [str(facts["problem"]), *problems]
    return RunSummary(
        path=str(paths.root),
        status=str(facts["status"]),
        name=str(facts.get("name") or ""),
        variant=str(facts.get("variant") or ""),
        seed=whole(facts.get("seed")),
        algorithm=text_of(facts.get("algorithm")),
        environment=text_of(facts.get("environment")),
        step=_step(facts, steps),
        total_steps=whole(facts.get("total_steps")),
        last_return=_finite(returns[-1]) if len(returns) else None,
        best_return=max((value for value in map(_finite, returns) if value is not None),
                        default=None),
        updated=parse_time(facts.get("updated")),
        reason=str(facts.get("reason") or ""),
        problems=tuple(problems),
        tags=tuple(read_or_none(paths)["tags"]),
        **_whereabouts(facts.get("attempts")),
    )


def _whereabouts(attempts: object) -> dict[str, str]:
    last = attempts[-1] if isinstance(attempts, list) and attempts else None
    known = last if isinstance(last, dict) else {}
    return {name: text_of(known.get(name)) for name in ("host", "job")}


def evaluation_means(paths: RunPaths) -> tuple[Floats, Floats, list[str]]:
    """Return the steps [k] and mean returns [k] of the evaluations, and what was unreadable."""
    if not os.path.lexists(paths.evaluations):
        return np.empty(0), np.empty(0), []
    table = read_table(paths.evaluations)
    if not {"step", "return"} <= set(table.columns):
        return np.empty(0), np.empty(0), table.problems
    steps, place = np.unique(table.columns["step"], return_inverse=True)
    counts = np.bincount(place, minlength=len(steps))
    sums = np.bincount(place, weights=table.columns["return"], minlength=len(steps))
    return steps, sums / np.maximum(counts, 1), table.problems


def _step(facts: Mapping[str, Any], evaluated: Floats) -> int | None:
    """The newest evaluation may be newer than run.json, which changes at checkpoints."""
    known = whole(facts.get("step"))
    finite = evaluated[np.isfinite(evaluated)]
    newest = whole(int(finite.max())) if len(finite) else None
    return max((step for step in (known, newest) if step is not None), default=None)


def text_of(value: object) -> str:
    """Return a name that stands alone or under `id` or `algorithm` of an object."""
    if isinstance(value, Mapping):
        value = value.get("id") or value.get("algorithm")
    return value if isinstance(value, str) else ""


def parse_time(value: object) -> datetime | None:
    """Return an ISO 8601 time as written by `runs.provenance`, None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
