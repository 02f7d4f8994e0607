"""Dynamic policy programming as a deep algorithm (Azar, Gomez, Kappen 2012, JMLR 13)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from erlctl.algorithms.base import Backup, ValueAlgorithm
from erlctl.algorithms.companion import Companion
from erlctl.fields import NON_POSITIVE, POSITIVE, Options, Schedule, option
from erlctl.options.policies import EpsilonBoltzmann, PolicySection
from erlctl.registry import register


@dataclass(frozen=True, kw_only=True)
class DppTarget(Options):
    """DPP's target, however it is fitted. Temperature and clip are our defaults.

    Named before an algorithm's base class; the fields then stand behind those of that class.
    """

    form: Literal["preference", "bounded", "q_plus_log_policy"] = option(
        "bounded", "Whether the gap is clipped; preference diverges."
    )
    operator: Literal["logsumexp", "boltzmann"] = option(
        "logsumexp", "Value operator; boltzmann is not clipped from above."
    )
    temperature: float = option(
        0.1, "Temperature of the policy softmax(preference / t).", domain=POSITIVE,
        letter="1 / eta", unit="units of return",
    )
    log_policy_clip: float | None = option(
        -1.0, "Lower clip of the gap; not read by the preference form. null: no clip.",
        domain=NON_POSITIVE, unit="units of return",
    )
    collect_policy: PolicySection = option(
        EpsilonBoltzmann(epsilon=Schedule(1.0, 0.01, 10_000)), "Behaviour policy."
    )

    def backup(self) -> Backup:
        """Return the target of one network."""
        low = None if self.form == "preference" else self.log_policy_clip
        # Only the logsumexp gap is at most 0 by itself; a boltzmann gap can be positive.
        high = 0.0 if low is not None and self.operator == "logsumexp" else None
        return Backup(
            operator=self.operator, temperature=self.temperature, gap_scale=1.0,
            gap_range=(low, high),
        )


@register("algorithm", "dpp")
@dataclass(frozen=True, kw_only=True)
class Dpp(DppTarget, ValueAlgorithm):
    """Full gap increase (alpha = 1), in three forms. Temperature and clip are our defaults.

    preference: the paper's recursion on one network; the preferences of all but the best actions
        fall without end, which is what the theory says and what a network cannot represent.
    bounded (default): the gap is clipped from below, so gaps end at the true gap plus the size of
        the clip and values at the optimal ones. The gap is clipped and not the preference: a clip
        of the preference itself would bias the values.
    q_plus_log_policy: the preference as the sum of two networks, Q and t * log pi. Q stays in the
        range of returns; t * log pi is clipped in the same way. Equal to the bounded form
        iterate by iterate where both are exact; without a clip equal to the preference form.
    """

    summary: ClassVar[str] = "full gap increase, a KL penalty and no entropy; three forms"
    equation: ClassVar[str] = (
        "preference:        y = r + q(s, a) - V(q(s)) + gamma * discount * V(q(s'))\n"
        "bounded:           y = r + clip(q(s, a) - V(q(s)), log_policy_clip, 0)\n"
        "                       + gamma * discount * V(q(s'))\n"
        "q_plus_log_policy: y = r + gamma * discount * V(q(s') + c(s')),\n"
        "                   c fitted to clip(p(s, a) - V(p(s)), log_policy_clip, 0), p = q + c\n"
        "  V: logsumexp, temperature * log sum_a exp(q(a) / temperature), or\n"
        "     boltzmann, sum_a softmax(q / temperature)(a) * q(a)"
    )
    source: ClassVar[str] = (
        "Azar, Gomez, Kappen 2012, JMLR 13:3207-3245; the bounded and the two-network form are ours"
    )
    relations: ClassVar[tuple[str, ...]] = (
        "cvi with alpha = 1", "munchausen_dqn with alpha = 1 (logsumexp)",
        "mirror_descent_vi with entropy_coefficient = 0 and kl_coefficient = temperature",
        "a dueling network with mean centring has a value head that falls with the preferences; "
        "choose max or logsumexp centring",
    )

    form: Literal["preference", "bounded", "q_plus_log_policy"] = option(
        "bounded", "Which of the three forms; preference diverges."
    )
    companion_learning_rate: float | None = option(
        None, "Step size of the log-policy network (q_plus_log_policy); null: that of `optimizer`.",
        domain=POSITIVE,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.form == "q_plus_log_policy":
            object.__setattr__(self, "base", "companion")  # this object's agent has two networks

    def declaration(self) -> Any:
        """Return the target of the form."""
        return self.companion() if self.form == "q_plus_log_policy" else self.backup()

    def companion(self) -> Companion:
        """Return the numbers of the two-network form."""
        return Companion(
            rule="dynamic_policy_programming", kl_coefficient=self.temperature,
            regularised_evaluation=True, log_policy_clip=self.log_policy_clip,
        )

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Refuse the boltzmann operator in the two-network form."""
        yield from super().conflicts()
        if self.form == "q_plus_log_policy" and self.operator != "logsumexp":
            yield (
                "operator",
                "logsumexp in the q_plus_log_policy form: q + t * log pi has no other "
                "normalisation",
            )
