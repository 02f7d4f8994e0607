"""Deep mirror descent value iteration (Vieillard et al. 2020, NeurIPS, "Leverage the Average")."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from erlctl.algorithms.companion import Companion, CompanionAlgorithm
from erlctl.fields import NON_NEGATIVE, POSITIVE, option
from erlctl.registry import register


@register("algorithm", "mirror_descent_vi")
@dataclass(frozen=True, kw_only=True)
class MirrorDescentVi(CompanionAlgorithm):
    """KL and entropy regularisation by a policy network with a target copy.

    The coefficients' defaults are ours: the paper gives grids. The policy is fitted to the target
    copy of Q, so that one period between synchronisations is one iteration of the tabular scheme;
    the paper's deep agents fit to the online Q.
    """

    summary: ClassVar[str] = "KL and entropy regularisation by a policy network (MD-VI)"
    equation: ClassVar[str] = (
        "Q: y = r + gamma * discount * sum_a pi(a) * (q_target(s', a)\n"
        "         - kl_coefficient * log(pi(a) / pi_target(a)) - entropy_coefficient * log pi(a))\n"
        "  (without regularised_evaluation: only q_target)\n"
        "direct:   loss = kl_coefficient * KL(pi || pi_target) - entropy_coefficient * H(pi)\n"
        "                 - sum_a pi(a) * q_target(s, a)\n"
        "indirect: logits fitted to (q_target + kl_coefficient * log pi_target)\n"
        "                           / (kl_coefficient + entropy_coefficient), shifted to maximum 0"
    )
    source: ClassVar[str] = (
        "Vieillard, Kozuno, Scherrer, Pietquin, Munos, Geist 2020, NeurIPS, arXiv:2003.14089"
    )
    relations: ClassVar[tuple[str, ...]] = (
        "dual_averaging_vi with the same coefficients: the same policies",
        "munchausen_dqn without clip and cvi (logsumexp), temperature = kl + entropy, alpha = kl / "
        "temperature: the same policies; cvi's mellowmax only where no episode terminates",
        "soft_dqn with kl_coefficient = 0", "dpp with entropy_coefficient = 0",
    )

    form: Literal["direct", "indirect"] = option(
        "direct", "How the policy network is fitted: by gradient or by regression."
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
        return Companion(
            rule="mirror_descent_direct" if self.form == "direct" else "mirror_descent_indirect",
            kl_coefficient=self.kl_coefficient, entropy_coefficient=self.entropy_coefficient,
            regularised_evaluation=self.regularised_evaluation,
        )

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Refuse a scheme without any regularisation."""
        yield from super().conflicts()
        if self.kl_coefficient == 0 and self.entropy_coefficient == 0:
            yield "kl_coefficient", f"{POSITIVE} where entropy_coefficient is 0"

    @property
    def policy_temperature(self) -> float:
        """1: the companion gives the logits of the policy."""
        return 1.0
