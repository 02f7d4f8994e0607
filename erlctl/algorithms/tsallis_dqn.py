"""Munchausen DQN with the Tsallis entropy of index 2 in place of Shannon's: sparse policies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from erlctl.algorithms.base import Backup, ValueAlgorithm
from erlctl.fields import NON_POSITIVE, POSITIVE, UNIT, Schedule, option
from erlctl.options.policies import EpsilonSparsemax, PolicySection
from erlctl.registry import register


@register("algorithm", "tsallis_dqn")
@dataclass(frozen=True, kw_only=True)
class TsallisDqn(ValueAlgorithm):
    """The policy is sparsemax(q / t), which never takes actions far below the best.

    The idea of replacing log by ln_q, ln_q x = (x^(1 - q) - 1) / (1 - q), is that of Zhu et al.,
    read in secondary sources only; temperature, weight and clip are munchausen_dqn's, and this
    precise target is ours. Two bonuses:

    advantage (default): q(s, a) - V(q(s)), at most 0 and finite for every action. With Shannon's
        entropy it would be temperature * log pi.
    q_logarithm: temperature * ln_2 pi(a|s) = temperature * (1 - 1 / pi(a|s)), minus infinity for
        actions without mass, which the clip makes finite. (The logarithm itself would be, too, and
        then say nothing about how far such an action is from the best.)
    """

    summary: ClassVar[str] = "munchausen_dqn with Tsallis entropy: a sparse policy"
    equation: ClassVar[str] = (
        "y = r + alpha * clip(bonus, log_policy_clip, 0) + gamma * discount * V(q(s'))\n"
        "  V(q) = max over p of <p, q> + temperature * sum_a p(a) * (1 - p(a)) / 2,\n"
        "  attained by pi = sparsemax(q / temperature);\n"
        "  bonus: q(s, a) - V(q(s)), or temperature * ln_2 pi(a|s) = temperature * (1 - 1 / pi)"
    )
    source: ClassVar[str] = (
        "after Zhu et al. 2022, arXiv:2205.07467, and 2023 (NeurIPS), read in secondary sources "
        "only; sparsemax: Martins and Astudillo 2016, Lee et al. 2018"
    )
    relations: ClassVar[tuple[str, ...]] = (
        "advantage_learning with temperature -> 0 and the advantage bonus without a clip",
        "dqn with alpha = 0 and temperature -> 0",
        "munchausen_dqn is the same with Shannon's entropy",
        "tsallis_vi on the table, with the advantage bonus and without a clip",
    )

    temperature: float = option(
        0.03, "Temperature of the policy sparsemax(q / t).", domain=POSITIVE, letter="tau",
        unit="units of return",
    )
    alpha: float = option(0.9, "Weight of the bonus.", domain=UNIT, letter="alpha")
    bonus: Literal["advantage", "q_logarithm"] = option(
        "advantage", "What is added to the reward: q - V(q), or temperature * ln_2 of the policy."
    )
    log_policy_clip: float | None = option(
        -1.0, "Lower clip of the bonus; null: no clip.", domain=NON_POSITIVE, letter="l0",
        unit="units of return",
    )
    collect_policy: PolicySection = option(
        EpsilonSparsemax(epsilon=Schedule(1.0, 0.01, 10_000)), "Behaviour policy."
    )

    def backup(self) -> Backup:
        """Return the target: regularised maxima, bonus clipped to [log_policy_clip, 0]."""
        clip = (None, None) if self.log_policy_clip is None else (self.log_policy_clip, 0.0)
        return Backup(
            operator="sparsemax", temperature=self.temperature, gap_scale=self.alpha,
            gap=self.bonus, gap_range=clip,
        )

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Refuse an infinite bonus."""
        yield from super().conflicts()
        if self.bonus == "q_logarithm" and self.log_policy_clip is None:
            yield (
                "log_policy_clip",
                "a number with the q_logarithm bonus, for example -1: ln_2 of an action that the "
                "policy never takes is minus infinity",
            )
