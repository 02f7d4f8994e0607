"""What a spec can put around a host environment: changed tasks, observations and rewards."""

from __future__ import annotations

from dataclasses import dataclass

from erlctl.fields import AT_LEAST_ONE, POSITIVE, UNIT_OPEN_HIGH, Options, option


@dataclass(frozen=True, kw_only=True)
class Wrappers(Options):
    """Applied in this order; none by default.

    The first three change the task, so they also apply in evaluations. Changed rewards are for
    training alone: evaluations, monitor.csv and progress.csv report the environment's own.
    """

    action_repeat: int = option(
        1, "Environment steps that each action is kept for; rewards add up.", domain=AT_LEAST_ONE
    )
    sticky_actions: float = option(
        0.0, "Probability that the last action is repeated instead of the chosen one.",
        domain=UNIT_OPEN_HIGH,
    )
    time_limit: int | None = option(
        None, "Steps after which an episode is cut off; null: the environment's own limit.",
        domain=AT_LEAST_ONE,
    )
    frame_stack: int | None = option(
        None, "Newest observations joined along the last axis; null: the environment's own (4 for "
        "Atari, else 1).", domain=AT_LEAST_ONE,
    )
    normalise_observations: bool = option(
        False, "Whether observations are shifted and scaled by their running mean and deviation."
    )
    reward_scale: float = option(1.0, "Factor on training rewards.", domain=POSITIVE)
    reward_clip: float | None = option(
        None, "Training rewards are cut to plus or minus this, after scaling; null: the "
        "environment's own (1 for Atari, else none).", domain=POSITIVE,
    )
