"""Planning algorithms as data: the numbers of the one scheme that `erlctl.planning.plan` runs.

With tables q_k (values) and h_k (preferences), h_0 = 0, iteration k = 1, 2, ... is

    h_k = keep h_{k-1} + take q_{k-1},   pi_k = policy of h_k at `temperature`,
    q_k = r + gap_scale max(q_{k-1} - V, floor) + gamma P V + error.

V is an operator of q_{k-1} (then h_k = q_{k-1}), or the evaluation of pi_k,
<pi_k, q_{k-1}> - kl KL(pi_k || pi_{k-1}) + entropy H(pi_k), with pi_0 uniform.
After "Leverage the Average" (Vieillard et al. 2020, arXiv:2003.14089).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from erlctl.algorithms.base import Algorithm
from erlctl.fields import (
    NON_NEGATIVE,
    NON_POSITIVE,
    POSITIVE,
    UNIT,
    UNIT_OPEN_HIGH,
    Options,
    option,
)
from erlctl.options.errors import Errors, ErrorsSection
from erlctl.options.policies import Boltzmann, Greedy
from erlctl.registry import register

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
class Planner(Algorithm):
    """Base of the planning algorithms: a step of a run is one iteration over all pairs.

    Class attributes:
        deep: The agent that does the same from samples, with a network.
    """

    base: ClassVar[str] = "planner"
    step_unit: ClassVar[str] = "iterations"
    deep: ClassVar[str]
    # A planner takes no steps in its environment; `eval --policy collect` plays pi_k itself.
    collect_policy: ClassVar[Options] = Boltzmann()  # type: ignore[misc]

    gamma: float = option(0.99, "Discount factor.", domain=UNIT_OPEN_HIGH, letter="gamma")
    errors: ErrorsSection = option(Errors(), "What is added to every backup.")

    @property
    def policy_temperature(self) -> float:
        """Temperature of pi_1; 0 where the planner's own policy is greedy."""
        return self.step(1).temperature

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Nothing of what agents refuse: there is no behaviour policy."""
        return iter(())

    def conflicts_in(self, run: Any) -> Iterator[tuple[str, str]]:
        """Rows are about the policy that is evaluated, whose values are known exactly."""
        yield from super().conflicts_in(run)
        if run.evaluation.policy not in (Greedy(), Boltzmann()):
            yield "evaluation.policy", (
                "greedy, or boltzmann without a temperature of its own: the planner's policy pi_k"
            )

    def step(self, iteration: int) -> Step:
        """Return the coefficients of iteration 1, 2, ..."""
        raise NotImplementedError


def _temperature(default: float) -> float:
    return option(default, "Temperature.", domain=POSITIVE, letter="tau", unit="return")


def _alpha(default: float) -> float:
    return option(default, "Weight of the gap.", domain=UNIT, letter="alpha")


@register("algorithm", "value_iteration")
@dataclass(frozen=True, kw_only=True)
class ValueIteration(Planner):
    """q <- r + gamma P max q."""

    summary: ClassVar[str] = "maximum of the values, exactly, on the table"
    equation: ClassVar[str] = "q <- r + gamma * P max q + error"
    source: ClassVar[str] = "Bellman 1957; with errors: approximate value iteration"
    relations: ClassVar[tuple[str, ...]] = (
        "dqn on the table, without network and samples",
    )
    deep: ClassVar[str] = "dqn"

    def step(self, iteration: int) -> Step:
        """See the base class."""
        return Step(bound="discounted_errors")


@register("algorithm", "soft_vi")
@dataclass(frozen=True, kw_only=True)
class SoftVi(Planner):
    """q <- r + gamma P logsumexp q.

    Temperature 0.03 is munchausen_dqn's.
    """

    summary: ClassVar[str] = "softmax values (entropy regularisation) on the table"
    equation: ClassVar[str] = "q <- r + gamma * P V(q) + error, V = logsumexp at temperature"
    source: ClassVar[str] = "Vieillard, Pietquin, Geist 2020, arXiv:2007.14430 (alpha = 0)"
    relations: ClassVar[tuple[str, ...]] = (
        "soft_dqn on the table",
        "munchausen_vi with alpha = 0",
        "value_iteration with temperature -> 0",
    )
    deep: ClassVar[str] = "soft_dqn"

    temperature: float = _temperature(0.03)

    def step(self, iteration: int) -> Step:
        """See the base class."""
        return Step(temperature=self.temperature)


@register("algorithm", "tabular_dpp")
@dataclass(frozen=True, kw_only=True)
class Dpp(Planner):
    """Dynamic policy programming (Azar, Gomez, Kappen 2012): the whole gap is kept.

    Which of the two operators stands where in the article was not verified; temperature 0.1 is
    ours.
    """

    summary: ClassVar[str] = "KL-regularised planning by preferences; errors average out"
    equation: ClassVar[str] = (
        "psi <- psi - V(psi) + r + gamma * P V(psi) + error,\n"
        "  V = logsumexp or the Boltzmann mean at temperature"
    )
    source: ClassVar[str] = "Azar, Gomez, Kappen 2012, JMLR 13:3207-3245"
    relations: ClassVar[tuple[str, ...]] = (
        "dpp (preference form) on the table",
        "md_vi with kl_coefficient = temperature and no entropy, if operator is logsumexp and no "
        "state is terminal",
    )
    deep: ClassVar[str] = "dpp"

    temperature: float = _temperature(0.1)
    operator: Literal["logsumexp", "boltzmann"] = option("logsumexp", "Operator V.")

    def step(self, iteration: int) -> Step:
        """See the base class."""
        exact = self.operator == "logsumexp"
        # With logsumexp DPP is MD-VI(kl = temperature, entropy = 0), which the theorem is about;
        # where states are terminal, up to its start.
        return Step(temperature=self.temperature, operator=self.operator, gap_scale=1.0,
                    kl=self.temperature, bound="averaged_errors" if exact else "none")


@register("algorithm", "tabular_cvi")
@dataclass(frozen=True, kw_only=True)
class Cvi(Planner):
    """Conservative value iteration (Kozuno, Uchibe, Doya 2019) with mellowmax.

    Both numbers are munchausen_dqn's.
    """

    summary: ClassVar[str] = "mellowmax values and gap increase on the table"
    equation: ClassVar[str] = (
        "q <- r + alpha * (q - m(q)) + gamma * P m(q) + error,\n"
        "  m(q) = temperature * log mean_a exp(q(a) / temperature)"
    )
    source: ClassVar[str] = "Kozuno, Uchibe, Doya 2019, AISTATS, PMLR 89:2995-3003"
    relations: ClassVar[tuple[str, ...]] = (
        "cvi on the table",
        "munchausen_vi up to one number in all values, where no state is terminal",
    )
    deep: ClassVar[str] = "cvi"

    temperature: float = _temperature(0.03)
    alpha: float = _alpha(0.9)

    def step(self, iteration: int) -> Step:
        """See the base class."""
        return Step(temperature=self.temperature, operator="mellowmax", gap_scale=self.alpha)


@register("algorithm", "munchausen_vi")
@dataclass(frozen=True, kw_only=True)
class MunchausenVi(Planner):
    """Munchausen value iteration (Vieillard, Pietquin, Geist 2020), with or without its clip.

    Both numbers are munchausen_dqn's; there is no clip unless it is given.
    """

    summary: ClassVar[str] = "soft values plus a scaled log-policy on the table"
    equation: ClassVar[str] = (
        "q <- r + alpha * max(temperature * log pi, log_policy_clip) + gamma * P V(q) + error,\n"
        "  pi = softmax(q / temperature), V = logsumexp at temperature"
    )
    source: ClassVar[str] = "Vieillard, Pietquin, Geist 2020, arXiv:2007.14430"
    relations: ClassVar[tuple[str, ...]] = (
        "munchausen_dqn on the table; without clip by default",
        "md_vi with kl_coefficient = alpha * temperature and entropy_coefficient = (1 - alpha) * "
        "temperature, without clip, where no state is terminal",
    )
    deep: ClassVar[str] = "munchausen_dqn"

    temperature: float = _temperature(0.03)
    alpha: float = _alpha(0.9)
    log_policy_clip: float | None = option(None, "Lower clip of t log pi.", domain=NON_POSITIVE,
                                            letter="l0", unit="return")

    def step(self, iteration: int) -> Step:
        """See the base class."""
        return Step(temperature=self.temperature, gap_scale=self.alpha,
                    floor=self.log_policy_clip)


@register("algorithm", "tsallis_vi")
@dataclass(frozen=True, kw_only=True)
class TsallisVi(Planner):
    """Munchausen VI under Tsallis entropy of index 2: sparsemax policy, bonus q - V(q).

    The bonus is the gap to the regularised maximum, finite where the policy has no mass; log pi
    would be minus infinity there. Zhu et al. were read in secondary sources only, and which form
    of bonus they run is not verified: this one is our choice.
    """

    summary: ClassVar[str] = "Munchausen VI under Tsallis entropy: sparsemax policies"
    equation: ClassVar[str] = (
        "q <- r + alpha * (q - V(q)) + gamma * P V(q) + error,\n"
        "  V(q) = max over p of <p, q> + temperature / 2 * (1 - sum p^2)"
    )
    source: ClassVar[str] = (
        "after Zhu et al. 2022, arXiv:2205.07467, read in secondary sources only; the bonus is ours"
    )
    relations: ClassVar[tuple[str, ...]] = (
        "tsallis_dqn on the table, with its advantage bonus and without a clip",
        "munchausen_vi with another entropy",
        "tabular_al with temperature -> 0",
    )
    deep: ClassVar[str] = "tsallis_dqn"

    temperature: float = _temperature(0.03)
    alpha: float = _alpha(0.9)

    def step(self, iteration: int) -> Step:
        """See the base class."""
        return Step(temperature=self.temperature, operator="tsallis", gap_scale=self.alpha)


@register("algorithm", "tabular_al")
@dataclass(frozen=True, kw_only=True)
class AdvantageLearning(Planner):
    """q <- r + gamma P max q + alpha (q - max q) (Bellemare et al. 2016).

    alpha 0.9 is advantage_learning's.
    """

    summary: ClassVar[str] = "maximum and gap increase on the table"
    equation: ClassVar[str] = "q <- r + alpha * (q - max q) + gamma * P max q + error"
    source: ClassVar[str] = "Bellemare et al. 2016, arXiv:1512.04860"
    relations: ClassVar[tuple[str, ...]] = (
        "advantage_learning on the table",
        "value_iteration with alpha = 0",
    )
    deep: ClassVar[str] = "advantage_learning"

    alpha: float = _alpha(0.9)

    def step(self, iteration: int) -> Step:
        """See the base class."""
        return Step(gap_scale=self.alpha)


@register("algorithm", "md_vi")
@dataclass(frozen=True, kw_only=True)
class MirrorDescentVi(Planner):
    """MD-VI: pi_k in proportion to pi_{k-1}^b exp(q / (kl + entropy)), b = kl / (kl + entropy).

    kl_coefficient 0.1 as a default is our choice.
    """

    summary: ClassVar[str] = "KL and entropy regularisation by a recursion over policies"
    equation: ClassVar[str] = (
        "pi_k ~ pi_{k-1}^b * exp(q / (kl_coefficient + entropy_coefficient)),\n"
        "  b = kl_coefficient / (kl_coefficient + entropy_coefficient),\n"
        "  q <- r + gamma * P (<pi_k, q> - kl_coefficient * KL(pi_k || pi_{k-1})\n"
        "    + entropy_coefficient * H(pi_k)) + error"
    )
    source: ClassVar[str] = "Vieillard et al. 2020, arXiv:2003.14089"
    relations: ClassVar[tuple[str, ...]] = (
        "mirror_descent_vi on the table",
        "munchausen_vi and tabular_dpp in another form, where no state is terminal",
    )
    deep: ClassVar[str] = "mirror_descent_vi"

    kl_coefficient: float = option(0.1, "Weight of KL(pi || previous pi).",
                                   domain=NON_NEGATIVE, letter="lambda", unit="return")
    entropy_coefficient: float = option(0.0, "Weight of the entropy.", domain=NON_NEGATIVE,
                                        letter="tau", unit="return")
    regularised_evaluation: bool = option(True, "Whether values are regularised like policies.")

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Refuse no regularisation at all."""
        if self.kl_coefficient + self.entropy_coefficient == 0.0:
            yield "kl_coefficient", "greater than 0 where entropy_coefficient is 0"

    def _evaluation(self, *, keep: float, take: float, temperature: float) -> Step:
        weight = float(self.regularised_evaluation)
        averaged = self.regularised_evaluation and self.entropy_coefficient == 0.0
        return Step(keep=keep, take=take, temperature=temperature, operator=None,
                    kl=weight * self.kl_coefficient, entropy=weight * self.entropy_coefficient,
                    bound="averaged_errors" if averaged else "none")

    def step(self, iteration: int) -> Step:
        """See the base class."""
        total = self.kl_coefficient + self.entropy_coefficient
        return self._evaluation(keep=self.kl_coefficient / total, take=1.0, temperature=total)


@register("algorithm", "da_vi")
@dataclass(frozen=True, kw_only=True)
class DualAveragingVi(MirrorDescentVi):
    """DA-VI: softmax of an average of the values; the plain mean where entropy is 0."""

    summary: ClassVar[str] = "KL and entropy regularisation by an average of the values"
    equation: ClassVar[str] = (
        "as md_vi with h <- keep * h + (1 - keep) * q, pi_k = softmax(h / t), where\n"
        "  keep = (k - 1) / k, t = kl_coefficient / k if entropy_coefficient is 0, else\n"
        "  keep = kl_coefficient / (kl_coefficient + entropy_coefficient), t = entropy_coefficient"
    )
    source: ClassVar[str] = "Vieillard et al. 2020, arXiv:2003.14089"
    relations: ClassVar[tuple[str, ...]] = (
        "dual_averaging_vi on the table",
        "md_vi with the same coefficients has the same policies",
    )
    deep: ClassVar[str] = "dual_averaging_vi"

    def step(self, iteration: int) -> Step:
        """See the base class."""
        if self.entropy_coefficient == 0.0:
            return self._evaluation(keep=(iteration - 1) / iteration, take=1.0 / iteration,
                                    temperature=self.kl_coefficient / iteration)
        keep = self.kl_coefficient / (self.kl_coefficient + self.entropy_coefficient)
        return self._evaluation(keep=keep, take=1.0 - keep, temperature=self.entropy_coefficient)


@register("algorithm", "momentum_vi")
@dataclass(frozen=True, kw_only=True)
class MomentumVi(Planner):
    """Momentum VI (Vieillard et al. 2020): greedy in an average of the values.

    As restated in "Leverage the Average" (arXiv:2003.14089); the plain mean as the default is ours.
    """

    summary: ClassVar[str] = "policies greedy in an average of the values"
    equation: ClassVar[str] = (
        "h <- decay * h + (1 - decay) * q (null: the mean of all),\n"
        "  q <- r + gamma * P <greedy(h), q> + error"
    )
    source: ClassVar[str] = (
        "Vieillard, Scherrer, Pietquin, Geist 2020, arXiv:1910.09322, as restated in "
        "arXiv:2003.14089; the default weights are ours"
    )
    relations: ClassVar[tuple[str, ...]] = (
        "momentum_dqn on the table",
        "value_iteration with decay = 0",
    )
    deep: ClassVar[str] = "momentum_dqn"

    decay: float | None = option(None, "Weight of the past; None takes the mean of all values.",
                                 domain=UNIT_OPEN_HIGH, letter="beta")

    def step(self, iteration: int) -> Step:
        """See the base class."""
        keep = (iteration - 1) / iteration if self.decay is None else self.decay
        return Step(keep=keep, take=1.0 - keep, operator=None)

