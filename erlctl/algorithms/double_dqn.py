"""Double deep Q-network (van Hasselt, Guez, Silver 2016, AAAI)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from erlctl.algorithms.base import Backup, ValueAlgorithm
from erlctl.registry import register


@register("algorithm", "double_dqn")
@dataclass(frozen=True, kw_only=True)
class DoubleDqn(ValueAlgorithm):
    """The online network chooses the next action, the target network values it."""

    summary: ClassVar[str] = "the online network chooses the next action, the target values it"
    equation: ClassVar[str] = (
        "y = r + gamma * discount * q_target(s', argmax_a q_online(s', a))"
    )
    source: ClassVar[str] = "van Hasselt, Guez, Silver 2016, AAAI, arXiv:1509.06461"
    relations: ClassVar[tuple[str, ...]] = (
        "dqn where the argmax of both networks is the same",
        "advantage_learning with double: true and alpha = 0",
    )

    def backup(self) -> Backup:
        """Return the double target."""
        return Backup(double=True)
