"""Which of a run's numbers are not numbers any more. No TensorFlow."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from erlctl.errors import DivergedError

_INDEX = re.compile(r"/\d+$")
_SHOWN = 5


def not_finite(values: Mapping[str, Any]) -> list[str]:
    """Return what holds nan or infinity, sorted: `agent/weights/q` for `agent/weights/q/03`."""
    return sorted({
        _INDEX.sub("", name) for name, value in values.items() if not _is_finite(np.asarray(value))
    })


def _is_finite(value: np.ndarray) -> bool:
    if not np.issubdtype(value.dtype, np.floating):
        return True
    with np.errstate(over="ignore", invalid="ignore"):
        # A sum takes no memory; only a sum that overflows needs the second look.
        return math.isfinite(value.sum()) or bool(np.isfinite(value).all())


def check(values: Mapping[str, Any], step: int) -> None:
    """Refuse values that a run could not go on with.

    Raises:
        DivergedError: Some are not finite; names them.
    """
    names = not_finite(values)
    if names:
        raise DivergedError(f"{listed(names)} not finite at step {step}")


def listed(names: Collection[str]) -> str:
    """Return "a is", "a, b are" or "a, b, c, d, e and 7 more are"."""
    shown = ", ".join(list(names)[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{shown}{more} {'is' if len(names) == 1 else 'are'}"
