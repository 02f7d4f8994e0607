"""What the names of other programs' folders say."""

from __future__ import annotations

import math
import re

_SEED = re.compile(r"(?P<rest>.*?)(?:[-_.]?(?:seed|s)[-_=]?(?P<seed>\d{1,18}))$", re.IGNORECASE)
_NUMBER = re.compile(r"(?P<rest>.*?)[-_](?P<number>\d{1,18})$")


def split_seed(name: str) -> tuple[str, int | None]:
    """Return the name without its seed, and the seed: ("dqn", 3) for dqn_seed3, dqn_s3, seed=3."""
    match = _SEED.fullmatch(name)
    return (match["rest"], int(match["seed"])) if match else (name, None)


def split_number(name: str) -> tuple[str, int | None]:
    """Return the name without its running number: ("CartPole-v1", 2) for CartPole-v1_2."""
    match = _NUMBER.fullmatch(name)
    return (match["rest"], int(match["number"])) if match else (name, None)


def budget(last_step: float) -> int | None:
    """Return the planned steps, which other programs do not write: two digits, rounded up.

    Training stops at the end of an episode or rollout: 49,987 and 50,176 steps were 50,000.
    """
    if not math.isfinite(last_step) or last_step <= 0:
        return None
    unit = 10 ** max(0, math.floor(math.log10(last_step)) - 1)
    nearest = round(last_step / unit) * unit
    is_near = abs(nearest - last_step) <= 0.01 * last_step
    return int(nearest if is_near else math.ceil(last_step / unit) * unit)
