"""Deep Q-network (Mnih et al. 2015, Nature 518)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from erlctl.algorithms.base import Backup, ValueAlgorithm
from erlctl.registry import register


@register("algorithm", "dqn")
@dataclass(frozen=True, kw_only=True)
class Dqn(ValueAlgorithm):
    """Hard maximum, no regularisation: the baseline of the family."""

    summary: ClassVar[str] = "hard maximum, no regularisation: the baseline"
    equation: ClassVar[str] = "y = r + gamma * discount * max_a q(s', a)"
    source: ClassVar[str] = "Mnih et al. 2015, Nature 518:529-533"
    relations: ClassVar[tuple[str, ...]] = (
        "soft_dqn with temperature -> 0", "munchausen_dqn with alpha = 0 and temperature -> 0",
    )

    def backup(self) -> Backup:
        """Return the unregularised target."""
        return Backup()
