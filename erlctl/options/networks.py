"""Network bodies that a spec can choose; `erlctl.networks` builds them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from erlctl.fields import AT_LEAST_ONE, FINITE, POSITIVE, Interval, Options, option
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


@register("network", "features")
@dataclass(frozen=True, kw_only=True)
class Features(Options):
    """Fixed features of the observation x under a linear head without bias.

    All stand for the kernel k(x, y) = exp(-|x - y|^2 / 2), entries divided by `lengthscale`.

    rbf_grid: k(x, c) at every point c of a grid from `low` to `high`.
    nystroem: K^(-1/2) k(x, z) of landmarks z, K = k(z, z), so that inner products are k itself at
        the landmarks; those are drawn from the replay when learning starts.
    ald: the same of a dictionary of at most `count` observations, each of which was new to the ones
        before it (approximate linear dependence, Engel, Mannor, Meir 2004); begun when learning
        starts, and in kernel_dpp grown by every batch.
    fourier: cosines and sines of random directions (Rahimi and Recht 2007); inner products are k up
        to an error of count^(-1/2).
    fastfood: the same with directions that are products of Hadamard and diagonal matrices (Le,
        Sarlos, Smola 2013): time count log d and memory count, for d entries.
    """

    features: Literal["rbf_grid", "nystroem", "ald", "fourier", "fastfood"] = option(
        "fourier", "Which features."
    )
    count: int = option(
        256, "Features; not read by rbf_grid, which has points^d; the most that ald may have.",
        domain=Interval(low=2),
    )
    novelty: float = option(
        0.1, "ald: part of an observation, of 1, that the dictionary must leave open for it to "
        "enter.", domain=Interval(1e-6, 1.0, open_high=True), letter="nu",
    )
    lengthscale: tuple[float, ...] = option(
        (1.0,), "Width of the kernel: one number, or one for each entry of an observation.",
        domain=POSITIVE,
    )
    points: int = option(5, "rbf_grid: points in each dimension.", domain=Interval(low=2))
    low: tuple[float, ...] = option(
        (-1.0,), "rbf_grid: first point, one number or one for each entry.", domain=FINITE
    )
    high: tuple[float, ...] = option(
        (1.0,), "rbf_grid: last point, one number or one for each entry.", domain=FINITE
    )

    def num_features(self, num_inputs: int) -> int:
        """Return F for observations of `num_inputs` entries."""
        return self.points**num_inputs if self.features == "rbf_grid" else self.count

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Refuse empty grids and odd numbers of cosines and sines."""
        if self.features in ("fourier", "fastfood") and self.count % 2:
            yield "count", "even: half are cosines, half are sines"
        if self.features != "rbf_grid":
            return
        ends = (self.low, self.high)
        if 1 not in map(len, ends) and len(self.low) != len(self.high):
            yield "high", f"one number or {len(self.low)}, as `low` has"
        elif any(low >= high for low, high in _paired(*ends)):
            yield "high", "greater than `low`"


def _paired(low: tuple[float, ...], high: tuple[float, ...]) -> Iterator[tuple[float, float]]:
    size = max(len(low), len(high))
    return zip(low * (size if len(low) == 1 else 1), high * (size if len(high) == 1 else 1),
               strict=True)
