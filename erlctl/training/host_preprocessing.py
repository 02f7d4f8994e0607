"""What training sees of a host environment: stacked frames, scaled observations and rewards."""

from __future__ import annotations

import numpy as np

from erlctl.environments.host.base import VectorEnvironment
from erlctl.errors import ErlctlError
from erlctl.options.wrappers import Wrappers

_EPSILON = 1e-8


class FrameWindows:
    """The newest K frames of each of N environments.

    Args:
        num_envs: N.
        shape: Shape of a frame.
        dtype: Its type.
        frame_stack: K.

    Attributes:
        windows: [N, K, ...], oldest first; the first frame of an episode stands K times.
    """

    def __init__(
        self, num_envs: int, shape: tuple[int, ...], dtype: np.dtype[np.generic], frame_stack: int
    ) -> None:
        self.windows = np.zeros((num_envs, frame_stack, *shape), dtype)

    def begin(self, frames: np.ndarray) -> None:
        """Begin episodes everywhere."""
        self.windows[...] = frames[:, np.newaxis]

    def push(self, frames: np.ndarray, is_first: np.ndarray) -> None:
        """Add a frame for each environment; where `is_first` an episode begins with it."""
        if self.windows.shape[1] > 1:
            self.windows[:, :-1] = self.windows[:, 1:]
        self.windows[:, -1] = frames
        if is_first.any():
            self.windows[is_first] = frames[is_first][:, np.newaxis]


class EpisodeTally:
    """Returns and lengths of the episodes that N environments are in.

    Args:
        num_envs: N.
    """

    def __init__(self, num_envs: int) -> None:
        self._returns, self.lengths = np.zeros(num_envs), np.zeros(num_envs, np.int64)

    def clear(self) -> None:
        """Begin anew everywhere."""
        self._returns[:], self.lengths[:] = 0.0, 0

    def add(self, rewards: np.ndarray) -> None:
        """Add a step of every environment."""
        self._returns += rewards
        self.lengths += 1

    def take(self, index: int) -> tuple[float, int]:
        """Return (return, length) of an episode that ended; its environment begins the next."""
        result = float(self._returns[index]), int(self.lengths[index])
        self._returns[index], self.lengths[index] = 0.0, 0
        return result


class Normaliser:
    """Running mean and variance of observations (Chan, Golub and LeVeque 1979).

    Args:
        shape: Shape of one observation.

    Attributes:
        clip: Normalised observations are cut to plus or minus this, as in Stable-Baselines3.
        mean: float64 [...].
        variance: float64 [...].
        count: Observations seen, float64 [].
    """

    clip = 10.0

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.mean = np.zeros(shape)
        self.variance = np.ones(shape)
        self.count = np.zeros(())

    def clear(self) -> None:
        """Forget every observation."""
        self.mean[...], self.variance[...], self.count[...] = 0.0, 1.0, 0.0

    def update(self, observations: np.ndarray) -> None:
        """Add observations [N, ...]."""
        added = len(observations)
        mean, variance = observations.mean(0, np.float64), observations.var(0, np.float64)
        total = self.count + added
        delta = mean - self.mean
        squares = (
            self.variance * self.count + variance * added
            + np.square(delta) * self.count * added / total
        )
        self.mean += delta * added / total
        self.variance[...] = squares / total
        self.count += added

    def __call__(self, observations: np.ndarray) -> np.ndarray:
        """Return clip((x - mean) / sqrt(variance + 1e-8), -10, 10) as float32."""
        scaled = (observations - self.mean) / self.deviation
        return np.clip(scaled, -self.clip, self.clip).astype(np.float32)

    @property
    def deviation(self) -> np.ndarray:
        """Standard deviation, kept from 0."""
        return np.sqrt(self.variance + _EPSILON)

    def state(self) -> dict[str, np.ndarray]:
        """Return stable name -> array."""
        return {"mean": self.mean, "variance": self.variance, "count": self.count}


class Preprocessing:
    """The wrappers of a spec that change what is learned from, and not the task.

    Args:
        wrappers: The spec's section.
        vector: Gives the environment's own conventions.

    Raises:
        ErlctlError: Images are to be normalised.
    """

    def __init__(self, wrappers: Wrappers, vector: VectorEnvironment) -> None:
        stack, clip = wrappers.frame_stack, wrappers.reward_clip
        self.frame_stack = vector.frame_stack if stack is None else stack
        self._clip = vector.reward_clip if clip is None else clip
        self._scale = wrappers.reward_scale
        self.normaliser: Normaliser | None = None
        if wrappers.normalise_observations:
            if vector.observation.dtype == np.uint8:
                raise ErlctlError(
                    f"environment {vector.environment} has uint8 observations, which networks "
                    "scale themselves", fix="remove environment.wrappers.normalise_observations",
                )
            self.normaliser = Normaliser(vector.observation.shape)

    def rewards(self, rewards: np.ndarray) -> np.ndarray:
        """Return training rewards: scaled, then clipped."""
        if self._scale != 1.0:
            rewards = rewards * self._scale
        return rewards if self._clip is None else np.clip(rewards, -self._clip, self._clip)

    def observations(self, frames: np.ndarray) -> np.ndarray:
        """Return observations as networks see them."""
        return frames if self.normaliser is None else self.normaliser(frames)
