"""Does a run's memory stay flat? Open files and threads?

    python benchmarks/flat.py --steps 10000000

Trains one CartPole run whose agent learns rarely, so that millions of compiled steps take minutes,
with an evaluation and a checkpoint every thousandth of the way. Memory, open files and threads are
noted at every checkpoint; the second half of the run must not need more than the first.

TensorFlow 2.15 itself keeps 48 bytes for every call from Python (a loop of `variable.assign` shows
it), which is why the figure grows by some KB per evaluation and checkpoint and is not zero.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from erlctl import spec
from erlctl.events import Event, Saved
from erlctl.tensorflow_setup import quieten_tensorflow

SPEC = """\
schema: 1
name: flat
environment: {{id: CartPole-v1}}
agent: {{algorithm: dqn}}
network: {{type: mlp, hidden: [16]}}
training: {{steps: {steps}, learning_starts: 1000, batch_size: 16, replay_capacity: 2000,
           train_every: 1000}}
evaluation: {{every: {every}, episodes: 5}}
checkpoint: {{every: {every}}}
logging: {{every: {every}}}
"""
ALLOWED_MEGABYTES = 32.0  # what the allocators of TensorFlow and Python swing by


@dataclass(frozen=True)
class Use:
    """What the process uses at a step."""

    step: int
    megabytes: float
    files: int
    threads: int


def use_at(step: int) -> Use:
    """Return what this process uses now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return Use(
        step=step, megabytes=pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        files=len(list(Path("/proc/self/fd").iterdir())), threads=threading.active_count(),
    )


def measure(steps: int, checkpoints: int) -> list[Use]:
    """Train and return what was used at every checkpoint."""
    quieten_tensorflow()
    from erlctl.runs.execute import execute
    from erlctl.training.factory import make_program

    text = SPEC.format(steps=steps, every=max(steps // checkpoints, 1))
    uses: list[Use] = []

    def note(event: Event) -> None:
        if isinstance(event, Saved):
            uses.append(use_at(event.step))

    with tempfile.TemporaryDirectory(prefix="erlctl-flat-") as folder:
        path = Path(folder) / "flat.yaml"
        path.write_text(text, encoding="utf-8")
        (run,) = spec.load(path).runs
        outcome = execute(run, Path(folder) / "runs", program_for=make_program, on_event=note)
    if outcome.status != "complete":
        raise SystemExit(f"{outcome.status}: {outcome.message}")
    return uses


def growth(uses: Sequence[Use]) -> dict[str, float]:
    """Return by how much the peak of the second half exceeds that of the first."""
    half = len(uses) // 2
    first, second = uses[half // 2:half], uses[half:]  # the very beginning still grows
    return {
        name: max(getattr(u, name) for u in second) - max(getattr(u, name) for u in first)
        for name in ("megabytes", "files", "threads")
    }


def main() -> None:
    """Parse, train, print; end with 1 if something grew."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=10_000_000)
    parser.add_argument("--checkpoints", type=int, default=1000)
    options = parser.parse_args()
    begun = time.monotonic()
    uses = measure(options.steps, options.checkpoints)
    grown = growth(uses)
    print(json.dumps({
        "steps": options.steps, "checkpoints": len(uses), "seconds": time.monotonic() - begun,
        "first": vars(uses[0]), "middle": vars(uses[len(uses) // 2]), "last": vars(uses[-1]),
        "growth of the second half": grown,
    }, indent=2))
    sys.exit(grown["megabytes"] > ALLOWED_MEGABYTES or grown["files"] > 0 or grown["threads"] > 0)


if __name__ == "__main__":
    main()
