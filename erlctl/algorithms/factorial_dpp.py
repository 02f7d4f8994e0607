"""Factorial dynamic policy programming: multi-discrete actions, one preference per factor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from erlctl.algorithms.base import ValueAlgorithm
from erlctl.algorithms.dpp import DppTarget
from erlctl.fields import option
from erlctl.registry import register


@register("algorithm", "factorial_dpp")
@dataclass(frozen=True, kw_only=True)
class FactorialDpp(DppTarget, ValueAlgorithm):
    """DPP for actions of several factors, a = (a_1, ..., a_M), with a policy that is a product.

    Each factor has preferences of its own, p_m(s, a_m), which follow DPP's target with the reward
    that all share, so that a network has as many outputs as the sizes of the factors add up to.
    The factorisation is that of Cui, Zhu and others (abstracts read); the precise update of a
    factor could not be verified, and this one is ours, as are temperature and clip. Where the
    problem is a sum of independent ones, one for each factor, its policies are those of `dpp` on
    the joint action. In general a factor sees the others' actions as part of its surroundings.

    The behaviour policy explores in each factor independently of the others.
    """

    base: ClassVar[str] = "factorial"
    action_kind: ClassVar[Literal["discrete", "multi_discrete", "continuous"]] = "multi_discrete"
    summary: ClassVar[str] = "dpp with one preference per factor of the action"
    equation: ClassVar[str] = (
        "for each factor m: y_m = r + clip(p_m(s, a_m) - V(p_m(s)), log_policy_clip, 0)\n"
        "                           + gamma * discount * V(p_m(s'))\n"
        "  V as in dpp; loss: the mean over the factors;\n"
        "  pi(a|s) = product of softmax(p_m / temperature)"
    )
    source: ClassVar[str] = (
        "after Cui, Zhu, Fujisaki, Kanokogi, Matsubara 2018 (CASE) and Zhu, Cui, Takami, Kanokogi, "
        "Matsubara 2020, Control Eng. Practice 97:104331; the update of a factor is ours"
    )
    relations: ClassVar[tuple[str, ...]] = (
        "dpp where there is one factor, or where the problem is a sum of independent ones",
        "with `network: {type: features, features: fastfood}` the setting of the 2020 article",
    )

    form: Literal["preference", "bounded"] = option(
        "bounded", "Whether the gap is clipped; preference diverges."
    )
