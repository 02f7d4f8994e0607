"""One run as the analysis sees it, whoever wrote it, and the metrics that it may hold."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from erlctl.analysis.statistics import Floats
from erlctl.errors import UnknownNameError

Columns = Mapping[str, Floats]
UNKNOWN = "unknown environment"
EVALUATION, PROGRESS = "evaluation", "progress"


class Reader(Protocol):
    """Reads a table of a run."""

    def __call__(self, columns: Collection[str] | None = None) -> tuple[Columns, list[str]]:
        """Return the columns (all, or those asked for) and what could not be read, in words."""


def in_memory(read: Callable[[], tuple[Columns, list[str]]]) -> Reader:
    """Return a reader for a source that cannot read single columns."""
    return lambda columns=None: read()  # noqa: ARG005 - all or nothing


@dataclass(frozen=True)
class Run:
    """One run: what was done, how far it came, what it measured.

    Attributes:
        path: Folder (or file) of the run.
        source: Who wrote it: "erlctl", "stable-baselines3", "tensorboard".
        experiment: Name of the experiment, "" where the source has none.
        variant: What it is compared as.
        seed: Seed, None where the source does not say.
        environment: Id of the environment, with its arguments where it has any.
        algorithm: Name of the algorithm, "" where the source does not say.
        status: pending, running, complete, failed, interrupted or diverged.
        reason: Why it has that status, "".
        step: Steps done.
        total_steps: Steps planned.
        step_unit: What a step is: "environment steps", "iterations" of a planner.
        protocol: How it was evaluated, in words: "20 greedy episodes".
        spec_text: The resolved spec without the seed; "" for other sources.
        facts: run.json.
        tuning: tuning.json of the variant: what a search tried there, or what stands behind it.
        read_evaluation: Reads the evaluation table, `run.read_evaluation()` or some columns of it.
        read_progress: Reads the progress table likewise.
    """

    path: Path
    source: str
    variant: str
    environment: str
    read_evaluation: Reader
    read_progress: Reader
    experiment: str = ""
    seed: int | None = None
    algorithm: str = ""
    status: str = "complete"
    reason: str = ""
    step: int = 0
    total_steps: int | None = None
    step_unit: str = "environment steps"
    protocol: str = ""
    spec_text: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    tuning: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def _tables(self) -> dict[tuple[str, frozenset[str] | None], tuple[Columns, list[str]]]:
        return {}

    def _read(self, name: str, wanted: frozenset[str] | None) -> tuple[Columns, list[str]]:
        """A table, read once; all of it serves for any part of it."""
        known = self._tables.get((name, None)) or self._tables.get((name, wanted))
        if known is None:
            read = self.read_evaluation if name == EVALUATION else self.read_progress
            known = self._tables[name, wanted] = read(columns=wanted)
        return known

    def table(self, name: str, columns: Iterable[str] | None = None) -> Columns:
        """Return the table "evaluation" or "progress": all columns, or those, which is faster."""
        return self._read(name, None if columns is None else frozenset(columns))[0]

    def table_problems(self, name: str) -> list[str]:
        """Return what could not be read of a table, in words."""
        found = [problems for (table, _), (_, problems) in self._tables.items() if table == name]
        return found[0] if found else self._read(name, None)[1]

    def curve(self, metric: Metric) -> tuple[Floats, Floats]:
        """Return steps and values of a metric, [points] each; steps rise strictly.

        Evaluation metrics are means over the episodes of each evaluation. Rows without a value are
        left out; what is not finite stays, so that a divergence can be seen.
        """
        columns = self.table(metric.table, ("step", metric.column))
        if metric.column not in columns or "step" not in columns:
            return np.empty(0), np.empty(0)
        steps, values = columns["step"], columns[metric.column]
        known = np.isfinite(steps) & ~np.isnan(values)
        return mean_by_step(steps[known], values[known])

    def wall_seconds_at(self, steps: Floats) -> Floats:
        """Return the training time at `steps`, [points]; nan where the run does not say."""
        for name in (PROGRESS, EVALUATION):
            columns = self.table(name, ("step", "wall_seconds"))
            if "wall_seconds" not in columns or not len(columns["wall_seconds"]):
                continue
            known = np.isfinite(columns["wall_seconds"])
            at, seconds = mean_by_step(columns["step"][known], columns["wall_seconds"][known])
            if at.size:
                return np.interp(steps, np.append(0.0, at), np.append(0.0, seconds))
        return np.full(steps.shape, np.nan)


def mean_by_step(steps: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Return the distinct steps in order and the mean of the values at each."""
    if steps.size == 0:
        return steps, values
    distinct, group = np.unique(steps, return_inverse=True)
    if distinct.size == steps.size:
        return distinct, values[np.argsort(steps, kind="stable")]
    sums = np.bincount(group, weights=values)
    return distinct, sums / np.bincount(group)


def step_units(runs: Iterable[Run]) -> str:
    """Return what the steps of runs are, for an axis: "iterations or environment steps"."""
    return " or ".join(sorted({run.step_unit for run in runs}, reverse=True)) or Run.step_unit


@dataclass(frozen=True)
class Metric:
    """A column that runs can be compared by.

    Attributes:
        name: What the user writes after `--metric`.
        table: "evaluation" or "progress".
        column: Column of that table.
        label: For axes and headings, with the unit.
        better: +1 more is better, -1 less is better, 0 neither.
    """

    name: str
    table: str
    column: str
    label: str
    better: int = 0


_KNOWN = (
    Metric("return", EVALUATION, "return", "evaluation return", +1),
    Metric("length", EVALUATION, "length", "evaluation episode length (steps)"),
    Metric("return_mean", PROGRESS, "return_mean", "training return", +1),
    Metric("return_std", PROGRESS, "return_std", "standard deviation of training returns"),
    Metric("length_mean", PROGRESS, "length_mean", "training episode length (steps)"),
    Metric("loss", PROGRESS, "loss", "loss"),
    Metric("q_mean", PROGRESS, "q_mean", "mean action value (return)"),
    Metric("entropy", PROGRESS, "entropy", "policy entropy (nats)"),
    Metric("kl_to_target", PROGRESS, "kl_to_target", "KL to the target policy (nats)"),
    Metric("action_gap", PROGRESS, "action_gap", "action gap (return)"),
    Metric("clipped_fraction", PROGRESS, "clipped_fraction", "clipped fraction"),
    Metric("preference_max", PROGRESS, "preference_max", "largest |preference| (return)"),
    Metric("gradient_norm", PROGRESS, "gradient_norm", "gradient norm"),
    Metric("epsilon", PROGRESS, "epsilon", "epsilon"),
    Metric("temperature", PROGRESS, "temperature", "temperature (return)"),
    Metric("suboptimality_sup", PROGRESS, "suboptimality_sup",
           "loss of the policy, max |q* - q| (return)", -1),
    Metric("suboptimality_l1", PROGRESS, "suboptimality_l1",
           "loss of the policy, sum |q* - q| / sum |q*|", -1),
    Metric("optimality_gap", PROGRESS, "optimality_gap", "lost value at the start (return)", -1),
    Metric("kl", PROGRESS, "kl", "KL to the previous policy (nats)"),
    Metric("bound", PROGRESS, "bound", "bound on the loss, max |q* - q| (return)"),
    Metric("steps_per_second", PROGRESS, "steps_per_second", "speed (steps/s)", +1),
    Metric("wall_seconds", PROGRESS, "wall_seconds", "wall time (s)", -1),
    Metric("updates", PROGRESS, "updates", "gradient updates"),
    Metric("episodes", PROGRESS, "episodes", "training episodes"),
)
METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _KNOWN}
RETURN = METRICS["return"]


def find_metric(name: str, runs: list[Run]) -> Metric:
    """Return the metric of that name: a known one, or any column that a run holds.

    Raises:
        UnknownNameError: No run has such a column.
    """
    if name in METRICS:
        return METRICS[name]
    columns: set[str] = set()
    for run in runs:
        for table in (PROGRESS, EVALUATION):
            if name in run.table(table):
                return Metric(name, table, name, name.replace("_", " "))
            columns.update(run.table(table))
    raise UnknownNameError("metric", name, (columns | set(METRICS)) - {"step", "episode"})
