"""What soft actor-critics, discrete and continuous, declare. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from erlctl.algorithms.base import Algorithm
from erlctl.fields import POSITIVE, option
from erlctl.options.policies import Boltzmann, PolicySection

Bounding = Literal["clip", "tanh"]


@dataclass(frozen=True, kw_only=True)
class Bonus:
    """The log-policy terms of the critic's target.

    y = r + alpha * clip(t * log pi(a|s), bounds) + gamma * discount * V(s'), or with `bounding` f
    y = r + alpha * f(a|s) + gamma * discount * (q(s', a') - f(a'|s')), f of t * log pi / scale.

    Attributes:
        alpha: Weight of the bonus; 0 is plain soft actor-critic.
        bounds: (low, high) of t * log pi, units of return; None on a side is no clip there.
        bounding: Name in `erlctl.maths.actor_critic.BOUNDING_FUNCTIONS`, or None.
        scale: Divides t * log pi before the bounding function; units of return.
    """

    alpha: float = 0.0
    bounds: tuple[float | None, float | None] = (None, None)
    bounding: Bounding | None = None
    scale: float = 10.0


@dataclass(frozen=True, kw_only=True)
class ActorCriticAlgorithm(Algorithm):
    """A soft actor-critic with twin critics; the critics have target copies."""

    temperature: float = option(
        0.05, "Weight of the entropy; the first value where it is learned.", domain=POSITIVE,
        letter="alpha", unit="units of return",
    )
    learn_temperature: bool = option(False, "Whether the temperature follows the target entropy.")
    actor_learning_rate: float | None = option(
        None, "Step size of the actor's optimiser; null: that of `optimizer`.", domain=POSITIVE
    )
    temperature_learning_rate: float | None = option(
        None, "Step size of the temperature's optimiser; null: that of `optimizer`.",
        domain=POSITIVE,
    )
    loss: Literal["huber", "squared"] = option("squared", "Loss of the critics' TD errors.")
    gradient_clip_norm: float | None = option(
        None, "Largest norm of each gradient; null: no clip.", domain=POSITIVE
    )
    collect_policy: PolicySection = option(
        Boltzmann(), "Behaviour policy; boltzmann without a temperature is the actor itself."
    )

    def bonus(self) -> Bonus:
        """Return the log-policy terms of the critic's target."""
        return Bonus()

    def declaration(self) -> Any:
        """Return the log-policy terms of the critic's target."""
        return self.bonus()

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Refuse a step size for a temperature that is not learned."""
        yield from super().conflicts()
        if self.temperature_learning_rate is not None and not self.learn_temperature:
            yield "temperature_learning_rate", "null where learn_temperature is false"

    @property
    def policy_temperature(self) -> float:
        """1: the actor network gives log-probabilities, with the entropy already in them."""
        return 1.0
