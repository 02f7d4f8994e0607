"""What every algorithm declares: plain data that agents are built from. No TensorFlow here.

The one-network family shares one target (see `Backup`); other agents have a `base` of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from erlctl.fields import AT_LEAST_ONE, POSITIVE, UNIT, Options, Schedule, option
from erlctl.options.policies import EpsilonGreedy, PolicySection, temperature_conflicts

Operator = Literal["max", "logsumexp", "mellowmax", "boltzmann", "sparsemax"]
# What a gap term measures: q(s, a) - V(q(s)), or t * ln_2 of the sparsemax policy.
Gap = Literal["advantage", "q_logarithm"]


@dataclass(frozen=True, kw_only=True)
class Backup:
    """The numbers that define the regularised target of the one-network family.

    y = r + gap_scale * clip(q(s, a) - V(q(s)), gap_range) + gamma * discount * V(q(s')),
    everything from the target network, no gradient.

    Attributes:
        operator: V, one of `erlctl.maths.values.VALUE_OPERATORS`.
        temperature: t >= 0, units of return; 0 only with `max`.
        gap_scale: in [0, 1] (papers: alpha).
        gap_range: (low, high) in units of return; None on a side is no clip there.
        gap: What is clipped and added, one of `erlctl.maths.targets.GAPS`.
        persistent: Whether the gap term is the persistent one of Bellemare et al. 2016.
        double: Whether V(q(s')) is the target value of the online network's argmax.
    """

    operator: Operator = "max"
    temperature: float = 0.0
    gap_scale: float = 0.0
    gap_range: tuple[float | None, float | None] = (None, None)
    gap: Gap = "advantage"
    persistent: bool = False
    double: bool = False


@dataclass(frozen=True, kw_only=True)
class Algorithm(Options):
    """Fields and facts shared by all algorithms.

    Class attributes:
        base: Which agent runs it: a key of `erlctl.agents.AGENTS`.
        step_unit: What a step of its runs is, in words for an axis.
        summary: One line for `erlctl algorithms`.
        equation: The target as the paper prints it, in the names of the fields.
        source: Paper.
        relations: How it relates to the other algorithms, one sentence each.
        action_kind: "discrete", "multi_discrete" or "continuous".
        n_step: Length of the returns in the replay; a field where it can be chosen.
    """

    base: ClassVar[str]
    step_unit: ClassVar[str] = "environment steps"
    summary: ClassVar[str]
    equation: ClassVar[str]
    source: ClassVar[str]
    relations: ClassVar[tuple[str, ...]] = ()
    action_kind: ClassVar[Literal["discrete", "multi_discrete", "continuous"]] = "discrete"
    registered_name: ClassVar[str]
    n_step = 1

    gamma: float = option(0.99, "Discount factor.", domain=UNIT, letter="gamma")
    collect_policy: PolicySection = option(
        EpsilonGreedy(epsilon=Schedule(1.0, 0.01, 10_000)), "Behaviour policy."
    )

    @property
    def policy_temperature(self) -> float:
        """Temperature of the algorithm's own Boltzmann policy; 0 where the policy is greedy."""
        return 0.0

    def declaration(self) -> Any:
        """Return the numbers that agents are built from, made from the fields; None: the fields."""
        return None

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Refuse a Boltzmann behaviour policy that nobody gives a temperature."""
        yield from temperature_conflicts(
            self.collect_policy, self.policy_temperature, "collect_policy"
        )

    def conflicts_in(self, run: Any) -> Iterator[tuple[str, str]]:
        """Yield (dotted path, what it must be) for what the rest of a `RunSpec` must be."""
        yield from temperature_conflicts(
            run.evaluation.policy, self.policy_temperature, "evaluation.policy"
        )

    def warnings_in(self, run: Any) -> Iterator[str]:
        """Yield sentences about settings elsewhere in a `RunSpec` that are probably not meant."""
        del run
        return iter(())


@dataclass(frozen=True, kw_only=True)
class RegularisedAlgorithm(Algorithm):
    """An algorithm whose target is a `Backup`, however it is fitted."""

    def backup(self) -> Backup:
        """Return the target's numbers."""
        raise NotImplementedError

    def declaration(self) -> Any:
        """Return the target's numbers."""
        return self.backup()

    def warnings(self) -> Iterator[str]:
        """Name targets that diverge and targets that no paper defines."""
        backup = self.backup()
        if backup.gap_scale == 1 and backup.gap_range[0] is None:
            yield (
                "with alpha = 1 and no clip of the gap the preferences of all but the best actions "
                "fall without end, by |A*(s, a)| at each synchronisation of the target network; "
                "watch the largest |preference|"
            )
        if backup.operator == "boltzmann" and backup.gap_scale < 1:
            yield (
                "the boltzmann operator with alpha < 1 is neither DPP (alpha = 1) nor CVI "
                "(mellowmax or logsumexp): it is no non-expansion and may have several fixed points"
            )

    @property
    def policy_temperature(self) -> float:
        """Temperature of the policy that the operator regularises towards."""
        return self.backup().temperature


@dataclass(frozen=True, kw_only=True)
class ValueAlgorithm(RegularisedAlgorithm):
    """An algorithm of the one-network family, which descends on the error of its target."""

    base: ClassVar[str] = "regularised_dqn"

    n_step: int = option(
        1, "Length of the uncorrected n-step return; 1 where the target is regularised.",
        domain=AT_LEAST_ONE,
    )
    loss: Literal["huber", "squared"] = option("huber", "Loss of the TD error.")
    gradient_clip_norm: float | None = option(
        None, "Largest norm of each gradient; null: no clip.", domain=POSITIVE
    )

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Refuse n-step returns without their middle terms and double targets of soft values."""
        yield from super().conflicts()
        backup = self.backup()
        if backup.double and backup.temperature > 0:
            yield (
                "double",
                "false where the temperature is greater than 0: a soft value averages over all "
                "actions and has no argmax that the online network could choose",
            )
        if self.n_step > 1 and (backup.gap_scale > 0 or backup.temperature > 0):
            yield (
                "n_step",
                "1 where the target has a gap term or a temperature: an n-step return of a "
                "regularised algorithm needs the log-policy of every step in between",
            )
