"""How soon a run trains: alone, with programs kept from before, and after one of the same kind.

    python benchmarks/startup.py

A run of 2,000 steps of munchausen_dqn on CartPole, from the command line to its end: without the
cache of compiled programs and with one that has them. Then a sweep of 8 temperatures in one worker:
the time from the end of a run to the first step of the next, for the second to the eighth, which
take the program of the first. Medians. Exit code 1: a bar was missed.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import erlctl
from erlctl.events import Event, Finished, Started

STEPS = 2000
ROUNDS = 3
TEMPERATURES = (0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5)
MOST_SECONDS = 5.0  # of the whole run, programs kept
MOST_SECONDS_BETWEEN = 0.5

SPEC: dict[str, Any] = {
    "schema": 1, "name": "startup", "environment": {"id": "CartPole-v1"}, "seeds": 1,
    "agent": {"algorithm": "munchausen_dqn"}, "training": {"steps": STEPS},
}
TEXT = f"""schema: 1
name: startup
environment: {{id: CartPole-v1}}
agent: {{algorithm: munchausen_dqn}}
training: {{steps: {STEPS}}}
seeds: 1
"""


def whole_run(folder: Path, cache: str) -> float:
    """Return the seconds of `erlctl train`, from the start of the process to its end."""
    path = folder / "startup.yaml"
    path.write_text(TEXT, encoding="utf-8")
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "erlctl", "--quiet", "train", str(path), "--fresh",
         "--runs-dir", str(folder / "runs")],
        env={**os.environ, "ERLCTL_XLA_CACHE": cache}, check=False, capture_output=True, text=True,
    )
    assert done.returncode == 0, done.stderr
    return time.perf_counter() - begun


def between_runs(folder: Path) -> list[float]:
    """Return the seconds between the end of a run of the sweep and the first step of the next."""
    gaps: list[float] = []
    ended: float | None = None

    def on_event(event: Event) -> None:
        nonlocal ended
        if isinstance(event, Started) and ended is not None:
            gaps.append(time.perf_counter() - ended)
        if isinstance(event, Finished):
            ended = time.perf_counter()

    spec = {**SPEC, "sweep": {"agent.temperature": list(TEMPERATURES)}}
    batch = erlctl.train(spec, runs_dir=folder / "sweep", jobs=1, quiet=True, on_event=on_event)
    assert batch.exit_code == 0, batch
    return gaps


def main() -> None:
    """Measure, print."""
    missed = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cold = [whole_run(folder, "off") for _ in range(ROUNDS)]
        kept = [whole_run(folder, str(folder / "cache")) for _ in range(ROUNDS + 1)][1:]
        gaps = between_runs(folder)
    for text, found, bar in (
        (f"{STEPS} steps, everything compiled anew", cold, None),
        (f"{STEPS} steps, programs kept from before", kept, MOST_SECONDS),
        ("from one temperature to the next", gaps, MOST_SECONDS_BETWEEN),
    ):
        median = statistics.median(found)
        is_missed = bar is not None and median > bar
        missed |= is_missed
        verdict = "" if bar is None else f"  at most {bar:g} s: {'MISSED' if is_missed else 'met'}"
        print(f"{text:42}{median:8.2f} s{verdict}", flush=True)
    sys.exit(missed)


if __name__ == "__main__":
    main()
