"""What is known about each compiled environment without importing it: one entry per id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_COMPILED = "erlctl.environments.compiled"


@dataclass(frozen=True, kw_only=True)
class Keyword:
    """A keyword argument of an environment.

    Attributes:
        default: Value that is used where none is given.
        doc: One line: what it means and what is allowed.
    """

    default: Any
    doc: str


TIME_LIMIT = "steps after which an episode is cut off (a truncation), null for no limit"


@dataclass(frozen=True, kw_only=True)
class CompiledEntry:
    """One compiled environment.

    Attributes:
        id: Name in a spec, where there is one the name that gym or MinAtar registers.
        module: Module that holds the class; importing it imports TensorFlow.
        class_name: Name of the class.
        keywords: Keyword arguments that a spec may give, with defaults.
        fixed: Keyword arguments that the id itself decides.
        reward_threshold: Mean return that counts as solved, or None where nobody defined one.
        observation: Shape, type and meaning of an observation.
        action: Type and meaning of an action.
        source: Where the dynamics come from.
        doc: One line about the task.
    """

    id: str
    module: str
    class_name: str
    keywords: Mapping[str, Keyword]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    reward_threshold: float | None = None
    observation: str
    action: str
    source: str
    doc: str

    @property
    def time_limit(self) -> int | None:
        """Steps of an episode at most, unless a spec says otherwise."""
        limit: int | None = self.keywords["time_limit"].default
        return limit


def _limit(steps: int | None) -> dict[str, Keyword]:
    return {"time_limit": Keyword(default=steps, doc=TIME_LIMIT)}


def _cart_pole(version: str, time_limit: int, threshold: float) -> CompiledEntry:
    return CompiledEntry(
        id=f"CartPole-{version}",
        module=f"{_COMPILED}.cart_pole",
        class_name="CartPole",
        keywords=_limit(time_limit),
        reward_threshold=threshold,
        observation="float32 [4]: cart position and velocity, pole angle and velocity",
        action="discrete 2: push left, push right",
        source="gym 0.23 (Barto, Sutton, Anderson 1983)",
        doc="keep a pole upright on a cart; reward 1 per step",
    )


CLASSIC = (
    _cart_pole("v0", 200, 195.0),
    _cart_pole("v1", 500, 475.0),
)

ENTRIES = CLASSIC
