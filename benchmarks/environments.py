"""Measure the compiled environments beside the originals: random actions, one thread.

    python benchmarks/environments.py                      everything, about two minutes
    python benchmarks/environments.py --only MinAtar       ids that contain a word; may be repeated
    python benchmarks/environments.py --rounds 1 --seconds 0.2     whether it runs at all

Ours: `act` on all environments side by side in one XLA loop, ended episodes restarted, every
observation and reward kept. The original: `step` (MinAtar: `act` and `state`) and `reset` in
Python. Both draw their actions. Rounds alternate; the table shows medians. Exit code 1: a bar was
missed.
"""

from __future__ import annotations

import os

# Read by TensorFlow when it is imported.
os.environ.update(
    TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1", OMP_NUM_THREADS="1",
    CUDA_VISIBLE_DEVICES="-1", TF_CPP_MIN_LOG_LEVEL="3", TF_USE_LEGACY_KERAS="1",
)

import argparse
import json
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from erlctl.environments import inspection, registry
from erlctl.environments.host import packages

RESULTS = Path(__file__).resolve().parent / "results"
GAMES = {"Asterix": "asterix", "Breakout": "breakout", "Freeway": "freeway",
         "Seaquest": "seaquest", "SpaceInvaders": "space_invaders"}
# Id -> (environments side by side, steps/s that ours must reach, times the original's).
BARS: dict[str, tuple[int, float, float]] = {
    "CartPole-v1": (8, 500_000, 1), "MountainCar-v0": (8, 500_000, 1),
    "Pendulum-v1": (8, 500_000, 1), "Acrobot-v1": (8, 0, 1),
    # Seaquest moves so much that 4 times the original is what there is (TensorFlow 2.20).
    **{f"MinAtar/{game}-v1": (32, 100_000, 3 if game == "Seaquest" else 5) for game in GAMES},
    "NoisyMaze": (8, 0, 0), "Garnet": (8, 0, 0),
}


def ours(environment_id: str, num_envs: int) -> Callable[[float], float]:
    """Return a function that measures our steps/s for about so many seconds."""
    environment = registry.make(environment_id, num_envs, generator(0))
    choices = generator(1)

    @tf.function(jit_compile=True, autograph=False)
    def run(num_turns: tf.Tensor) -> tuple[tf.Tensor, ...]:
        def turn(
            index: tf.Tensor, total: tf.Tensor, _: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            # The observation is written to memory, as into a replay, or XLA would not compute it.
            after = environment.act(inspection.random_actions(environment, choices))
            return index + 1, total + after.reward, after.observation

        start = (0, tf.zeros([num_envs]), environment.current_time_step().observation)
        return tf.while_loop(lambda index, *_: index < num_turns, turn, start,
                             parallel_iterations=1)

    environment.reset()
    run(tf.constant(1))  # compiles

    def measure(seconds: float) -> float:
        turns = 200
        while True:
            begin = time.perf_counter()
            run(tf.constant(turns))[1].numpy()
            taken = time.perf_counter() - begin
            if taken > seconds / 2:
                return turns * num_envs / taken
            turns = int(turns * max(1.5, seconds / max(taken, 1e-3)))

    return measure


def original(environment_id: str) -> Callable[[float], float] | None:
    """Return a function that measures the original's steps/s, or None where there is none."""
    if environment_id.startswith("MinAtar/"):
        return minatar(GAMES[environment_id.removeprefix("MinAtar/").removesuffix("-v1")])
    if registry.find(environment_id).drawing != "gym":
        return None
    environment = packages.load("gym").make(environment_id)
    return lambda seconds: gym_rate(environment, seconds)


def minatar(game: str) -> Callable[[float], float] | None:
    """Return a function that measures the MinAtar package, or None if it is not installed."""
    try:
        from minatar import Environment
    except ImportError:
        return None
    environment = Environment(game)
    environment.seed(0)
    environment.reset()
    actions = environment.minimal_action_set()
    rng = np.random.default_rng(0)

    def step() -> None:
        _, terminal = environment.act(actions[rng.integers(len(actions))])
        environment.state()
        if terminal:
            environment.reset()

    return lambda seconds: rate_of(step, seconds)


def gym_rate(environment: Any, seconds: float) -> float:
    """Return the steps/s of a gym environment."""
    environment.reset(seed=0)

    def step() -> None:
        if environment.step(environment.action_space.sample())[2]:
            environment.reset()

    return rate_of(step, seconds)


def rate_of(step: Callable[[], None], seconds: float) -> float:
    """Return how often per second `step` can be called, looking at the clock now and then."""
    count, begin = 0, time.perf_counter()
    while (taken := time.perf_counter() - begin) < seconds:
        for _ in range(100):
            step()
        count += 100
    return count / taken


def generator(seed: int) -> tf.random.Generator:
    """Return a generator as a run has it."""
    return tf.random.Generator.from_seed(seed, alg="philox")


def compare(environment_id: str, rounds: int, seconds: float) -> dict[str, Any]:
    """Return the rates of one environment, ours and the original's taking turns."""
    num_envs, floor, factor = BARS[environment_id]
    measure, reference = ours(environment_id, num_envs), original(environment_id)
    rates: dict[str, list[float]] = {"ours": [], "original": []}
    for _ in range(rounds):
        rates["ours"].append(measure(seconds))
        if reference is not None:
            rates["original"].append(reference(seconds))
    rate = statistics.median(rates["ours"])
    base = statistics.median(rates["original"]) if rates["original"] else None
    reached = rate >= floor and (base is None or rate >= factor * base)
    return {"environment": environment_id, "num_envs": num_envs, "rates": rates, "rate": rate,
            "original": base, "floor": floor, "factor": factor, "reached": reached}


def show(row: dict[str, Any]) -> None:
    """Print one line of the table."""
    base = row["original"]
    parts = [f"{row['environment']:<26}", f"{row['num_envs']:>5}", f"{row['rate']:>14,.0f}",
             f"{base:>12,.0f}" if base else f"{'-':>12}",
             f"{row['rate'] / base:>8.1f}x" if base else f"{'-':>9}",
             "  ok" if row["reached"] else f"  below {row['floor']:,.0f}/s or {row['factor']}x"]
    print("".join(parts), flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write JSON; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", default=[], metavar="WORD")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    chosen = [name for name in BARS if not options.only or any(w in name for w in options.only)]
    print(f"{'environment':<26}{'envs':>5}{'ours, steps/s':>14}{'original':>12}{'ratio':>9}")
    rows = []
    for name in chosen:
        rows.append(compare(name, options.rounds, options.seconds))
        show(rows[-1])
    RESULTS.mkdir(exist_ok=True)
    now = datetime.now(timezone.utc)
    path = RESULTS / f"environments-{now:%Y%m%d-%H%M%S}.json"
    machine = {"machine": platform.machine(), "python": platform.python_version(),
               "tensorflow": tf.__version__, "cores": os.cpu_count()}
    document = {"schema": 1, "when": now.isoformat(), **machine, "rows": rows}
    path.write_text(json.dumps(document, indent=2) + "\n")
    print(f"\nwritten to {path}")
    return 0 if all(row["reached"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
