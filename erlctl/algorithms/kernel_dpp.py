"""Kernel dynamic policy programming: preferences linear in features, solved batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from erlctl.algorithms.base import RegularisedAlgorithm
from erlctl.algorithms.dpp import DppTarget
from erlctl.fields import NON_NEGATIVE, option
from erlctl.registry import register


@register("algorithm", "kernel_dpp")
@dataclass(frozen=True, kw_only=True)
class KernelDpp(DppTarget, RegularisedAlgorithm):
    """DPP by regularised least squares instead of gradient descent: an update is an iteration k.

    Preferences are linear in fixed features of the observation, with weights of their own for each
    action, p(s, a) = f(s) . w_a. An iteration draws a batch from the replay, computes DPP's targets
    with p_k, and solves for all weights of p_{k+1} in float64. So batches are large and iterations
    few: thousands of transitions, every hundred steps or so. There is nothing of an optimiser.

    The network is `type: features`, or `linear` where observations are features themselves; with
    `features: ald` the dictionary grows with the batches. That Kernel DPP (Cui, Matsubara,
    Sugimoto 2016, 2017) solves DPP's targets over a dictionary of visited samples is told of it;
    its text could not be read. The dictionary over observations, the weights per action, the
    replay, the clip of the gap and every default are ours.
    """

    base: ClassVar[str] = "kernel"
    summary: ClassVar[str] = "dpp solved by ridge regression on features, no gradient"
    equation: ClassVar[str] = (
        "y = r + clip(p_k(s, a) - V(p_k(s)), log_policy_clip, 0) + gamma * discount * V(p_k(s'))\n"
        "w_a = (sum f(s) f(s)^T + ridge * I)^-1 sum f(s) y over the batch's transitions with a\n"
        "p_{k+1}(s, a) = f(s) . w_a;   V as in dpp; form: preference has no clip"
    )
    source: ClassVar[str] = (
        "after Cui, Matsubara, Sugimoto 2016 (Humanoids) and 2017, Neural Networks 94:13-23; the "
        "form of the fit is ours"
    )
    relations: ClassVar[tuple[str, ...]] = (
        "tabular_dpp where features are one-hot, there is no ridge and a batch is a full sweep",
        "dpp with the same features descends instead of solving",
    )
    loss: ClassVar[str] = "squared"

    form: Literal["preference", "bounded"] = option(
        "bounded", "Whether the gap is clipped; preference diverges."
    )
    ridge: float = option(
        1e-2, "Weight of the squared length of the weights beside the sum of squared errors.",
        domain=NON_NEGATIVE, letter="sigma^2",
    )

    def warnings(self) -> Iterator[str]:
        """Name what diverges and what may have no solution."""
        yield from super().warnings()
        if self.ridge == 0:
            yield (
                "with ridge 0 only features that no transition of an action has are left alone "
                "(their weights are 0); others that depend on one another end the run as diverged"
            )
