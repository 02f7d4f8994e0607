"""Soft actor-critic for discrete actions (Christodoulou 2019, arXiv:1910.07207)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from erlctl.algorithms.actor_critic import ActorCriticAlgorithm
from erlctl.fields import UNIT, option
from erlctl.registry import register


@register("algorithm", "sac_discrete")
@dataclass(frozen=True, kw_only=True)
class SacDiscrete(ActorCriticAlgorithm):
    """Exact expectations over actions. The defaults are ours, for small tasks.

    The paper's target entropy, 0.98 * log |A|, is nearly uniform for two actions; the temperature
    is fixed unless `learn_temperature` is set.
    """

    base: ClassVar[str] = "actor_critic_discrete"
    summary: ClassVar[str] = "soft actor-critic with exact expectations over discrete actions"
    equation: ClassVar[str] = (
        "critics: y = r + gamma * discount * sum_a pi(a|s') * (min q_target(s', a)\n"
        "             - temperature * log pi(a|s'))\n"
        "actor: loss = sum_a pi(a|s) * (temperature * log pi(a|s) - min q(s, a))\n"
        "temperature: loss = temperature * (H(pi(.|s)) - target_entropy_scale * log |A|)"
    )
    source: ClassVar[str] = "Christodoulou 2019, arXiv:1910.07207"
    relations: ClassVar[tuple[str, ...]] = (
        "soft_dqn in the limit of an exact actor, with the smaller of two critics",
        "munchausen_ac with alpha = 0",
    )

    target_entropy_scale: float = option(
        0.5, "Target entropy as a share of log |A|, for a learned temperature.", domain=UNIT
    )
