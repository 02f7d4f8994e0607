"""Scores that returns are normalised by: (return - low) / (high - low).

`low` is the mean return of uniformly random actions, measured with gym 0.23.0 (see the table for
the number of episodes and the standard error); `high` is the reward threshold in gym's registry,
the return at which the environment counts as solved. Pendulum-v1 has no threshold there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from erlctl.analysis.data import Run
from erlctl.analysis.statistics import Floats
from erlctl.errors import ErlctlError, UnknownNameError


@dataclass(frozen=True)
class Reference:
    """Two returns that become 0 and 1.

    Attributes:
        low: Return that becomes 0.
        high: Return that becomes 1.
        source: Where they are from.
    """

    low: float
    high: float
    source: str

    def normalise(self, returns: Floats) -> Floats:
        """Return (return - low) / (high - low)."""
        return (returns - self.low) / (self.high - self.low)


_GYM = "random actions to gym 0.23's reward threshold"
REFERENCES: Mapping[str, Reference] = {
    "CartPole-v0": Reference(22.1, 195.0, _GYM),  # 10,000 episodes, standard error 0.1
    "CartPole-v1": Reference(22.1, 475.0, _GYM),  # 10,000 episodes, standard error 0.1
    "MountainCar-v0": Reference(-200.0, -110.0, _GYM),  # 1,000 episodes, none got to the flag
    "Acrobot-v1": Reference(-499.1, -100.0, _GYM),  # 1,000 episodes, standard error 0.4
}


def parse(texts: Iterable[str], runs: Iterable[Run]) -> dict[str, Reference]:
    """Return the shipped references with those of `--reference ENVIRONMENT=LOW,HIGH` in place.

    Raises:
        ErlctlError: A text has another form, or LOW equals HIGH.
        UnknownNameError: No run is of that environment: the reference would do nothing.
    """
    found, environments = dict(REFERENCES), {run.environment for run in runs}
    for text in texts:
        environment, _, numbers = text.rpartition("=")
        try:
            low, high = (float(number) for number in numbers.split(","))
        except ValueError:
            low = high = math.nan
        if not environment or not math.isfinite(high - low) or low == high:
            raise ErlctlError(
                f"--reference {text}: expected ENVIRONMENT=LOW,HIGH with two different numbers",
                fix="write for example --reference Pendulum-v1=-1230,-150",
            )
        if environment not in environments:
            raise UnknownNameError("environment in --reference", environment, environments)
        found[environment] = Reference(low, high, "given")
    return found
