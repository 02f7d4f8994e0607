"""Behaviour and evaluation policies that a spec can choose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from erlctl.fields import POSITIVE, UNIT, Choice, Options, Schedule, option
from erlctl.registry import register

PolicySection = Annotated[Options, Choice("policy", "type")]


@register("policy", "greedy")
@dataclass(frozen=True, kw_only=True)
class Greedy(Options):
    """The action with the largest preference (ties: the first); the mean action if continuous."""


@register("policy", "epsilon_greedy")
@dataclass(frozen=True, kw_only=True)
class EpsilonGreedy(Options):
    """With probability epsilon a uniformly random action, else the greedy one ("off-policy")."""

    epsilon: Schedule = option(
        Schedule(1.0, 0.01, 10_000), "Probability of a uniformly random action.", domain=UNIT
    )


@register("policy", "boltzmann")
@dataclass(frozen=True, kw_only=True)
class Boltzmann(Options):
    """An action drawn from softmax(preference / temperature) ("on-policy").

    For actor-critics this is the actor itself.
    """

    temperature: Schedule | None = option(
        None, "null: the algorithm's own temperature.", domain=POSITIVE, unit="units of return"
    )


@register("policy", "epsilon_boltzmann")
@dataclass(frozen=True, kw_only=True)
class EpsilonBoltzmann(Options):
    """With probability epsilon a uniformly random action, else one of the Boltzmann policy."""

    epsilon: Schedule = option(
        Schedule(1.0, 0.01, 10_000), "Probability of a uniformly random action.", domain=UNIT
    )
    temperature: Schedule | None = option(
        None, "null: the algorithm's own temperature.", domain=POSITIVE, unit="units of return"
    )
