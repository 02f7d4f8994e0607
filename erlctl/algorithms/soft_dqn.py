"""Soft DQN: entropy-regularised Q-learning with a target network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from erlctl.algorithms.base import Backup, ValueAlgorithm
from erlctl.fields import NON_NEGATIVE, option
from erlctl.registry import register


@register("algorithm", "soft_dqn")
@dataclass(frozen=True, kw_only=True)
class SoftDqn(ValueAlgorithm):
    """Entropy-regularised maximum. The default temperature is Munchausen DQN's."""

    summary: ClassVar[str] = "entropy-regularised maximum, no gap term"
    equation: ClassVar[str] = (
        "y = r + gamma * discount * temperature * log sum_a' exp(q(s', a') / temperature)\n"
        "  (mellowmax: the mean over a' instead of the sum)"
    )
    source: ClassVar[str] = (
        "Fox, Pakman, Tishby 2016, arXiv:1512.08562; mellowmax: Asadi, Littman 2017, "
        "arXiv:1612.05628; with a target network as the baseline of Vieillard et al. 2020, "
        "arXiv:2007.14430"
    )
    relations: ClassVar[tuple[str, ...]] = (
        "dqn with temperature = 0", "munchausen_dqn with alpha = 0",
        "cvi with alpha = 0 (operator mellowmax)",
        "sac_discrete with an exact actor softmax(q / temperature) and one critic",
    )

    temperature: float = option(
        0.03, "Temperature of the policy softmax(q / t); 0 is the hard maximum.",
        domain=NON_NEGATIVE, letter="tau", unit="units of return",
    )
    operator: Literal["logsumexp", "mellowmax"] = option(
        "logsumexp", "Value operator; mellowmax is lower by temperature * log |A|."
    )
    double: bool = option(
        False, "Whether the online network chooses the next action; only at temperature 0."
    )

    def backup(self) -> Backup:
        """Return the soft target."""
        return Backup(operator=self.operator, temperature=self.temperature, double=self.double)
