"""An algorithm that another package brings."""

from dataclasses import dataclass
from typing import ClassVar

from erlctl.algorithms.base import Backup, ValueAlgorithm
from erlctl.fields import UNIT, option
from erlctl.registry import register


@register("algorithm", "their_dqn")
@dataclass(frozen=True, kw_only=True)
class TheirDqn(ValueAlgorithm):
    """Advantage learning under another name."""

    summary: ClassVar[str] = "an algorithm that another package brings"
    equation: ClassVar[str] = (
        "y = r - weight * (max_b q(s, b) - q(s, a)) + gamma * discount * max_a' q(s', a')"
    )
    source: ClassVar[str] = "this test"
    relations: ClassVar[tuple[str, ...]] = ("dqn with weight = 0",)

    weight: float = option(0.5, "Weight of the action gap.", domain=UNIT)

    def backup(self) -> Backup:
        """Return the target."""
        return Backup(gap_scale=self.weight)
