"""Measure what each discrete algorithm costs beside DQN, all in one process, taking turns.

    python benchmarks/algorithms.py                          everything, about two minutes
    python benchmarks/algorithms.py --only dpp --rounds 200  DQN and what is named; may be repeated

CartPole-v1, hidden (64, 64), batch 64, one update a step. A machine whose speed swings by a third
from one minute to the next hits programs of separate processes unequally; here a turn lasts some
twenty milliseconds, and the table shows the median over rounds of (time of this) / (time of DQN in
the same round). Exit code 1: a bar was missed.
"""

from __future__ import annotations

import os

# Read by TensorFlow when it is imported.
os.environ.update(
    TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1", OMP_NUM_THREADS="1",
    CUDA_VISIBLE_DEVICES="-1", TF_CPP_MIN_LOG_LEVEL="3",
)

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

from run_erlctl import make_run
from work import LEARNING_STARTS, Work

from erlctl import registry
from erlctl.tensorflow_setup import quieten_tensorflow

REFERENCE = "dqn"
# Algorithm or its base -> how many times DQN's time for a step it may take: its passes through a
# network beside DQN's 4 (online at s, target at s', backwards counts twice). A gap needs the target
# at s too; two networks need both targets at both states and 3 passes each of their own.
BARS = {"munchausen_dqn": 5 / 4, "dpp": 5 / 4, "cvi": 5 / 4, "companion": 10 / 4}
SLICE = 500
QUANTILE_SLICE = 20  # an update of 64 x 64 quantiles a sample takes milliseconds


class Contestant:
    """One algorithm's compiled program, warm.

    Attributes:
        name: Name of the algorithm.
        bar: Times DQN's time it may take, None: no bar.
        times: Microseconds a step, one for each turn.
    """

    def __init__(self, name: str) -> None:
        from erlctl.training.factory import make_program

        base = registry.get("algorithm", name).base
        self.name = name
        self.bar = BARS.get(name) or BARS.get(base)
        self.times: list[float] = []
        self._slice = QUANTILE_SLICE if base == "quantile" else SLICE
        self._program: Any = make_program(make_run(Work(algorithm=name, steps=10**7)))
        self._program.advance(LEARNING_STARTS)
        self._program.advance(self._slice)

    def take_turn(self) -> None:
        """Time a slice of steps."""
        begun = time.perf_counter()
        self._program.advance(self._slice)
        self.times.append((time.perf_counter() - begun) / self._slice * 1e6)


def discrete_algorithms() -> list[str]:
    """Return the names of all that descend and act on discrete actions, the reference first."""
    classes = registry.all_of("algorithm")
    names = [name for name, made in classes.items()
             if made.action_kind == "discrete" and made.base not in ("planner", "kernel")]
    return sorted(names, key=lambda name: (name != REFERENCE, name))


def report(contestants: Sequence[Contestant]) -> bool:
    """Print the table; return whether every bar was met."""
    reference = contestants[0].times
    are_met = True
    print(f"{'':20}{'us/step':>10}{'times ' + REFERENCE:>12}")
    for contestant in contestants:
        ratio = statistics.median(
            own / other for own, other in zip(contestant.times, reference, strict=True)
        )
        verdict = ""
        if contestant.bar is not None:
            is_met = ratio <= contestant.bar
            are_met &= is_met
            verdict = f"  at most {contestant.bar:g}: {'met' if is_met else 'MISSED'}"
        print(f"{contestant.name:20}{statistics.median(contestant.times):10,.1f}"
              f"{ratio:12.2f}{verdict}")
    return are_met


def main() -> None:
    """Parse, compile, take turns, print."""
    names = discrete_algorithms()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=names[1:], action="append", help="may be repeated")
    parser.add_argument("--rounds", type=int, default=100, help="turns of each (default 100)")
    options = parser.parse_args()
    quieten_tensorflow()
    contestants = [
        Contestant(name) for name in names
        if not options.only or name in (REFERENCE, *options.only)
    ]
    for _ in range(options.rounds):
        for contestant in contestants:
            contestant.take_turn()
    sys.exit(not report(contestants))


if __name__ == "__main__":
    main()
