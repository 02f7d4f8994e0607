"""Errors of a planner's backups that a spec can choose; `erlctl.planning.errors` draws them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from erlctl.fields import AT_LEAST_ONE, FINITE, NON_NEGATIVE, Choice, Options, option
from erlctl.registry import register


@register("error", "none")
@dataclass(frozen=True, kw_only=True)
class Errors(Options):
    """No error; the base of the others."""


ErrorsSection = Annotated[Errors, Choice("error", "type")]


@register("error", "gaussian")
@dataclass(frozen=True, kw_only=True)
class Gaussian(Errors):
    """Independent normal noise on every pair."""

    standard_deviation: float = option(1.0, "Standard deviation.", domain=NON_NEGATIVE,
                                       unit="return")


@register("error", "sampled_states")
@dataclass(frozen=True, kw_only=True)
class SampledStates(Errors):
    """The mean over sampled next states stands for the expectation."""

    samples: int = option(1, "Next states for each pair and backup.", domain=AT_LEAST_ONE)


@register("error", "bias")
@dataclass(frozen=True, kw_only=True)
class Bias(Errors):
    """The same error in every backup: +size for the even actions, -size for the odd ones.

    A constant for all pairs would change no policy.
    """

    size: float = option(0.1, "Size of the error.", domain=FINITE, unit="return")


@register("error", "adversarial")
@dataclass(frozen=True, kw_only=True)
class Adversarial(Errors):
    """The optimal actions are valued too low and all others too high, in every backup."""

    size: float = option(0.1, "Size of the error.", domain=NON_NEGATIVE, unit="return")
