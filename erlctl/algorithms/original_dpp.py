"""What the code of the original repository's "DPP_DQN" computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from erlctl.algorithms.base import Backup, ValueAlgorithm
from erlctl.fields import POSITIVE, UNIT, option
from erlctl.options.policies import Boltzmann, PolicySection
from erlctl.registry import register


@register("algorithm", "original_dpp")
@dataclass(frozen=True, kw_only=True)
class OriginalDpp(ValueAlgorithm):
    """For people who want the original's numbers; the defaults are those of its main program.

    Neither DPP, which has alpha = 1, nor CVI, which has the mellowmax operator. Its fixed point is
    the unregularised value of pi = softmax(q_pi / ((1 - alpha) * temperature)).
    """

    summary: ClassVar[str] = "the original repository's DPP_DQN: neither DPP nor CVI"
    equation: ClassVar[str] = (
        "y = r + alpha * (q(s, a) - M(q(s))) + gamma * discount * M(q(s')),\n"
        "  M(q) = sum_a softmax(q / temperature)(a) * q(a)"
    )
    source: ClassVar[str] = (
        "lingweizhu/EntropyRegularizedRL, DPP_DQN/DPP_DQN.py, commit e6d0415 (2020)"
    )
    relations: ClassVar[tuple[str, ...]] = (
        "dpp (preference form, boltzmann) with alpha = 1",
        "cvi with the operator mellowmax instead",
    )

    temperature: float = option(
        1.0, "Temperature of the operator and of the behaviour policy.", domain=POSITIVE,
        unit="units of return",
    )
    alpha: float = option(0.9, "Weight of the gap.", domain=UNIT, letter="alpha")
    collect_policy: PolicySection = option(Boltzmann(), "Behaviour policy.")

    def backup(self) -> Backup:
        """Return the target; the gap is not clipped."""
        return Backup(
            operator="boltzmann", temperature=self.temperature, gap_scale=self.alpha
        )
