"""What goes into and comes out of an environment, as data: no package, no TensorFlow."""

from __future__ import annotations

import math
from dataclasses import dataclass

_BYTES = {"uint8": 1, "int32": 4, "float32": 4}  # NumPy would take longer to import than all else


@dataclass(frozen=True)
class Space:
    """One observation or one action.

    Attributes:
        shape: Shape without a batch axis; () for a discrete action or a state's index, (M,) for a
            multi-discrete action of M factors.
        dtype: NumPy's name of the type: uint8, int32 or float32.
        num_actions: How many, of a discrete action; 0 for everything else.
        meaning: What the numbers are.
        factors: Number of values of each factor of a multi-discrete action; else ().
    """

    shape: tuple[int, ...]
    dtype: str = "float32"
    num_actions: int = 0
    meaning: str = ""
    factors: tuple[int, ...] = ()

    @classmethod
    def discrete(cls, *actions: str, count: int = 0) -> Space:
        """Return a discrete action: one of `actions`, or of `count` without names."""
        return cls((), "int32", len(actions) or count, ", ".join(actions))

    @classmethod
    def multi_discrete(cls, *factors: int, meaning: str = "") -> Space:
        """Return a multi-discrete action: one of so many values for each factor."""
        return cls((len(factors),), "int32", 0, meaning, factors)

    @property
    def num_preferences(self) -> int:
        """Outputs of a network with one for each action, or for each value of each factor."""
        return self.num_actions or sum(self.factors) or math.prod(self.shape)

    @property
    def num_bytes(self) -> int:
        """Size of one in memory."""
        return math.prod(self.shape) * _BYTES[self.dtype]

    def __str__(self) -> str:
        if self.factors:
            kind = f"multi-discrete {list(self.factors)}"
        elif self.num_actions:
            kind = f"discrete {self.num_actions}"
        else:
            kind = f"{self.dtype} {list(self.shape)}"
        return f"{kind}: {self.meaning}" if self.meaning else kind


@dataclass(frozen=True, kw_only=True)
class Spaces:
    """What a run must know of its environment before it is built.

    Attributes:
        observation: One observation as the network gets it (frames stacked).
        action: One action.
        time_limit: Steps of an episode at most, None where the environment says nothing.
    """

    observation: Space
    action: Space
    time_limit: int | None

    @property
    def action_kind(self) -> str:
        """"discrete", "multi_discrete" or "continuous", as `Algorithm.action_kind` has it."""
        if self.action.factors:
            return "multi_discrete"
        return "discrete" if self.action.num_actions else "continuous"
