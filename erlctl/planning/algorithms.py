"""Planning algorithms as data: the numbers of the one scheme that `plan` runs.

With tables q_k (values) and h_k (preferences), h_0 = 0, iteration k = 1, 2, ... is

    h_k = keep h_{k-1} + take q_{k-1},   pi_k = policy of h_k at `temperature`,
    q_k = r + gap_scale max(q_{k-1} - V, floor) + gamma P V + error.

V is an operator of q_{k-1} (then h_k = q_{k-1}), or the evaluation of pi_k,
<pi_k, q_{k-1}> - kl KL(pi_k || pi_{k-1}) + entropy H(pi_k), with pi_0 uniform.
After "Leverage the Average" (Vieillard et al. 2020, arXiv:2003.14089).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from erlctl.fields import (
    NON_NEGATIVE,
    NON_POSITIVE,
    POSITIVE,
    UNIT,
    UNIT_OPEN_HIGH,
    Options,
    option,
)

Bound = Literal["none", "averaged_errors", "discounted_errors"]


@dataclass(frozen=True, kw_only=True)
class Step:
    """The coefficients of one iteration; see the module.

    Attributes:
        operator: One of `erlctl.planning.operators.OPERATORS`; None evaluates pi_k.
        bound: Which bound of `erlctl.planning.plan` holds.
    """

    keep: float = 0.0
    take: float = 1.0
    temperature: float = 0.0
    operator: str | None = "logsumexp"
    gap_scale: float = 0.0
    floor: float | None = None
    kl: float = 0.0
    entropy: float = 0.0
    bound: Bound = "none"


@dataclass(frozen=True, kw_only=True)
class Planner(Options):
    """Base of the planning algorithms."""

    def step(self, iteration: int) -> Step:
        """Return the coefficients of iteration 1, 2, ..."""
        raise NotImplementedError


def _temperature(default: float) -> float:
    return option(default, "Temperature.", domain=POSITIVE, letter="tau", unit="return")


def _alpha(default: float) -> float:
    return option(default, "Weight of the gap.", domain=UNIT, letter="alpha")


@dataclass(frozen=True, kw_only=True)
class ValueIteration(Planner):
    """q <- r + gamma P max q."""

    def step(self, iteration: int) -> Step:
        """See the base class."""
        return Step(bound="discounted_errors")


@dataclass(frozen=True, kw_only=True)
class SoftVi(Planner):
    """q <- r + gamma P logsumexp q."""

    temperature: float = _temperature(0.03)

    def step(self, iteration: int) -> Step:
        """See the base class."""
        return Step(temperature=self.temperature)


@dataclass(frozen=True, kw_only=True)
class Dpp(Planner):
    """Dynamic policy programming (Azar, Gomez, Kappen 2012): the whole gap is kept."""

    temperature: float = _temperature(0.1)
    operator: Literal["logsumexp", "boltzmann"] = option("logsumexp", "Operator V.")

    def step(self, iteration: int) -> Step:
        """See the base class."""
        exact = self.operator == "logsumexp"
        # With logsumexp DPP is MD-VI(kl = temperature, entropy = 0), for which the theorem is.
        return Step(temperature=self.temperature, operator=self.operator, gap_scale=1.0,
                    kl=self.temperature, bound="averaged_errors" if exact else "none")


@dataclass(frozen=True, kw_only=True)
class Cvi(Planner):
    """Conservative value iteration (Kozuno, Uchibe, Doya 2019) with mellowmax."""

    temperature: float = _temperature(0.03)
    alpha: float = _alpha(0.9)

    def step(self, iteration: int) -> Step:
        """See the base class."""
        return Step(temperature=self.temperature, operator="mellowmax", gap_scale=self.alpha)


@dataclass(frozen=True, kw_only=True)
class MunchausenVi(Planner):
    """Munchausen value iteration (Vieillard, Pietquin, Geist 2020), with or without its clip."""

    temperature: float = _temperature(0.03)
    alpha: float = _alpha(0.9)
    log_policy_clip: float | None = option(None, "Lower clip of t log pi.", domain=NON_POSITIVE,
                                            letter="l0", unit="return")

    def step(self, iteration: int) -> Step:
        """See the base class."""
        return Step(temperature=self.temperature, gap_scale=self.alpha,
                    floor=self.log_policy_clip)


@dataclass(frozen=True, kw_only=True)
class TsallisVi(Planner):
    """Munchausen VI under Tsallis entropy of index 2: sparsemax policy, bonus q - V(q).

    The bonus is the gap to the regularised maximum, finite where the policy has no mass; log pi
    would be -inf there (Zhu et al.). Which form of bonus that paper runs is not verified.
    """

    temperature: float = _temperature(0.03)
    alpha: float = _alpha(0.9)

    def step(self, iteration: int) -> Step:
        """See the base class."""
        return Step(temperature=self.temperature, operator="tsallis", gap_scale=self.alpha)


@dataclass(frozen=True, kw_only=True)
class AdvantageLearning(Planner):
    """q <- r + gamma P max q + alpha (q - max q) (Bellemare et al. 2016)."""

    alpha: float = _alpha(0.9)

    def step(self, iteration: int) -> Step:
        """See the base class."""
        return Step(gap_scale=self.alpha)


@dataclass(frozen=True, kw_only=True)
class _Regularised(Planner):
    kl_coefficient: float = option(0.1, "Weight of KL(pi || previous pi).",
                                   domain=NON_NEGATIVE, letter="lambda", unit="return")
    entropy_coefficient: float = option(0.0, "Weight of the entropy.", domain=NON_NEGATIVE,
                                        letter="tau", unit="return")
    regularised_evaluation: bool = option(True, "Whether values are regularised like policies.")

    def conflicts(self) -> Iterator[tuple[str, str]]:
        if self.kl_coefficient + self.entropy_coefficient == 0.0:
            yield "kl_coefficient", "greater than 0 where entropy_coefficient is 0"

    def _evaluation(self, *, keep: float, take: float, temperature: float) -> Step:
        weight = float(self.regularised_evaluation)
        averaged = self.regularised_evaluation and self.entropy_coefficient == 0.0
        return Step(keep=keep, take=take, temperature=temperature, operator=None,
                    kl=weight * self.kl_coefficient, entropy=weight * self.entropy_coefficient,
                    bound="averaged_errors" if averaged else "none")


@dataclass(frozen=True, kw_only=True)
class MirrorDescentVi(_Regularised):
    """MD-VI: pi_k in proportion to pi_{k-1}^b exp(q / (kl + entropy)), b = kl / (kl + entropy)."""

    def step(self, iteration: int) -> Step:
        """See the base class."""
        total = self.kl_coefficient + self.entropy_coefficient
        return self._evaluation(keep=self.kl_coefficient / total, take=1.0, temperature=total)


@dataclass(frozen=True, kw_only=True)
class DualAveragingVi(_Regularised):
    """DA-VI: softmax of an average of the values; the plain mean where entropy is 0."""

    def step(self, iteration: int) -> Step:
        """See the base class."""
        if self.entropy_coefficient == 0.0:
            return self._evaluation(keep=(iteration - 1) / iteration, take=1.0 / iteration,
                                    temperature=self.kl_coefficient / iteration)
        keep = self.kl_coefficient / (self.kl_coefficient + self.entropy_coefficient)
        return self._evaluation(keep=keep, take=1.0 - keep, temperature=self.entropy_coefficient)


@dataclass(frozen=True, kw_only=True)
class MomentumVi(Planner):
    """Momentum VI (Vieillard et al. 2020, arXiv:1910.09322): greedy in an average of the values."""

    decay: float | None = option(None, "Weight of the past; None takes the mean of all values.",
                                 domain=UNIT_OPEN_HIGH, letter="beta")

    def step(self, iteration: int) -> Step:
        """See the base class."""
        keep = (iteration - 1) / iteration if self.decay is None else self.decay
        return Step(keep=keep, take=1.0 - keep, operator=None)


PLANNERS: Mapping[str, type[Planner]] = {
    "value_iteration": ValueIteration, "soft_vi": SoftVi, "tabular_dpp": Dpp, "tabular_cvi": Cvi,
    "munchausen_vi": MunchausenVi, "tsallis_vi": TsallisVi, "tabular_al": AdvantageLearning,
    "md_vi": MirrorDescentVi, "da_vi": DualAveragingVi, "momentum_vi": MomentumVi,
}
