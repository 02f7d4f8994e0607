"""Network bodies that a spec can choose; `erlctl.networks` builds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from erlctl.fields import AT_LEAST_ONE, Options, option
from erlctl.registry import register

Activation = Literal["relu", "tanh", "elu", "gelu", "swish"]
Dueling = Literal["mean", "max", "logsumexp"]


@register("network", "mlp")
@dataclass(frozen=True, kw_only=True)
class Mlp(Options):
    """Fully connected layers on the flattened observation."""

    hidden: tuple[int, ...] = option((64, 64), "Units of each hidden layer.", domain=AT_LEAST_ONE)
    activation: Activation = option("relu", "Activation of the hidden layers.")
    dueling: Dueling | None = option(None, "Centre of the advantage head; null: no dueling head.")


@register("network", "conv")
@dataclass(frozen=True, kw_only=True)
class Conv(Options):
    """Convolutions without padding, then fully connected layers.

    The presets are MinAtar's network (16 filters 3x3, 128 units) and the Nature DQN's.
    """

    filters: tuple[int, ...] = option((16,), "Filters of each convolution.", domain=AT_LEAST_ONE)
    kernels: tuple[int, ...] = option((3,), "Kernel size of each convolution.", domain=AT_LEAST_ONE)
    strides: tuple[int, ...] = option((1,), "Stride of each convolution.", domain=AT_LEAST_ONE)
    hidden: tuple[int, ...] = option((128,), "Units of each hidden layer.", domain=AT_LEAST_ONE)
    activation: Activation = option("relu", "Activation of the hidden layers.")
    dueling: Dueling | None = option(None, "Centre of the advantage head; null: no dueling head.")


@register("network", "linear")
@dataclass(frozen=True, kw_only=True)
class Linear(Options):
    """One weight per observation entry and action, no bias: a table on one-hot observations."""
