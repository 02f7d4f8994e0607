"""How much memory a run's replay buffer will take, from its spec alone. No TensorFlow."""

from __future__ import annotations

from erlctl.experiment.load import spaces_of
from erlctl.spec.schema import RunSpec

# action, reward, discount, end mark and row number of a transition; see training.replay.Item
_FIXED_BYTES = 8 + 4 + 4 + 1 + 8


def replay_bytes(run: RunSpec) -> int | None:
    """Return the size of a full replay buffer, None where the observation's shape is unknown.

    capacity * (2 observations + action + reward + discount + bookkeeping); observations of images
    dominate it. Planners have none.
    """
    if run.agent.base == "planner":
        return 0
    spaces = spaces_of(run.environment)
    if spaces is None:
        return None
    return run.training.replay_capacity * (2 * spaces.observation.num_bytes + _FIXED_BYTES)


def replay_megabytes(run: RunSpec) -> float | None:
    """Return `replay_bytes` in megabytes, rounded for a table."""
    size = replay_bytes(run)
    return None if size is None else round(size / 1e6, 1)
