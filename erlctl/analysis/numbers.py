"""Numbers and intervals as text."""

from __future__ import annotations

import math

from erlctl.analysis.intervals import Interval
from erlctl.runs.layout import natural as natural  # noqa: PLC0414 - beside its fellows

MISSING = "-"


def number(value: float) -> str:
    """Return a value with about four significant digits: 487.3, 0.0312, 12,345; "-" for nan."""
    if math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "never" if value > 0 else "-inf"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 100:
        return f"{value:.1f}"
    if size >= 1 or value == 0:
        return f"{value:.2f}"
    return f"{value:.3f}" if size >= 0.01 else f"{value:.3g}"


def interval(found: Interval) -> str:
    """Return "[low, high]", or "-" where there is none."""
    return f"[{number(found.low)}, {number(found.high)}]" if found else MISSING


def p_value(p: float) -> str:
    """Return "p = 0.03", "p < 0.001"."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def share(probability: float) -> str:
    """Return a probability with two digits."""
    return f"{probability:.2f}"


def share_interval(found: Interval) -> str:
    """Return an interval of probabilities; "" where there is none."""
    return f" [{found.low:.2f}, {found.high:.2f}]" if found else ""
