"""Soft actor-critic for continuous actions (Haarnoja et al. 2018, arXiv:1812.05905)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from erlctl.algorithms.actor_critic import ActorCriticAlgorithm
from erlctl.fields import POSITIVE, option
from erlctl.registry import register


@register("algorithm", "sac")
@dataclass(frozen=True, kw_only=True)
class Sac(ActorCriticAlgorithm):
    """Squashed Gaussian actor, twin critics, learned temperature: TF-Agents' SacAgent."""

    base: ClassVar[str] = "sac"
    action_kind: ClassVar[Literal["discrete", "continuous"]] = "continuous"
    summary: ClassVar[str] = "soft actor-critic for continuous actions: the baseline"
    equation: ClassVar[str] = (
        "critics: y = r + gamma * discount * (min q_target(s', a')\n"
        "                                     - temperature * log pi(a'|s')),  a' ~ pi(.|s')\n"
        "actor: loss = temperature * log pi(a~|s) - min q(s, a~),  a~ ~ pi(.|s)\n"
        "temperature: loss = temperature * (-log pi(a~|s) + target_entropy_scale * D)"
    )
    source: ClassVar[str] = "Haarnoja et al. 2018, arXiv:1812.05905"
    relations: ClassVar[tuple[str, ...]] = ("munchausen_sac with alpha = 0 and no bounding",)

    temperature: float = option(
        1.0, "Weight of the entropy; the first value where it is learned.", domain=POSITIVE,
        letter="alpha", unit="units of return",
    )
    learn_temperature: bool = option(True, "Whether the temperature follows the target entropy.")
    target_entropy_scale: float = option(
        1.0, "The target entropy is minus this times the number of action dimensions, in nats.",
        domain=POSITIVE,
    )
