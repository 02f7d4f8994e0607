"""How much memory a run's replay buffer will take, from its spec alone. No TensorFlow."""

from __future__ import annotations

import math
import re

import numpy as np

from erlctl.environments.catalogue import ENTRIES
from erlctl.spec.schema import RunSpec

# action, reward, discount, end mark and row number of a transition; see training.replay.Item
_FIXED_BYTES = 8 + 4 + 4 + 1 + 8
_OBSERVATION = re.compile(r"(\w+) \[([\d, ]+)\]")


def replay_bytes(run: RunSpec) -> int | None:
    """Return the size of a full replay buffer, None where the observation's shape is unknown.

    capacity * (2 observations + action + reward + discount + bookkeeping); observations of images
    dominate it.
    """
    for entry in ENTRIES:
        match = _OBSERVATION.match(entry.observation) if entry.id == run.environment.id else None
        if match:
            size = math.prod(int(part) for part in match[2].split(","))
            observation_bytes = size * np.dtype(match[1]).itemsize
            return run.training.replay_capacity * (2 * observation_bytes + _FIXED_BYTES)
    return None


def replay_megabytes(run: RunSpec) -> float | None:
    """Return `replay_bytes` in megabytes, rounded for a table."""
    size = replay_bytes(run)
    return None if size is None else round(size / 1e6, 1)
