"""Advantage learning and its persistent form (Bellemare et al. 2016, AAAI)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from erlctl.algorithms.base import Backup, ValueAlgorithm
from erlctl.fields import UNIT_OPEN_HIGH, option
from erlctl.registry import register


@register("algorithm", "advantage_learning")
@dataclass(frozen=True, kw_only=True)
class AdvantageLearning(ValueAlgorithm):
    """Hard maximum minus a share of the action gap, which multiplies gaps by 1 / (1 - alpha).

    The default alpha is that of PFRL's implementation.
    """

    summary: ClassVar[str] = "hard maximum, action gaps multiplied by 1 / (1 - alpha)"
    equation: ClassVar[str] = (
        "y = r - alpha * (max_b q(s, b) - q(s, a)) + gamma * discount * max_a' q(s', a')\n"
        "persistent: y = r - alpha * min(max_b q(s, b) - q(s, a), max_b q(s', b) - q(s', a))\n"
        "                + gamma * discount * max_a' q(s', a')\n"
        "  (PFRL's definition, larger of the two targets, the gap at s' not masked at terminals;\n"
        "  rlax's persistent Q-learning, gamma * ((1 - alpha) max q(s') + alpha q(s', a)), differs)"
    )
    source: ClassVar[str] = "Bellemare et al. 2016, AAAI, arXiv:1512.04860"
    relations: ClassVar[tuple[str, ...]] = (
        "munchausen_dqn without clip and cvi with temperature -> 0", "dqn with alpha = 0",
    )

    alpha: float = option(
        0.9, "Weight of the action gap; at 1 it would not converge.", domain=UNIT_OPEN_HIGH,
        letter="alpha",
    )
    persistent: bool = option(False, "Whether the smaller of the gaps at s and s' is taken.")
    double: bool = option(False, "Whether the online network chooses the next action.")

    def backup(self) -> Backup:
        """Return the gap-increasing target."""
        return Backup(gap_scale=self.alpha, persistent=self.persistent, double=self.double)
