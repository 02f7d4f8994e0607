"""Optimisers that a spec can choose (Keras 2.15's), each in its fastest form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from erlctl.fields import NON_NEGATIVE, POSITIVE, UNIT_OPEN_HIGH, Options, option
from erlctl.registry import register


@dataclass(frozen=True, kw_only=True)
class Optimizer(Options):
    """What every optimiser has; another package registers subclasses of this."""

    learning_rate: float = option(1e-3, "Step size.", domain=POSITIVE)
    final_learning_rate: float | None = option(
        None, "Step size at the end of the run, reached linearly; null: constant.",
        domain=NON_NEGATIVE,
    )

    def build(self, learning_rate: Any, *, xla: bool) -> Any:
        """Return a Keras optimiser; TensorFlow may be imported here, not before.

        The new Keras optimisers, not `legacy`: inside XLA they are nearly twice as fast.

        Args:
            learning_rate: A number or a Keras schedule, in place of the field of that name.
            xla: Whether its steps will be compiled by XLA.
        """
        raise NotImplementedError


@register("optimizer", "adam")
@dataclass(frozen=True, kw_only=True)
class Adam(Optimizer):
    """Adam (Kingma and Ba 2015)."""

    beta_1: float = option(0.9, "Decay of the first moment.", domain=UNIT_OPEN_HIGH)
    beta_2: float = option(0.999, "Decay of the second moment.", domain=UNIT_OPEN_HIGH)
    epsilon: float = option(1e-7, "Added to the root of the second moment.", domain=POSITIVE)

    def build(self, learning_rate: Any, *, xla: bool) -> Any:
        """Return Keras' Adam, outside XLA in the form that is one kernel."""
        import tensorflow as tf

        from erlctl.agents.optimizers import KernelAdam

        make = tf.keras.optimizers.Adam if xla else KernelAdam
        return make(
            learning_rate, beta_1=self.beta_1, beta_2=self.beta_2, epsilon=self.epsilon,
            jit_compile=False,
        )


@register("optimizer", "rmsprop")
@dataclass(frozen=True, kw_only=True)
class RmsProp(Optimizer):
    """RMSProp, centred as in Nature DQN if asked."""

    learning_rate: float = option(2.5e-4, "Step size.", domain=POSITIVE)
    rho: float = option(0.95, "Decay of the second moment.", domain=UNIT_OPEN_HIGH)
    epsilon: float = option(1e-2, "Added to the root of the second moment.", domain=POSITIVE)
    centered: bool = option(False, "Subtract the squared first moment.")

    def build(self, learning_rate: Any, *, xla: bool) -> Any:
        """Return Keras' RMSprop."""
        import tensorflow as tf

        return tf.keras.optimizers.RMSprop(
            learning_rate, rho=self.rho, epsilon=self.epsilon, centered=self.centered,
            jit_compile=False,
        )


@register("optimizer", "sgd")
@dataclass(frozen=True, kw_only=True)
class Sgd(Optimizer):
    """Stochastic gradient descent."""

    learning_rate: float = option(1e-2, "Step size.", domain=POSITIVE)
    momentum: float = option(0.0, "Momentum.", domain=UNIT_OPEN_HIGH)

    def build(self, learning_rate: Any, *, xla: bool) -> Any:
        """Return Keras' SGD."""
        import tensorflow as tf

        return tf.keras.optimizers.SGD(learning_rate, momentum=self.momentum, jit_compile=False)
