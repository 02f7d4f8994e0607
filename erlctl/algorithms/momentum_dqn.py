"""Momentum DQN (Vieillard, Scherrer, Pietquin, Geist 2020, AISTATS)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from erlctl.algorithms.companion import AveragingWeight, Companion, CompanionAlgorithm
from erlctl.fields import NON_NEGATIVE, UNIT, Schedule, option
from erlctl.options.policies import EpsilonGreedy, PolicySection
from erlctl.registry import register


@register("algorithm", "momentum_dqn")
@dataclass(frozen=True, kw_only=True)
class MomentumDqn(CompanionAlgorithm):
    """A second network H averages the action values; greedy and evaluation act on H.

    beta_k = min((k + averaging_offset) / (k + averaging_offset + 1), averaging_weight_max) with k
    the synchronisations of the target networks: the weight of the old average grows. This schedule
    is ours; that of the paper is not verified.
    """

    summary: ClassVar[str] = "a second network averages the action values; greedy on the average"
    equation: ClassVar[str] = (
        "Q: y = r + gamma * discount * q_target(s', argmax_a h_target(s', a))\n"
        "H: y = beta_k * h_target(s, a) + (1 - beta_k) * q_online(s, a)\n"
        "  beta_k = min((k + averaging_offset) / (k + averaging_offset + 1), averaging_weight_max)"
    )
    source: ClassVar[str] = (
        "Vieillard, Scherrer, Pietquin, Geist 2020, AISTATS, arXiv:1910.09322; the schedule of "
        "beta is ours"
    )
    relations: ClassVar[tuple[str, ...]] = (
        "dual_averaging_vi without regularised evaluation, coefficients -> 0 at constant beta",
        "dqn with averaging_weight_max = 0, as far as H, then fitted to the online Q, equals it",
    )

    averaging_offset: float = option(
        0.0, "Synchronisations counted before the first.", domain=NON_NEGATIVE
    )
    averaging_weight_max: float = option(
        0.9, "Upper limit of the weight of the old average.", domain=UNIT, letter="beta"
    )
    collect_policy: PolicySection = option(
        EpsilonGreedy(epsilon=Schedule(1.0, 0.01, 10_000)), "Behaviour policy, on H."
    )

    def companion(self) -> Companion:
        """Return the numbers of the two-network scheme."""
        weight = AveragingWeight(
            grows=True, offset=self.averaging_offset, largest=self.averaging_weight_max
        )
        return Companion(rule="momentum", weight=weight)
