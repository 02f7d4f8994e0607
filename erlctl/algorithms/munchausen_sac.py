"""Munchausen soft actor-critic for continuous actions, and its bounded variant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from erlctl.algorithms.actor_critic import Bonus, Bounding
from erlctl.algorithms.sac import Sac
from erlctl.fields import FINITE, NON_POSITIVE, POSITIVE, UNIT, option
from erlctl.registry import register


@register("algorithm", "munchausen_sac")
@dataclass(frozen=True, kw_only=True)
class MunchausenSac(Sac):
    """SAC plus the clipped log-density of the replayed action. The defaults are ours.

    With `bounding` it is mirror-descent actor-critic: both log-density terms of the critics' target
    go through a function with values in [-1, 1]; actor and temperature stay SAC's.
    """

    summary: ClassVar[str] = "sac plus the bounded log-density of the replayed action"
    equation: ClassVar[str] = (
        "critics: y = r + alpha * clip(temperature * log pi(a|s), log_policy_clip,\n"
        "                              log_policy_clip_high)\n"
        "             + gamma * discount * (min q_target(s', a') - temperature * log pi(a'|s'))\n"
        "bounding: y = r + alpha * f(a|s) + gamma * discount * (min q_target(s', a') - f(a'|s')),\n"
        "  f(a|s) = temperature * log pi(a|s) / bounding_scale, then clipped to [-1, 1] or tanh\n"
        "  a: the replayed action, a' ~ pi(.|s'); loss, actor, temperature as in sac;\n"
        "  densities are of actions in the environment's units, so the clips depend on those"
    )
    source: ClassVar[str] = (
        "after Vieillard, Pietquin, Geist 2020, arXiv:2007.14430; bounding after Iwaki 2025, "
        "arXiv:2502.03854, read in secondary sources only"
    )
    relations: ClassVar[tuple[str, ...]] = (
        "sac with alpha = 0 and no bounding",
        "munchausen_ac is the form for discrete actions",
    )

    alpha: float = option(
        0.9, "Weight of the log-density term.", domain=UNIT, letter="sigma"
    )
    log_policy_clip: float | None = option(
        -1.0, "Lower clip of temperature * log pi; null: no clip; not read with bounding.",
        domain=NON_POSITIVE, letter="l0", unit="units of return",
    )
    log_policy_clip_high: float | None = option(
        1.0, "Upper clip of temperature * log pi, which a density needs; not read with bounding.",
        domain=FINITE, letter="u0", unit="units of return",
    )
    bounding: Bounding | None = option(
        None, "Bounding function of both log-density terms; null: the clip of the first."
    )
    bounding_scale: float = option(
        10.0, "What temperature * log pi is divided by before the bounding function.",
        domain=POSITIVE, unit="units of return",
    )

    def bonus(self) -> Bonus:
        """Return the log-density terms of the critics' target."""
        return Bonus(
            alpha=self.alpha, bounds=(self.log_policy_clip, self.log_policy_clip_high),
            bounding=self.bounding, scale=self.bounding_scale,
        )

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Refuse an empty clip interval."""
        yield from super().conflicts()
        low, high = self.log_policy_clip, self.log_policy_clip_high
        if low is not None and high is not None and not high > low:
            yield "log_policy_clip_high", f"greater than log_policy_clip ({low:g})"

    def warnings(self) -> Iterator[str]:
        """Name an unbounded density."""
        yield from super().warnings()
        if self.alpha > 0 and self.bounding is None and self.log_policy_clip_high is None:
            yield (
                "a density has no upper limit: without log_policy_clip_high the bonus grows as the "
                "actor narrows"
            )
