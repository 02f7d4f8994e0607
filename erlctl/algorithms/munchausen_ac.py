"""Munchausen actor-critic for discrete actions: the exact form of the original's promise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from erlctl.algorithms.actor_critic import Bonus
from erlctl.algorithms.sac_discrete import SacDiscrete
from erlctl.fields import NON_POSITIVE, UNIT, option
from erlctl.registry import register


@register("algorithm", "munchausen_ac")
@dataclass(frozen=True, kw_only=True)
class MunchausenAc(SacDiscrete):
    """Discrete soft actor-critic plus the clipped log-probability of the replayed action.

    The action of the bonus is the replayed one. Drawn afresh from the actor, as in the original
    repository's code, the bonus would average to a function of the state alone.
    """

    summary: ClassVar[str] = "sac_discrete plus the log-probability of the replayed action"
    equation: ClassVar[str] = (
        "critics: y = r + alpha * clip(temperature * log pi(a|s), log_policy_clip, 0)\n"
        "             + gamma * discount * sum_a' pi(a'|s') * (min q_target(s', a')\n"
        "                                                      - temperature * log pi(a'|s'))\n"
        "  a: the replayed action; actor and temperature as in sac_discrete"
    )
    source: ClassVar[str] = (
        "Vieillard, Pietquin, Geist 2020, arXiv:2007.14430, with an actor; after the aim of "
        "lingweizhu/EntropyRegularizedRL, MunchausenRL/Munchausen_ActorCritic"
    )
    relations: ClassVar[tuple[str, ...]] = (
        "sac_discrete with alpha = 0",
        "munchausen_dqn in the limit of an exact actor softmax(q / temperature)",
    )

    alpha: float = option(
        0.9, "Weight of the log-policy term; KL weight alpha * temperature.", domain=UNIT,
        letter="sigma",
    )
    log_policy_clip: float | None = option(
        -1.0, "Lower clip of temperature * log pi; null: no clip.", domain=NON_POSITIVE,
        letter="l0", unit="units of return",
    )

    def bonus(self) -> Bonus:
        """Return the clipped log-policy term."""
        return Bonus(alpha=self.alpha, bounds=(self.log_policy_clip, 0.0))
