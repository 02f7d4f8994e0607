"""Uniform replay of transitions in NumPy arrays, each observation stored once.

Every environment writes a ring of slots of its own. A slot holds one frame (one observation before
stacking) and, where somebody acted on it, the action and what came of it; the next slot holds the
frame that the step led to. After the last step of an episode that is the final frame, on which
nobody acts, and the slot behind it begins the next episode: no transition leads from one episode to
the next, and truncated episodes keep their final observation.

        slot      0    1    2    3        4    5
        frame     o0   o1   o2   o3 end   o0'  o1'  (newest)
        acted     1    1    1    0        1    0

Sampling is a pure function of the content, a Philox key and the number of the draw: there is no
state of a random generator to save.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from erlctl.errors import ErlctlError

# Rings are saved in pieces, so that no copy of a whole one is ever made.
_PIECE_BYTES = 2**28


class Batch(NamedTuple):
    """Sampled transitions.

    Attributes:
        frames: [B, W, ...], oldest first; W as `batch_frames` says. The first K are those of each
            observation, the last K those of the next one.
        action: [B, ...].
        reward: float32 [B]; with n steps sum_i gamma^i r_i up to the end of the episode.
        discount: float32 [B]; 0 after a terminal, else gamma^(m-1) after m steps.
    """

    frames: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    discount: np.ndarray


def batch_frames(frame_stack: int, n_step: int) -> int:
    """Return W, the frames of a transition in a `Batch`: what both sides share stands once.

    After one step only the newest frame is new, at the begin of an episode too. After more the end
    of an episode may have come sooner, so that what is shared differs from one to the next.
    """
    return frame_stack + (1 if n_step == 1 else frame_stack)


class HostReplay:
    """Rings of frames and of what was done on them.

    Args:
        shape: Shape of one frame.
        dtype: Type of frames.
        action_shape: Shape of one action, () for discrete ones.
        action_dtype: Type of actions.
        num_envs: Rings, one for each environment.
        capacity: Frames in all; each ring holds capacity // num_envs, and a few more so that the
            smallest capacity still holds a transition.
        frame_stack: K, frames of an observation.
        n_step: Length of the returns that `sample` gives.
        gamma: Discount inside an n-step return.

    Raises:
        ErlctlError: The machine has not that much memory.
    """

    def __init__(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], action_shape: tuple[int, ...],
        action_dtype: np.dtype[Any], *, num_envs: int, capacity: int, frame_stack: int = 1,
        n_step: int = 1, gamma: float = 1.0,
    ) -> None:
        self._num_envs, self._stack, self._n_step = num_envs, frame_stack, n_step
        self.gamma, self._batch_frames = gamma, batch_frames(frame_stack, n_step)
        self._slots = capacity // num_envs + frame_stack + n_step
        rows = num_envs * self._slots
        try:
            # Pages of zeros are given by the system when they are first written.
            self._frames = np.zeros((rows, *shape), dtype)
            self._action = np.zeros((rows, *action_shape), action_dtype)
        except MemoryError as error:
            size = rows * math.prod(shape) * dtype.itemsize
            raise ErlctlError(
                f"the replay of {capacity} observations needs {size / 1e9:.1f} GB of memory",
                fix="lower training.replay_capacity",
            ) from error
        self._reward = np.zeros(rows, np.float32)
        self._discount = np.zeros(rows, np.float32)
        self._acted = np.zeros(rows, np.uint8)
        self._age = np.zeros(rows, np.uint8)  # frames of the episode before it, at most K - 1
        self._newest = np.full(num_envs, -1, np.int64)
        self._stored = np.zeros((), np.int64)
        self._offsets = np.arange(num_envs) * self._slots
        self._back = np.arange(frame_stack - 1, -1, -1)

    def clear(self) -> None:
        """Forget everything; all is zero again, so that equal runs have equal checkpoints."""
        if (self._newest >= 0).any():
            for array in (self._frames, self._action, self._reward, self._discount, self._acted,
                          self._age):
                array[...] = 0
        self._newest[:] = -1
        self._stored[...] = 0

    @property
    def num_stored(self) -> int:
        """Transitions ever written, overwritten ones included."""
        return int(self._stored)

    @property
    def can_sample(self) -> bool:
        """Whether there is a transition whose n steps are over."""
        return bool((self._newest >= self._n_step).any())

    def begin(self, frames: np.ndarray, environments: np.ndarray | None = None) -> None:
        """Write first frames.

        Args:
            frames: First frame of each environment's new episode, [N, ...].
            environments: Bool [N]: where an episode begins; None: everywhere.
        """
        chosen = np.arange(self._num_envs) if environments is None else environments.nonzero()[0]
        self._newest[chosen] += 1
        rows = self._rows(chosen, self._newest[chosen])
        self._frames[rows] = frames[chosen]
        self._acted[rows] = 0
        self._age[rows] = 0

    def append(
        self, action: np.ndarray, reward: np.ndarray, discount: np.ndarray, frames: np.ndarray
    ) -> None:
        """Write one step of every environment.

        Args:
            action: Taken on the newest frames, [N, ...].
            reward: [N].
            discount: [N]; 0 where the step ended in a terminal.
            frames: What it led to, [N, ...]; the final frame where an episode ended.
        """
        rows = self._offsets + self._newest % self._slots
        self._action[rows] = action
        self._reward[rows] = reward
        self._discount[rows] = discount
        self._acted[rows] = 1
        age = np.minimum(self._age[rows] + 1, self._stack - 1)
        self._newest += 1
        rows = self._offsets + self._newest % self._slots
        self._frames[rows] = frames
        self._acted[rows] = 0
        self._age[rows] = age
        self._stored += self._num_envs

    def sample(self, count: int, *, key: int, draw: int) -> Batch:
        """Return `count` transitions, uniform with replacement over all that are held.

        Args:
            count: B.
            key: Philox key.
            draw: Number of the draw; the same content, key and draw give the same batch.
        """
        environment, position = self._draw_positions(count, key, draw)
        rows = self._rows(environment, position)
        reward, discount = self._reward[rows], self._discount[rows]
        last = position
        for i in range(1, self._n_step):
            later = self._rows(environment, position + i)
            # The episode goes on as long as somebody acted on the frame that the step led to.
            goes_on = (self._acted[later] == 1) & (last == position + i - 1)
            weight = np.float32(self.gamma**i)
            reward = np.where(goes_on, reward + weight * self._reward[later], reward)
            discount = np.where(goes_on, self._discount[later] * weight, discount)
            last = np.where(goes_on, position + i, last)
        own, following = (self._window_rows(environment, p) for p in (position, last + 1))
        frames = np.concatenate([own[:, : self._batch_frames - self._stack], following], axis=1)
        return Batch(self._frames.take(frames, axis=0), self._action[rows], reward, discount)

    def state(self) -> dict[str, np.ndarray]:
        """Return stable name -> array; writing into the arrays restores the replay."""
        pieces = dict(_pieces(self._frames))
        return {
            **pieces, "action": self._action, "reward": self._reward, "discount": self._discount,
            "acted": self._acted, "age": self._age, "newest": self._newest, "stored": self._stored,
        }

    def _rows(self, environment: np.ndarray, position: np.ndarray) -> np.ndarray:
        return environment * self._slots + position % self._slots

    def _window_rows(self, environment: np.ndarray, position: np.ndarray) -> np.ndarray:
        """Return rows [B, K]; before the episode's first frame that frame stands again."""
        rows = self._rows(environment, position)
        if self._stack == 1:
            return rows[:, np.newaxis]
        back = np.minimum(self._back, self._age[rows][:, np.newaxis])
        return self._rows(environment[:, np.newaxis], position[:, np.newaxis] - back)

    def _draw_positions(self, count: int, key: int, draw: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (environment, position in its ring's history) of transitions, [B] each."""
        newest = self._newest + 1 - self._n_step  # exclusive: n steps must lie behind a transition
        # A stack reaches K - 1 frames back; those of the oldest slots may be overwritten.
        oldest = np.maximum(self._newest + 1 - self._slots + self._stack - 1, 0)
        oldest = np.where(self._newest < self._slots, 0, oldest)
        ends = np.cumsum(np.maximum(newest - oldest, 0))
        bits = np.random.Philox(key=key, counter=[0, 0, draw, 0])
        environment, position = np.empty(count, np.int64), np.empty(count, np.int64)
        missing = np.arange(count)
        while missing.size:
            number = bits.random_raw(missing.size) % np.uint64(ends[-1])
            number = number.astype(np.int64)
            chosen = np.searchsorted(ends, number, side="right")
            environment[missing] = chosen
            position[missing] = number - ends[chosen] + newest[chosen]
            # Nobody acted on the final frame of an episode: draw again there.
            rows = self._rows(environment[missing], position[missing])
            missing = missing[self._acted[rows] == 0]
        return environment, position


def _pieces(frames: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    row_bytes = max(frames.nbytes // len(frames), 1)
    size = max(_PIECE_BYTES // row_bytes, 1)
    for index, first in enumerate(range(0, len(frames), size)):
        yield f"frames_{index:04d}", frames[first : first + size]
