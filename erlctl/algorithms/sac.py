"""Soft actor-critic for continuous actions (Haarnoja et al. 2018, arXiv:1812.05905)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from erlctl.algorithms.actor_critic import ActorCriticAlgorithm
from erlctl.fields import POSITIVE, option
from erlctl.registry import register


@register("algorithm", "sac")
@dataclass(frozen=True, kw_only=True)
class Sac(ActorCriticAlgorithm):
    """Squashed Gaussian actor, twin critics, learned temperature: TF-Agents' SacAgent."""

    base: ClassVar[str] = "sac"
    action_kind: ClassVar[Literal["discrete", "multi_discrete", "continuous"]] = "continuous"
    summary: ClassVar[str] = "soft actor-critic for continuous actions: the baseline"
    equation: ClassVar[str] = (
        "critics: y = r + gamma * discount * (min q_target(s', a')\n"
        "                                     - temperature * log pi(a'|s')),  a' ~ pi(.|s')\n"
        "  loss = 1/2 * mean of the sum over both critics (TF-Agents' factor; it scales gradients\n"
        "  before gradient_clip_norm and the steps of sgd)\n"
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
        1.0, "The target entropy is minus this times the number of action dimensions, in nats of "
        "the density over the environment's own actions: each dimension [low, high] adds "
        "log((high - low) / 2) to what actions squashed to [-1, 1] would have.", domain=POSITIVE,
    )

    def warnings(self) -> Iterator[str]:
        """Name a temperature that nothing reads."""
        yield from _unread_temperature(self.collect_policy, "agent.collect_policy")

    def warnings_in(self, run: Any) -> Iterator[str]:
        """Name a temperature that nothing reads."""
        yield from _unread_temperature(run.evaluation.policy, "evaluation.policy")


def _unread_temperature(policy: Any, path: str) -> Iterator[str]:
    if getattr(policy, "temperature", None) is not None:
        yield (
            f"{path}.temperature is not read: continuous actions are drawn from the actor itself, "
            "as they are with `temperature: null`"
        )
