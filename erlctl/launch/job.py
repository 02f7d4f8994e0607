"""What a process that trains runs is told of one. Light: it is read before anything is imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run for a process that trains runs.

    Attributes:
        label: `<name>/<variant>/seed-<n>`, known also where the spec cannot be read.
        run: The spec as canonical text.
        runs_dir: Where run directories lie.
        fresh: Whether an existing directory is moved aside first.
        max_memory: Gigabytes that the process may hold.
        command: Command line for run.json.
        files: Python files that register what the spec names; the user vouches for them.
        callbacks: What `callbacks.reference.Reference` takes, of each.
        patience_seconds: How long another process that holds the run is waited for: one whose
            machine was lost may still write its checkpoint.
    """

    label: str
    run: str
    runs_dir: str
    fresh: bool = False
    max_memory: float | None = None
    command: Sequence[str] = ()
    files: Sequence[str] = ()
    callbacks: Sequence[Mapping[str, Any]] = ()
    patience_seconds: float = 0.0
