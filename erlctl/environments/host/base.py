"""N environments on the host, stepped together; an ended episode restarts in the same step."""

from __future__ import annotations

import abc
from typing import NamedTuple

import numpy as np

from erlctl.environments.host.spaces import ActionSpace, ObservationSpace
from erlctl.errors import EnvironmentFault


class HostStep(NamedTuple):
    """One step of N environments; the arrays are overwritten by the next step.

    Attributes:
        observation: Where the environments are now, [N, ...]; a first one where an episode ended.
        reward: The environments' own rewards, float64 [N].
        terminated: bool [N]; a true end: nothing comes after it.
        truncated: bool [N]; cut off, by a time limit for example. Never true with `terminated`.
        final_observation: What the step led to, before any restart, [N, ...].
    """

    observation: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    final_observation: np.ndarray


class VectorEnvironment(abc.ABC):
    """N environments stepped together.

    Attributes:
        environment: Id, for messages.
        num_envs: N.
        observation: Space of one observation.
        action: Space of one action.
        time_limit: Steps of an episode at most, or None where the environment says nothing.
        frame_stack: How many frames the environment's users stack by convention.
        reward_clip: Where they clip training rewards by convention, or None.
    """

    environment: str
    num_envs: int
    observation: ObservationSpace
    action: ActionSpace
    time_limit: int | None
    frame_stack: int = 1
    reward_clip: float | None = None

    @abc.abstractmethod
    def reset(self, seeds: np.ndarray) -> np.ndarray:
        """Begin new episodes everywhere; return the first observations [N, ...].

        Args:
            seeds: uint32 [N]; environment i is seeded with entry i.

        Raises:
            EnvironmentFault: An environment raised or returned what it must not.
        """

    @abc.abstractmethod
    def step(self, actions: np.ndarray) -> HostStep:
        """Step every environment; those whose episode ends begin the next one at once.

        Args:
            actions: Agent's actions, int32 [N] from 0 or float32 [N, ...].

        Raises:
            EnvironmentFault: An environment raised, hung, or returned what it must not.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """End everything; an environment that raises while closing is not listened to."""

    def render(self) -> np.ndarray | None:
        """Return a picture of the first environment, uint8 [H, W, 3], or None if it draws none."""
        return None

    def check_finite(self, step: HostStep, actions: np.ndarray, elapsed: np.ndarray) -> None:
        """Refuse numbers that are not finite.

        Args:
            step: What the environments returned.
            actions: What they were given.
            elapsed: Steps of each episode so far, this one included.

        Raises:
            EnvironmentFault: Names the first environment concerned.
        """
        is_good = np.isfinite(step.reward)
        if step.final_observation.dtype != np.uint8:
            rows = step.final_observation.reshape(self.num_envs, -1)
            is_good = is_good & np.isfinite(rows).all(axis=1)
        if is_good.all():
            return
        index = int(np.argmin(is_good))
        is_reward = not np.isfinite(step.reward[index])
        what = f"the reward {step.reward[index]}" if is_reward else (
            f"an observation that is not finite: {_shortened(step.final_observation[index])}"
        )
        raise EnvironmentFault(
            self.environment, f"returned {what}", index=index, step=int(elapsed[index]),
            action=shown_action(actions[index]),
        )


def shown_action(action: np.ndarray) -> object:
    """Return an action as it should be printed."""
    return action.tolist()


def _shortened(values: np.ndarray) -> str:
    return np.array2string(values.ravel(), threshold=8, precision=4)
