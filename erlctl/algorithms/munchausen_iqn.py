"""Munchausen IQN (Vieillard, Pietquin, Geist 2020, arXiv:2007.14430)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from erlctl.algorithms.base import Backup
from erlctl.algorithms.quantile import QuantileAlgorithm
from erlctl.fields import NON_POSITIVE, POSITIVE, UNIT, option
from erlctl.registry import register


@register("algorithm", "munchausen_iqn")
@dataclass(frozen=True, kw_only=True)
class MunchausenIqn(QuantileAlgorithm):
    """Munchausen DQN's target on quantiles. Defaults are those of the authors' code."""

    summary: ClassVar[str] = "munchausen_dqn's target on quantiles of the return"
    equation: ClassVar[str] = (
        "z_i = r + alpha * clip(temperature * log pi(a|s), log_policy_clip, 0)\n"
        "      + gamma * discount * sum_a' pi(a'|s') * (z(s', a'; sigma_i)\n"
        "                                               - temperature * log pi(a'|s')),\n"
        "  pi = softmax(q / temperature),  q = mean of K quantiles and loss as in iqn"
    )
    source: ClassVar[str] = "Vieillard, Pietquin, Geist 2020, arXiv:2007.14430"
    relations: ClassVar[tuple[str, ...]] = (
        "iqn with alpha = 0 and temperature -> 0", "munchausen_dqn on the mean of the quantiles",
    )

    temperature: float = option(
        0.03, "Temperature of the policy softmax(q / t).", domain=POSITIVE, letter="tau",
        unit="units of return",
    )
    alpha: float = option(0.9, "Weight of the log-policy term.", domain=UNIT, letter="alpha")
    log_policy_clip: float | None = option(
        -1.0, "Lower clip of temperature * log pi; null: no clip.", domain=NON_POSITIVE,
        letter="l0", unit="units of return",
    )

    def backup(self) -> Backup:
        """Return the target: log-sum-exp values, gap clipped to [log_policy_clip, 0]."""
        clip = (None, None) if self.log_policy_clip is None else (self.log_policy_clip, 0.0)
        return Backup(
            operator="logsumexp", temperature=self.temperature, gap_scale=self.alpha, gap_range=clip
        )
