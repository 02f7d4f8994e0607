"""Optimisers that a spec can choose (Keras 2.15's); `erlctl.agents.optimizers` builds them."""

from __future__ import annotations

from dataclasses import dataclass

from erlctl.fields import NON_NEGATIVE, POSITIVE, UNIT_OPEN_HIGH, Options, option
from erlctl.registry import register


@dataclass(frozen=True, kw_only=True)
class Optimizer(Options):
    """What every optimiser has.

    One of another package is a subclass with a method `build(learning_rate, *, xla)` that imports
    TensorFlow and returns a Keras optimiser; `learning_rate` is a number or a Keras schedule.
    """

    learning_rate: float = option(1e-3, "Step size.", domain=POSITIVE)
    final_learning_rate: float | None = option(
        None, "Step size at the end of the run, reached linearly; null: constant.",
        domain=NON_NEGATIVE,
    )

    @property
    def builds_itself(self) -> bool:
        """Whether it is another package's: what it does with its rates is not known."""
        return hasattr(self, "build")


@register("optimizer", "adam")
@dataclass(frozen=True, kw_only=True)
class Adam(Optimizer):
    """Adam (Kingma and Ba 2015)."""

    beta_1: float = option(0.9, "Decay of the first moment.", domain=UNIT_OPEN_HIGH)
    beta_2: float = option(0.999, "Decay of the second moment.", domain=UNIT_OPEN_HIGH)
    epsilon: float = option(1e-7, "Added to the root of the second moment.", domain=POSITIVE)


@register("optimizer", "rmsprop")
@dataclass(frozen=True, kw_only=True)
class RmsProp(Optimizer):
    """RMSProp, centred as in Nature DQN if asked."""

    learning_rate: float = option(2.5e-4, "Step size.", domain=POSITIVE)
    rho: float = option(0.95, "Decay of the second moment.", domain=UNIT_OPEN_HIGH)
    epsilon: float = option(1e-2, "Added to the root of the second moment.", domain=POSITIVE)
    centered: bool = option(False, "Subtract the squared first moment.")


@register("optimizer", "sgd")
@dataclass(frozen=True, kw_only=True)
class Sgd(Optimizer):
    """Stochastic gradient descent."""

    learning_rate: float = option(1e-2, "Step size.", domain=POSITIVE)
    momentum: float = option(0.0, "Momentum.", domain=UNIT_OPEN_HIGH)
