"""Episodes of a policy on a table, side by side."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from erlctl.planning.model import Array, Model, draw, thresholds


def rollout(
    model: Model, policy: Array, rng: np.random.Generator, num_episodes: int, *,
    time_limit: int, reward_noise: float = 0.0,
) -> tuple[Array, npt.NDArray[np.int64]]:
    """Return (undiscounted returns float64 [E], lengths int64 [E]) of episodes.

    Args:
        model: One problem.
        policy: Probabilities [S, A].
        rng: Source of every random number.
        num_episodes: E.
        time_limit: Steps after which an episode is cut off.
        reward_noise: Standard deviation of normal noise on every reward.
    """
    limits = thresholds(policy)
    states = draw(rng.random(num_episodes), thresholds(model.start[0]))
    is_alive = np.ones(num_episodes, bool)
    returns, lengths = np.zeros(num_episodes), np.zeros(num_episodes, np.int64)
    for _ in range(time_limit):
        actions = draw(rng.random(num_episodes), limits[states])
        rewards = model.rewards[0, states, actions]
        if reward_noise:
            rewards = rewards + reward_noise * rng.standard_normal(num_episodes)
        returns += np.where(is_alive, rewards, 0.0)
        lengths += is_alive
        outcome = draw(rng.random(num_episodes), model.cumulative[0, states, actions])
        states = model.successors[0, states, actions, outcome]
        is_alive &= model.continues[0, states] > 0.0
        if not is_alive.any():
            break
    return returns, lengths
