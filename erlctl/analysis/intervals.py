"""Which interval, and when none. The unit that is resampled is always the run.

Coverage of a nominal 95 % interval, simulated with 1,000 to 4,000 data sets of n = 10 runs; normal,
exponential, log-normal (sigma 0.5 and 1), negative exponential:

    mean: percentile    0.93 0.86 0.87 0.77 0.85      IQM: percentile    0.94 0.93 0.93 0.93 0.94
    mean: BCa           0.93 0.88 0.87 0.79 0.86      IQM: BCa           0.93 0.93 0.93 0.92 0.94
    mean: Student's t   0.95 0.91 0.93 0.84 0.90      IQM: studentised   0.94 0.96 0.94 0.95 0.95
    mean: studentised   0.95 0.94 0.94 0.90 0.93

and with n = 5:

    mean: BCa           0.83 0.80 0.81 0.73 0.80      IQM: BCa           0.89 0.89 0.89 0.88 0.90
    mean: studentised   0.93 0.89 0.90 0.84 0.90      IQM: studentised   useless, nearly infinite

So the mean gets the studentised bootstrap, everything else BCa. The studentised interval is cut to
the range of the runs (that is included in the figures above): with one outlier among few runs it
would reach far beyond any return that was seen. With 3 or 4 runs there are too few different
resamples (10 and 35) for any bootstrap: the mean gets Student's t, the rest nothing. Below 3 runs
there is no interval at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from erlctl.analysis import bootstrap
from erlctl.analysis.bootstrap import CONFIDENCE
from erlctl.analysis.statistics import Floats, standard_deviation

MIN_RUNS_INTERVAL = 3
MIN_RUNS_BOOTSTRAP = 5
ALL_EQUAL = "all equal"


@dataclass(frozen=True)
class Interval:
    """A confidence interval, false where there is none.

    Attributes:
        low: Lower end, nan where there is none.
        high: Upper end, nan where there is none.
        method: How it was found: "studentised bootstrap", "BCa bootstrap", "Student t", "score",
            "all equal"; "" where there is none.
        why_not: Why there is none, else "".
    """

    low: float
    high: float
    method: str
    why_not: str = ""

    def __bool__(self) -> bool:
        return not self.why_not


def no_interval(why_not: str) -> Interval:
    """Return the absence of an interval with its reason."""
    return Interval(float("nan"), float("nan"), "", why_not)


def run_interval(scores: Floats, statistic: str, *, confidence: float = CONFIDENCE) -> Interval:
    """Return the interval of a statistic of one environment over its runs.

    Args:
        scores: One score per run, [runs], finite.
        statistic: "mean", "iqm" or "median".
        confidence: In (0, 1).
    """
    num_runs = scores.size
    least = MIN_RUNS_INTERVAL if statistic == "mean" else MIN_RUNS_BOOTSTRAP
    if num_runs < least:
        plural = "s" * (num_runs != 1)
        return no_interval(f"no interval with {num_runs} run{plural} (needs {least})")
    if np.ptp(scores) == 0:
        return Interval(float(scores[0]), float(scores[0]), ALL_EQUAL)
    low, high, is_studentised = _ends(scores[:, None], statistic, confidence)
    if statistic == "mean" and num_runs < MIN_RUNS_BOOTSTRAP:
        method = "Student t"
    else:
        method = "studentised bootstrap" if is_studentised[0] else "BCa bootstrap"
    return Interval(float(low[0]), float(high[0]), method)


def curve_interval(
    values: Floats, statistic: str, *, confidence: float = CONFIDENCE
) -> tuple[Floats, Floats]:
    """Return the interval at every point of a curve: that of `run_interval` at each.

    Args:
        values: [runs, points]; nan where a run has no value.
        statistic: "mean", "iqm" or "median".
        confidence: In (0, 1).

    Returns:
        Lower and upper ends, [points]; nan where the runs are too few.
    """
    low, high = np.full((2, values.shape[1]), np.nan)
    ordered = np.sort(values, axis=0)  # nan last
    counts = np.isfinite(values).sum(axis=0)
    least = MIN_RUNS_INTERVAL if statistic == "mean" else MIN_RUNS_BOOTSTRAP
    for num_runs in np.unique(counts[counts >= least]):
        points = np.flatnonzero(counts == num_runs)
        low[points], high[points], _ = _ends(ordered[:num_runs, points], statistic, confidence)
    return low, high


def aggregate_interval(
    strata: list[Floats], statistic: bootstrap.StrataStatistic, *, confidence: float = CONFIDENCE
) -> Interval:
    """Return the interval of a statistic over several environments (stratified BCa).

    Args:
        strata: One array [runs] per environment.
        statistic: Maps arrays [..., runs] to [...].
        confidence: In (0, 1).
    """
    smallest = min(scores.size for scores in strata)
    if smallest < MIN_RUNS_INTERVAL:
        return no_interval(f"an environment has fewer than {MIN_RUNS_INTERVAL} runs")
    low, high = bootstrap.stratified_bca(strata, statistic, confidence=confidence)
    return Interval(low, high, "stratified BCa bootstrap")


def _ends(values: Floats, statistic: str, confidence: float) -> tuple[Floats, Floats, Floats]:
    """Ends for [runs, points] without gaps, and where they are studentised."""
    if statistic == "mean" and len(values) < MIN_RUNS_BOOTSTRAP:
        return *_student_t(values, confidence), np.zeros(values.shape[1], bool)
    if statistic != "mean":
        return *bootstrap.bca(values, statistic, confidence=confidence), np.zeros(
            values.shape[1], bool
        )
    low, high = bootstrap.studentised_mean(values, confidence=confidence)
    is_finite = np.isfinite(low) & np.isfinite(high)
    if not is_finite.all():  # many ties
        tied = ~is_finite
        low[tied], high[tied] = bootstrap.bca(values[:, tied], statistic, confidence=confidence)
    low, high = np.maximum(low, values.min(axis=0)), np.minimum(high, values.max(axis=0))
    return low, high, is_finite


def _student_t(values: Floats, confidence: float) -> tuple[Floats, Floats]:
    """Ends of mean -+ t * s / sqrt(n), exact for normal scores; [runs, points] -> [points]."""
    from scipy.special import stdtrit

    num_runs = len(values)
    error = standard_deviation(values.T) / np.sqrt(num_runs)
    half = stdtrit(num_runs - 1, 0.5 + confidence / 2) * error
    return values.mean(axis=0) - half, values.mean(axis=0) + half
