"""What algorithms with a second, companion network declare. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from erlctl.algorithms.base import Algorithm
from erlctl.fields import POSITIVE, Schedule, option
from erlctl.options.policies import EpsilonBoltzmann, PolicySection

CompanionRule = Literal[
    "momentum", "dual_averaging", "mirror_descent_direct", "mirror_descent_indirect",
    "dynamic_policy_programming",
]


@dataclass(frozen=True, kw_only=True)
class AveragingWeight:
    """Weight beta of the old average in C <- beta * C + (1 - beta) * Q, by synchronisations k.

    Attributes:
        grows: Whether beta_k = (k + offset) / (k + offset + 1), a plain mean; else constant.
        offset: Synchronisations counted before the first, at least 0.
        largest: Upper limit of beta_k; the constant where it does not grow. In [0, 1].
    """

    grows: bool = True
    offset: float = 0.0
    largest: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Companion:
    """The numbers that define a two-network algorithm; the second network is called C.

    Attributes:
        rule: An entry of `erlctl.maths.companion_rules.COMPANION_RULES`: what C means, which value
            of the next state it gives and what it is fitted to.
        kl_coefficient: lambda >= 0, weight of KL(pi || previous pi), units of return.
        entropy_coefficient: tau >= 0, weight of the entropy, units of return.
        regularised_evaluation: Whether the value of the next state holds the two terms.
        weight: Weight of the old average; None for the rules that do not average.
        log_policy_clip: Lower clip of t * log pi, units of return; None is no clip.
    """

    rule: CompanionRule
    kl_coefficient: float = 0.0
    entropy_coefficient: float = 0.0
    regularised_evaluation: bool = False
    weight: AveragingWeight | None = None
    log_policy_clip: float | None = None


@dataclass(frozen=True, kw_only=True)
class CompanionAlgorithm(Algorithm):
    """An algorithm with two networks, two optimisers and target copies synchronised together."""

    base: ClassVar[str] = "companion"

    loss: Literal["huber", "squared"] = option("huber", "Loss of both networks' errors.")
    gradient_clip_norm: float | None = option(
        None, "Largest norm of each gradient; null: no clip.", domain=POSITIVE
    )
    companion_learning_rate: float | None = option(
        None, "Step size of the companion's optimiser; null: that of `optimizer`.", domain=POSITIVE
    )
    collect_policy: PolicySection = option(
        EpsilonBoltzmann(epsilon=Schedule(1.0, 0.01, 10_000)),
        "Behaviour policy, on the companion.",
    )

    def companion(self) -> Companion:
        """Return the numbers of the two-network scheme."""
        raise NotImplementedError

    def declaration(self) -> Any:
        """Return the numbers of the two-network scheme."""
        return self.companion()

    def warnings_in(self, run: Any) -> Iterator[str]:
        """Say what soft synchronisations do to a schedule that counts them."""
        weight, polyak = self.companion().weight, run.training.target_update_polyak
        if weight is not None and weight.grows and polyak < 1:
            yield (
                f"training.target_update_polyak ({polyak:g}) is less than 1: every soft "
                "synchronisation counts as a whole iteration k of the averaging (weight k / (k + 1)"
                ", and without an entropy term the temperature kl_coefficient / (k + 1)); use 1, "
                "or a larger target_update_every"
            )
