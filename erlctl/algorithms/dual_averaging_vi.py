"""Deep dual averaging value iteration (Vieillard et al. 2020, NeurIPS, "Leverage the Average")."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from erlctl.algorithms.companion import AveragingWeight, Companion, CompanionAlgorithm
from erlctl.fields import NON_NEGATIVE, POSITIVE, option
from erlctl.registry import register


@register("algorithm", "dual_averaging_vi")
@dataclass(frozen=True, kw_only=True)
class DualAveragingVi(CompanionAlgorithm):
    """KL and entropy regularisation by a second network H that averages the action values.

    The coefficients' defaults are ours: the paper gives grids. H is fitted to the target copy of Q,
    so that one period between synchronisations is one iteration of the tabular scheme; the paper's
    deep agents fit to the online Q.
    """

    summary: ClassVar[str] = "KL and entropy regularisation by averaging action values (DA-VI)"
    equation: ClassVar[str] = (
        "Q: y = r + gamma * discount * sum_a pi(a) * (q_target(s', a)\n"
        "         - kl_coefficient * log(pi(a) / pi_target(a)) - entropy_coefficient * log pi(a))\n"
        "  (without regularised_evaluation: only q_target)\n"
        "H: y = beta * h_target(s, a) + (1 - beta) * q_target(s, a),\n"
        "  beta = kl_coefficient / (kl_coefficient + entropy_coefficient),\n"
        "  pi = softmax(h / entropy_coefficient);  with entropy_coefficient = 0:\n"
        "  beta = k / (k + 1), pi = softmax((k + 1) * h / kl_coefficient), k = synchronisations"
    )
    source: ClassVar[str] = (
        "Vieillard, Kozuno, Scherrer, Pietquin, Munos, Geist 2020, NeurIPS, arXiv:2003.14089"
    )
    relations: ClassVar[tuple[str, ...]] = (
        "mirror_descent_vi with the same coefficients: the same policies",
        "munchausen_dqn without clip, temperature = kl + entropy, alpha = kl / temperature: the "
        "same policies",
        "momentum_dqn in the limit of coefficients 0 at constant beta, without regularised "
        "evaluation",
    )

    kl_coefficient: float = option(
        0.9, "Weight of KL(pi || previous pi).", domain=NON_NEGATIVE, letter="lambda",
        unit="units of return",
    )
    entropy_coefficient: float = option(
        0.1, "Weight of the entropy.", domain=NON_NEGATIVE, letter="tau", unit="units of return"
    )
    regularised_evaluation: bool = option(
        True, "Whether the value of the next state holds the two terms."
    )

    def companion(self) -> Companion:
        """Return the numbers of the two-network scheme."""
        kl, entropy = self.kl_coefficient, self.entropy_coefficient
        weight = (
            AveragingWeight(grows=False, largest=kl / (kl + entropy)) if entropy > 0
            else AveragingWeight()
        )
        return Companion(
            rule="dual_averaging", kl_coefficient=kl, entropy_coefficient=entropy,
            regularised_evaluation=self.regularised_evaluation, weight=weight,
        )

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Refuse a scheme without any regularisation."""
        yield from super().conflicts()
        if self.kl_coefficient == 0 and self.entropy_coefficient == 0:
            yield "kl_coefficient", f"{POSITIVE} where entropy_coefficient is 0"

    @property
    def policy_temperature(self) -> float:
        """The entropy's weight; without one that of the first period, falling as 1 / (k + 1)."""
        return self.entropy_coefficient or self.kl_coefficient
