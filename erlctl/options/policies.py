"""Behaviour and evaluation policies that a spec can choose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

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

    The preferences of discrete actor-critics are the actor's log-probabilities, so temperature 1,
    their own, is the actor itself; continuous ones always draw from the actor.
    """

    distribution: ClassVar[str] = "softmax"

    temperature: Schedule | None = option(
        None, "null: the algorithm's own; to be given where its own policy is greedy.",
        domain=POSITIVE, unit="units of return (discrete actor-critics: none)",
    )


@register("policy", "epsilon_boltzmann")
@dataclass(frozen=True, kw_only=True)
class EpsilonBoltzmann(Options):
    """With probability epsilon a uniformly random action, else one of the Boltzmann policy."""

    distribution: ClassVar[str] = "softmax"

    epsilon: Schedule = option(
        Schedule(1.0, 0.01, 10_000), "Probability of a uniformly random action.", domain=UNIT
    )
    temperature: Schedule | None = option(
        None, "null: the algorithm's own; to be given where its own policy is greedy.",
        domain=POSITIVE, unit="units of return (discrete actor-critics: none)",
    )


@register("policy", "sparsemax")
@dataclass(frozen=True, kw_only=True)
class Sparsemax(Boltzmann):
    """An action drawn from sparsemax(preference / temperature): none far below the best."""

    distribution: ClassVar[str] = "sparsemax"


@register("policy", "epsilon_sparsemax")
@dataclass(frozen=True, kw_only=True)
class EpsilonSparsemax(EpsilonBoltzmann):
    """With probability epsilon a uniformly random action, else one of the sparsemax policy."""

    distribution: ClassVar[str] = "sparsemax"


def temperature_conflicts(
    policy: Options, own_temperature: float, path: str
) -> Iterator[tuple[str, str]]:
    """Refuse a policy at `path` that divides by a temperature which is given by nobody.

    Args:
        policy: A policy section.
        own_temperature: The algorithm's, used where the section's is null; 0 where it is greedy.
        path: Dotted path of the section.
    """
    if hasattr(policy, "temperature") and policy.temperature is None and own_temperature == 0:
        yield (
            f"{path}.temperature",
            "given, for example `temperature: 0.1`: the algorithm's own policy is greedy and has "
            "no temperature",
        )
