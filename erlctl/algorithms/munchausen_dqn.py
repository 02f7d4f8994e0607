"""Munchausen DQN (Vieillard, Pietquin, Geist 2020, arXiv:2007.14430)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from erlctl.algorithms.base import Backup, ValueAlgorithm
from erlctl.fields import NON_POSITIVE, POSITIVE, UNIT, option
from erlctl.registry import register


@register("algorithm", "munchausen_dqn")
@dataclass(frozen=True, kw_only=True)
class MunchausenDqn(ValueAlgorithm):
    """Soft-DQN plus a clipped log-policy bonus. Defaults are those of the authors' code."""

    summary: ClassVar[str] = "soft DQN plus a clipped log-policy bonus (implicit KL)"
    equation: ClassVar[str] = (
        "y = r + alpha * clip(temperature * log pi(a|s), log_policy_clip, 0)\n"
        "      + gamma * discount * sum_a' pi(a'|s') * (q(s', a') - temperature * log pi(a'|s')),\n"
        "  pi = softmax(q / temperature)"
    )
    source: ClassVar[str] = "Vieillard, Pietquin, Geist 2020, arXiv:2007.14430"
    relations: ClassVar[tuple[str, ...]] = (
        "soft_dqn with alpha = 0", "advantage_learning with temperature -> 0 and no clip",
        "cvi (logsumexp) without the clip", "dpp (logsumexp) with alpha = 1 and no clip",
    )

    temperature: float = option(
        0.03, "Temperature of the policy softmax(q / t).", domain=POSITIVE, letter="tau",
        unit="units of return",
    )
    alpha: float = option(
        0.9, "Weight of the log-policy term.", domain=UNIT, letter="alpha"
    )
    log_policy_clip: float | None = option(
        -1.0, "Lower clip of temperature * log pi; null: no clip.", domain=NON_POSITIVE,
        letter="l0", unit="units of return",
    )

    def backup(self) -> Backup:
        """Return the target: log-sum-exp values, gap clipped to [log_policy_clip, 0]."""
        # Without a lower clip the upper one is void: temperature * log pi is never positive.
        clip = (None, None) if self.log_policy_clip is None else (self.log_policy_clip, 0.0)
        return Backup(
            operator="logsumexp", temperature=self.temperature, gap_scale=self.alpha, gap_range=clip
        )
