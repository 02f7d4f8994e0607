"""Network bodies that a spec can choose; `erlctl.networks` builds them."""

from __future__ import annotations

from collections.abc import Iterator
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

    The defaults are MinAtar's network. Nature DQN's, for Atari, is filters [32, 64, 64], kernels
    [8, 4, 3], strides [4, 2, 1], hidden [512].
    """

    filters: tuple[int, ...] = option((16,), "Filters of each convolution.", domain=AT_LEAST_ONE)
    kernels: tuple[int, ...] = option((3,), "Kernel size of each convolution.", domain=AT_LEAST_ONE)
    strides: tuple[int, ...] = option((1,), "Stride of each convolution.", domain=AT_LEAST_ONE)
    hidden: tuple[int, ...] = option((128,), "Units of each hidden layer.", domain=AT_LEAST_ONE)
    activation: Activation = option("relu", "Activation of the hidden layers.")
    dueling: Dueling | None = option(None, "Centre of the advantage head; null: no dueling head.")

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Every convolution has one kernel size and one stride."""
        for name in ("kernels", "strides"):
            if len(getattr(self, name)) != len(self.filters):
                yield name, f"a list of {len(self.filters)}, as `filters` is"

    def sizes(self, size: int) -> Iterator[int]:
        """Yield the side of the picture after each convolution, from a side of `size` pixels.

        At most 0 where the kernel is larger than what it gets; the last one then.
        """
        for kernel, stride in zip(self.kernels, self.strides, strict=True):
            size = (size - kernel) // stride + 1
            yield size
            if size < 1:
                return


@register("network", "linear")
@dataclass(frozen=True, kw_only=True)
class Linear(Options):
    """One weight per observation entry and action, no bias: a table on one-hot observations."""
