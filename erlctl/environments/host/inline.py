"""Environments stepped one after another in this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from erlctl.environments.host.base import HostStep, VectorEnvironment, shown_action
from erlctl.environments.host.single import Single
from erlctl.environments.host.watchdog import Hung, time_limit
from erlctl.errors import EnvironmentFault


class _Unusable(Exception):  # noqa: N818 - becomes an EnvironmentFault
    """What an environment returned is not what its spaces promise."""


class InlineVector(VectorEnvironment):
    """N single environments of the same spaces.

    Args:
        environment: Id, for messages.
        singles: The environments.
        step_timeout: Seconds after which one step of all of them counts as hung.
    """

    def __init__(self, environment: str, singles: Sequence[Single], step_timeout: float) -> None:
        self.environment = environment
        self.num_envs = len(singles)
        self._singles = singles
        self._timeout = step_timeout
        first = singles[0]
        self.observation, self.action, self.time_limit = (
            first.observation, first.action, first.time_limit
        )
        shape = (self.num_envs, *self.observation.shape)
        self._now = np.zeros(shape, self.observation.dtype)
        self._final = np.zeros(shape, self.observation.dtype)
        self._reward = np.zeros(self.num_envs)
        self._terminated = np.zeros(self.num_envs, bool)
        self._truncated = np.zeros(self.num_envs, bool)
        self._elapsed = np.zeros(self.num_envs, np.int64)

    def reset(self, seeds: np.ndarray) -> np.ndarray:
        """Begin new episodes everywhere; return the first observations [N, ...]."""
        self._elapsed[:] = 0

        def begin(index: int) -> None:
            self._now[index] = self._row(self._singles[index].reset(int(seeds[index])))

        self._for_each(begin, None, "reset")
        if not np.isfinite(self._now).all():
            raise EnvironmentFault(
                self.environment, "returned a first observation that is not finite"
            )
        return self._now

    def step(self, actions: np.ndarray) -> HostStep:
        """Step every environment; those whose episode ends begin the next one at once."""
        self._elapsed += 1
        self._for_each(lambda index: self._step_one(index, actions[index]), actions, "step")
        step = HostStep(self._now, self._reward, self._terminated, self._truncated, self._final)
        self.check_finite(step, actions, self._elapsed)
        self._elapsed[self._terminated | self._truncated] = 0
        return step

    def _step_one(self, index: int, action: np.ndarray) -> None:
        single = self._singles[index]
        observation, reward, terminated, truncated = single.step(self.action.convert(action))
        row = self._row(observation)
        self._final[index] = row
        try:
            self._reward[index] = float(reward)
        except (TypeError, ValueError) as error:
            raise _Unusable(f"returned the reward {reward!r}, expected a number") from error
        self._terminated[index] = terminated
        self._truncated[index] = truncated and not terminated
        self._now[index] = self._row(single.reset(None)) if terminated or truncated else row

    def _row(self, observation: Any) -> np.ndarray:
        try:
            return self.observation.convert(observation)
        except (TypeError, ValueError) as error:
            raise _Unusable(f"returned a wrong observation: {error}") from error

    def _for_each(
        self, function: Callable[[int], None], actions: np.ndarray | None, what: str
    ) -> None:
        index = 0
        try:
            steps = None if actions is None else self._elapsed
            with time_limit(self._timeout, steps, actions):
                for index in range(self.num_envs):
                    function(index)
        except Hung as error:
            problem = f"has not come back from {what} after {self._timeout:g} s"
            raise self._fault(problem, index, actions) from error
        except _Unusable as error:
            raise self._fault(str(error), index, actions) from error
        except (Exception, SystemExit) as error:  # whatever an environment does wrong
            text = str(error)
            problem = f"raised {type(error).__name__} in {what}{': ' if text else ''}{text}"
            raise self._fault(problem, index, actions) from error

    def _fault(self, problem: str, index: int, actions: np.ndarray | None) -> EnvironmentFault:
        if actions is None:
            return EnvironmentFault(self.environment, problem, index=index)
        return EnvironmentFault(
            self.environment, problem, index=index, step=int(self._elapsed[index]),
            action=shown_action(actions[index]),
        )

    def render(self) -> np.ndarray | None:
        """Return a picture of the first environment."""
        try:
            return self._singles[0].render()
        except NotImplementedError:  # how Gym's environments say that they draw nothing
            return None
        except (Exception, SystemExit) as error:  # whatever an environment does wrong
            problem = f"raised {type(error).__name__} in render: {error}"
            raise EnvironmentFault(self.environment, problem) from error

    def close(self) -> None:
        """End everything."""
        for single in self._singles:
            # Its results are in already: an error in closing must not cost the run.
            with suppress(Exception, SystemExit):
                single.close()
