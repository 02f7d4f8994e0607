"""Conservative value iteration as a deep algorithm (Kozuno, Uchibe, Doya 2019, AISTATS)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from erlctl.algorithms.base import Backup, ValueAlgorithm
from erlctl.fields import NON_NEGATIVE, POSITIVE, UNIT, option
from erlctl.registry import register

DEFAULT_TEMPERATURE = 0.03
DEFAULT_ALPHA = 0.9


@register("algorithm", "cvi")
@dataclass(frozen=True, kw_only=True)
class Cvi(ValueAlgorithm):
    """Softmax operator and gap increase together. Defaults are those of ShinRL's deep CVI.

    Its regularisation is set either by (temperature, alpha) or by (kl_coefficient,
    entropy_coefficient): temperature = kl + entropy, alpha = kl / (kl + entropy).
    """

    summary: ClassVar[str] = "mellowmax values and gap increase: KL and entropy regularisation"
    equation: ClassVar[str] = (
        "y = r + alpha * (q(s, a) - m(q(s))) + gamma * discount * m(q(s')),\n"
        "  m(q) = temperature * log mean_a exp(q(a) / temperature)  (logsumexp: the sum)\n"
        "  temperature = kl_coefficient + entropy_coefficient, alpha = kl_coefficient / temperature"
    )
    source: ClassVar[str] = "Kozuno, Uchibe, Doya 2019, AISTATS, PMLR 89:2995-3003"
    relations: ClassVar[tuple[str, ...]] = (
        "soft_dqn (mellowmax) with alpha = 0", "dpp (preference form) with alpha = 1",
        "advantage_learning with temperature -> 0",
        "munchausen_dqn without clip and mirror_descent_vi (regularised evaluation) with the same "
        "coefficients, if operator is logsumexp; mellowmax differs from it by one number, which no "
        "policy notices, only where no episode terminates: logsumexp pays temperature * log |A| for"
        " each step that goes on, so with terminal states the policies differ",
    )

    temperature: float | None = option(
        None, "Temperature of softmax(q / t); null: 0.03, or the sum of the coefficients.",
        domain=POSITIVE, letter="1 / beta", unit="units of return",
    )
    alpha: float | None = option(
        None, "Weight of the gap; null: 0.9, or from the coefficients.", domain=UNIT,
        letter="alpha",
    )
    kl_coefficient: float | None = option(
        None, "Weight of KL(pi || previous pi), instead of alpha.", domain=NON_NEGATIVE,
        letter="lambda", unit="units of return",
    )
    entropy_coefficient: float | None = option(
        None, "Weight of the entropy, instead of temperature.", domain=NON_NEGATIVE,
        unit="units of return",
    )
    operator: Literal["mellowmax", "logsumexp"] = option("mellowmax", "Value operator.")

    def backup(self) -> Backup:
        """Return the target; the gap of mellowmax may be positive and is not clipped."""
        temperature, alpha = self._regularisation()
        return Backup(operator=self.operator, temperature=temperature, gap_scale=alpha)

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Refuse both ways at once, half of one way, and no regularisation at all."""
        kl, entropy = self.kl_coefficient, self.entropy_coefficient
        given = [name for name in ("temperature", "alpha") if getattr(self, name) is not None]
        if (kl is None) != (entropy is None):
            missing = "kl_coefficient" if kl is None else "entropy_coefficient"
            yield missing, "given together with the other coefficient"
        elif kl is not None and given:
            yield given[0], (
                "left out where kl_coefficient and entropy_coefficient are given: "
                "they determine temperature and alpha"
            )
        elif kl == 0 and entropy == 0:
            yield "kl_coefficient", (
                "greater than 0 where entropy_coefficient is 0: without regularisation use "
                "`algorithm: dqn`, or `advantage_learning` for the limit of temperature 0"
            )
        else:
            yield from super().conflicts()

    def _regularisation(self) -> tuple[float, float]:
        """Return (temperature, alpha)."""
        if self.kl_coefficient is not None and self.entropy_coefficient is not None:
            temperature = self.kl_coefficient + self.entropy_coefficient
            return temperature, self.kl_coefficient / temperature
        return (
            DEFAULT_TEMPERATURE if self.temperature is None else self.temperature,
            DEFAULT_ALPHA if self.alpha is None else self.alpha,
        )
