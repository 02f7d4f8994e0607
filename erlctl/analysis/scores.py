"""One number per run: the score that runs are compared by. Or the reason why a run has none."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from erlctl.analysis.data import EVALUATION, RETURN, Metric, Run
from erlctl.analysis.statistics import Floats, area_under_curve, steps_to_threshold

FINAL, BEST, AREA, STEPS = "final", "best", "area", "steps"


@dataclass(frozen=True)
class Scoring:
    """How a run becomes a number.

    Attributes:
        metric: Which column.
        kind: "final" (mean over the episodes of the last evaluation, or the last logged row),
            "best" (best evaluation), "area" (mean height of the curve), "steps" (to `threshold`).
        at: Read the curve as it was at this step; None: at the end of a complete run.
        last: How many of the last evaluations or rows "final" is the mean of.
        threshold: For "steps", in units of the metric.
        include_unfinished: Use runs that did not complete, as far as they came.
    """

    metric: Metric = RETURN
    kind: str = FINAL
    at: int | None = None
    last: int = 1
    threshold: float | None = None
    include_unfinished: bool = False

    @property
    def better(self) -> int:
        """+1 more is better, -1 less is better, 0 neither."""
        return -1 if self.kind == STEPS else self.metric.better

    @property
    def unit_label(self) -> str:
        """What the score is, for headings and axes."""
        if self.kind == STEPS:
            return f"steps to {self.metric.label} {self.threshold:g}"
        names = {FINAL: "final", BEST: "best", AREA: "mean over training of"}
        label = f"{names[self.kind]} {self.metric.label}"
        if self.kind != FINAL or self.last == 1:
            return label
        what = "evaluations" if self.metric.table == EVALUATION else "rows"
        return f"{label} (mean of the last {self.last} {what})"


@dataclass(frozen=True)
class Score:
    """The score of one run.

    Attributes:
        run: The run.
        value: The score; nan if it has none, inf if a threshold was never reached.
        best: The best value of the curve up to the same step.
        area: Mean height of the curve up to the same step.
        excluded: Why the run has no score; "" if it has one.
        note: What is worth knowing about a run that is used.
    """

    run: Run
    value: float = math.nan
    best: float = math.nan
    area: float = math.nan
    excluded: str = ""
    note: str = ""


def score(run: Run, scoring: Scoring) -> Score:
    """Return the score of a run."""
    reason = _not_comparable(run, scoring)
    if reason:
        return Score(run, excluded=reason)
    steps, values = run.curve(scoring.metric)
    if steps.size == 0:
        return Score(run, excluded=_nothing_measured(run, scoring.metric))
    note = _note(run, scoring)
    if scoring.at is not None:
        if steps[-1] < scoring.at:
            came = f"only measured up to step {steps[-1]:,.0f}, not {scoring.at:,}"
            return Score(run, excluded=f"{_status(run)}; {came}" if _is_unfinished(run) else came)
        kept = steps <= scoring.at
        steps, values = steps[kept], values[kept]
        if steps.size == 0:
            return Score(run, excluded=f"nothing measured up to step {scoring.at:,}")
    best = float((np.min if scoring.metric.better < 0 else np.max)(values))
    area = area_under_curve(steps, values)
    value = _KINDS[scoring.kind](_Curve(steps, values, best, area), scoring)
    if math.isnan(value) or (math.isinf(value) and scoring.kind != STEPS):
        return Score(run, excluded=f"{scoring.metric.name} is {value} (not finite)")
    return Score(run, value=value, best=best, area=area, note=note)


@dataclass(frozen=True)
class _Curve:
    steps: Floats
    values: Floats
    best: float
    area: float


_KINDS: Mapping[str, Callable[[_Curve, Scoring], float]] = {
    FINAL: lambda curve, scoring: float(np.mean(curve.values[-scoring.last :])),
    BEST: lambda curve, _: curve.best,
    AREA: lambda curve, _: curve.area,
    STEPS: lambda curve, scoring: steps_to_threshold(
        curve.steps, curve.values, float(scoring.threshold or 0.0)
    ),
}


def _is_unfinished(run: Run) -> bool:
    return run.status != "complete"


def _not_comparable(run: Run, scoring: Scoring) -> str:
    """A final score needs a finished run; a score at a step needs only that step."""
    if _is_unfinished(run) and scoring.at is None and not scoring.include_unfinished:
        return _status(run)
    return ""


def _status(run: Run) -> str:
    came = f" at step {run.step:,}" if run.step else ""
    of = f" of {run.total_steps:,}" if run.step and run.total_steps else ""
    return f"{run.status}{came}{of}" + (f": {run.reason}" if run.reason else "")


def _note(run: Run, scoring: Scoring) -> str:
    problems = run.table_problems(scoring.metric.table)
    notes = [f"used although {_status(run)}"] if _is_unfinished(run) else []
    return "; ".join([*notes, *problems])


def _nothing_measured(run: Run, metric: Metric) -> str:
    problems = run.table_problems(metric.table)
    if problems:
        return "; ".join(problems)
    what = "no evaluation" if metric.table == EVALUATION else "no row with a value"
    columns = run.table(metric.table)
    if columns and metric.column not in columns:
        return f"does not record {metric.name}"
    return f"{what} yet" if _is_unfinished(run) else what
