"""What implicit quantile networks declare beside their target. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from erlctl.algorithms.base import ValueAlgorithm
from erlctl.fields import AT_LEAST_ONE, POSITIVE, option


@dataclass(frozen=True, kw_only=True)
class QuantileAlgorithm(ValueAlgorithm):
    """The one-network target on a network of quantiles; `loss` must stay `huber`."""

    base: ClassVar[str] = "quantile"

    num_quantiles: int = option(
        64, "Quantile fractions of the prediction.", domain=AT_LEAST_ONE, letter="N"
    )
    num_target_quantiles: int = option(
        64, "Quantile fractions of the target.", domain=AT_LEAST_ONE, letter="N'"
    )
    num_policy_quantiles: int = option(
        32, "Fixed fractions, (k - 1/2) / K, whose mean the policies read.",
        domain=AT_LEAST_ONE, letter="K"
    )
    kappa: float = option(
        1.0, "Error at which the loss turns from square to linear.", domain=POSITIVE,
        letter="kappa", unit="units of return",
    )
    embedding_size: int = option(
        64, "Cosines that embed a quantile fraction.", domain=AT_LEAST_ONE
    )

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Refuse another loss than the quantile Huber loss."""
        yield from super().conflicts()
        if self.loss != "huber":
            yield "loss", "huber: quantiles are fitted with the quantile Huber loss"
