"""What values are possible, and limits of axes that follow from the data and from that."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from erlctl.analysis.data import Metric
from erlctl.analysis.statistics import Floats

Range = tuple[float, float]
ANY: Range = (-math.inf, math.inf)

# Returns of whole episodes, from the rewards and time limits in Gym's sources.
RETURNS: Mapping[str, Range] = {
    "CartPole-v0": (0.0, 200.0), "CartPole-v1": (0.0, 500.0), "MountainCar-v0": (-200.0, 0.0),
    "MountainCarContinuous-v0": (-100.0, 100.0), "Acrobot-v1": (-500.0, 0.0),
    # 200 steps of at most pi^2 + 0.1 * 8^2 + 0.001 * 2^2
    "Pendulum-v1": (-200 * (math.pi**2 + 6.404), 0.0),
    "FrozenLake-v1": (0.0, 1.0), "FrozenLake8x8-v1": (0.0, 1.0),
}
_NO_PENALTIES = "MinAtar/"  # rewards of its games are never negative
_METRICS: Mapping[str, Range] = {
    "clipped_fraction": (0.0, 1.0), "epsilon": (0.0, 1.0), "kl_to_target": (0.0, math.inf),
    "suboptimality_sup": (0.0, math.inf), "suboptimality_l1": (0.0, math.inf),
    "kl": (0.0, math.inf), "bound": (0.0, math.inf), "gradient_norm": (0.0, math.inf),
    "preference_max": (0.0, math.inf),
    "length": (0.0, math.inf), "length_mean": (0.0, math.inf), "return_std": (0.0, math.inf),
    "steps_per_second": (0.0, math.inf), "wall_seconds": (0.0, math.inf),
}


def possible(environment: str, metric: Metric) -> Range:
    """Return the least and the largest value that a metric can take; infinite where unknown."""
    if metric.name in ("return", "return_mean"):
        name = environment.partition("(")[0]
        return RETURNS.get(name, (0.0, math.inf) if name.startswith(_NO_PENALTIES) else ANY)
    return _METRICS.get(metric.name, ANY)


def with_data(known: Range, values: Floats) -> Range:
    """Return a range widened to what was measured: a wrapper may scale the rewards."""
    values = values[np.isfinite(values)]
    return (min(known[0], values.min()), max(known[1], values.max())) if values.size else known


def of_axis(values: Sequence[Floats], margin: float = 0.04) -> Range | None:
    """Return limits that show all finite values with a margin; None if there is none."""
    flat = np.concatenate(values)
    flat = flat[np.isfinite(flat)]
    if not flat.size:
        return None
    low, high = float(flat.min()), float(flat.max())
    space = margin * (high - low or abs(high) or 1.0)
    return low - space, high + space


def reaching(drawn: Floats, ends: Floats, runs: Floats) -> Range | None:
    """Return limits for what is `drawn` and for interval `ends` that are not absurdly far away.

    An interval of three runs may be many times as wide as the `runs` are apart; it may double the
    axis but not press the runs into a point.
    """
    runs = runs[np.isfinite(runs)]
    if not runs.size:
        return None
    spread = float(np.ptp(runs)) or abs(float(runs[0])) or 1.0
    near = np.clip(ends[np.isfinite(ends)], runs.min() - spread / 2, runs.max() + spread / 2)
    return of_axis([drawn, near])
