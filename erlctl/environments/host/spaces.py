"""Spaces of four libraries as two kinds of data: numbers in one array, and one action.

Gym's and Gymnasium's spaces and the specs of dm_env and TF-Agents are told apart by the names of
their classes and by their attributes, so that none of the packages has to be installed.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from erlctl.errors import ErlctlError

Convert = Callable[[Any], np.ndarray]


@dataclass(frozen=True)
class ObservationSpace:
    """Observations after conversion.

    Attributes:
        shape: Shape of one, never ().
        dtype: uint8 (kept, for images) or float32.
        high: Largest value; matters for uint8, where 1 means "not an image".
        convert: Environment's observation -> array of `shape` and `dtype`; raises ValueError or
            TypeError where it is something else.
        native: The environment's own words for the space.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    high: float
    convert: Convert
    native: str = ""


@dataclass(frozen=True)
class ActionSpace:
    """Actions as agents choose them.

    Attributes:
        num_actions: Number of discrete actions, 0 for others.
        low: Lower bounds of a continuous action, float32 [...].
        high: Upper bounds.
        convert: One agent's action -> what the environment takes.
        native: The environment's own words for the space.
        factors: Number of values of each factor of a multi-discrete action; else ().
    """

    num_actions: int
    low: np.ndarray
    high: np.ndarray
    convert: Callable[[Any], Any]
    native: str = ""
    factors: tuple[int, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one action as agents choose it."""
        if self.num_actions:
            return ()
        return (len(self.factors),) if self.factors else self.low.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of an action as agents choose it: int32 or float32."""
        return np.dtype(np.int32 if self.num_actions or self.factors else np.float32)


def refuse(environment: str, what: str, space: object, expected: str) -> ErlctlError:
    """Return the error for a space that no agent can use."""
    return ErlctlError(
        f"environment {environment}: its {what} space is {space}; expected {expected}",
        fix="wrap the environment and name the wrapper with `backend: python`",
    )


_OBSERVATIONS = "a numeric Box, Discrete, MultiBinary, or a flat Dict or Tuple of these"
_ACTIONS = (
    "Discrete, a MultiDiscrete of one axis with at least two values each, or a Box of floats with "
    "finite bounds"
)


def observation_space(space: Any, environment: str) -> ObservationSpace:
    """Return how the observations of a space are read.

    Raises:
        ErlctlError: The space is of another kind; it is printed.
    """
    kind = _kind(space)
    if kind in ("dict", "tuple"):
        read = _joined(space, kind, environment)
    elif kind in _READERS:
        read = _READERS[kind](space, environment)
    else:
        raise refuse(environment, "observation", space, _OBSERVATIONS)
    return dataclasses.replace(read, native=str(space))


def action_space(space: Any, environment: str) -> ActionSpace:
    """Return how actions are given to an environment.

    Raises:
        ErlctlError: The space is of another kind; it is printed.
    """
    kind, nothing = _kind(space), np.zeros(0, np.float32)
    if kind == "discrete":
        count, start = _size(space), _start(space)
        return ActionSpace(count, nothing, nothing, lambda action: int(action) + start, str(space))
    if kind == "multidiscrete":
        return _multi_discrete(space, environment)
    low, high = _bounds(space) if kind == "box" else (None, None)
    if low is None or high is None or np.dtype(space.dtype).kind != "f":
        raise refuse(environment, "action", space, _ACTIONS)
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (low < high).all()):
        raise refuse(environment, "action", space, _ACTIONS)
    dtype = np.dtype(space.dtype)
    return ActionSpace(
        0, low.astype(np.float32), high.astype(np.float32),
        lambda action: np.asarray(action, dtype), str(space),
    )


def _multi_discrete(space: Any, environment: str) -> ActionSpace:
    sizes = np.asarray(space.nvec)
    if sizes.ndim != 1 or not sizes.size or sizes.min() < 2:
        raise refuse(environment, "action", space, _ACTIONS)
    nothing, start = np.zeros(0, np.float32), np.asarray(getattr(space, "start", 0))
    dtype = np.dtype(space.dtype)
    return ActionSpace(
        0, nothing, nothing, lambda action: (np.asarray(action) + start).astype(dtype),
        str(space), tuple(int(size) for size in sizes),
    )


def _kind(space: Any) -> str:
    if isinstance(space, Mapping):
        return "dict"
    if isinstance(space, (list, tuple)):
        return "tuple"
    names = {cls.__name__ for cls in type(space).__mro__}
    for name, kind in (("Dict", "dict"), ("Tuple", "tuple"), ("MultiDiscrete", "multidiscrete"),
                       ("Discrete", "discrete"),
                       ("MultiBinary", "multibinary"), ("Box", "box")):
        if name in names:
            return kind
    if not names & {"Array", "ArraySpec"}:  # dm_env's and TF-Agents' base classes
        return "unknown"
    low, _ = _bounds(space)
    is_integer = np.dtype(space.dtype).kind in "iu"
    is_index = is_integer and tuple(space.shape) == () and low is not None
    return "discrete" if is_index else "box"


def _bounds(space: Any) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return (low, high) in the space's shape; specs call them minimum and maximum."""
    low = getattr(space, "low", getattr(space, "minimum", None))
    high = getattr(space, "high", getattr(space, "maximum", None))
    if low is None or high is None:
        return None, None
    shape = tuple(space.shape)
    return np.broadcast_to(np.asarray(low), shape), np.broadcast_to(np.asarray(high), shape)


def _size(space: Any) -> int:
    if hasattr(space, "n"):
        return int(space.n)
    low, high = _bounds(space)
    assert low is not None  # `_kind` found them
    assert high is not None
    return int(high) - int(low) + 1


def _start(space: Any) -> int:
    return int(space.start) if hasattr(space, "start") else int(getattr(space, "minimum", 0))


def _box(space: Any, environment: str) -> ObservationSpace:
    dtype = np.dtype(space.dtype)
    if dtype.kind not in "fiub":
        raise refuse(environment, "observation", space, _OBSERVATIONS)
    shape = tuple(int(size) for size in space.shape)
    _, high = _bounds(space)
    target = np.dtype(np.uint8) if dtype == np.uint8 else np.dtype(np.float32)

    def convert(value: Any) -> np.ndarray:
        array = np.asarray(value)
        if array.shape != shape:
            raise ValueError(f"shape {array.shape} instead of {shape}")
        if array.dtype.kind not in "fiub" or (target == np.uint8 and array.dtype != np.uint8):
            raise TypeError(f"type {array.dtype} instead of {dtype}")
        # float64 beyond float32 becomes infinite, which the vector's check reports.
        with np.errstate(over="ignore"):
            array = array.astype(target, copy=False)
        return array if shape else array.reshape(1)

    largest = float(np.max(high)) if high is not None and high.size else math.inf
    return ObservationSpace(shape or (1,), target, largest, convert)


def _discrete(space: Any, environment: str) -> ObservationSpace:
    del environment
    size, start = _size(space), _start(space)

    def convert(value: Any) -> np.ndarray:
        index = int(value) - start
        if not 0 <= index < size or index + start != value:
            raise ValueError(f"{value!r} instead of an index from {start} to {start + size - 1}")
        row = np.zeros(size, np.float32)
        row[index] = 1.0
        return row

    return ObservationSpace((size,), np.dtype(np.float32), 1.0, convert)


_READERS: Mapping[str, Callable[[Any, str], ObservationSpace]] = {
    "box": _box, "multibinary": _box, "discrete": _discrete,
}


def _joined(space: Any, kind: str, environment: str) -> ObservationSpace:
    parts = getattr(space, "spaces", space)
    keys: list[Any] = list(parts) if kind == "dict" else list(range(len(parts)))
    if not keys or any(_kind(parts[key]) not in _READERS for key in keys):
        raise refuse(environment, "observation", space, _OBSERVATIONS)
    readers = [(key, observation_space(parts[key], environment)) for key in keys]
    size = sum(math.prod(reader.shape) for _, reader in readers)

    def convert(value: Any) -> np.ndarray:
        try:
            rows = [reader.convert(value[key]).ravel() for key, reader in readers]
        except (KeyError, IndexError) as error:
            raise ValueError(f"no entry {error}") from error
        return np.concatenate(rows).astype(np.float32)

    return ObservationSpace((size,), np.dtype(np.float32), math.inf, convert)
