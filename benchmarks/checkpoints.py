"""What checkpoints cost: of the time of training CartPole, and of a large replay buffer.

    python benchmarks/checkpoints.py
    python benchmarks/checkpoints.py --steps 200000     whether it runs at all

One run of CartPole is cut into stretches of 10,000 steps, and a checkpoint is taken at the
beginning of every second one: training waits for the copy of its state, and the thread that writes
works beside it until it is done. Each such stretch is compared with the two beside it. Whole runs
with and without checkpoints cannot show 3 %: the machine's own speed changes by more from one to
the next. The replay of 1,000,000 transitions is filled by random actions, and one checkpoint of it
is brought to the disk, synchronised, published and read again. Exit code 1: a bar was missed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from erlctl import spec
from erlctl.runs.layout import RunPaths
from erlctl.spec.schema import CheckpointSection, RunSpec
from erlctl.tensorflow_setup import quieten_tensorflow

SPEC = """\
schema: 1
name: checkpoints
environment: {{id: CartPole-v1, num_envs: {num_envs}}}
agent: {{algorithm: dqn}}
training: {{steps: {steps}, learning_starts: {learning_starts}, replay_capacity: {capacity}}}
evaluation: {{every: {steps}, episodes: 1}}
logging: {{every: 5000}}
"""
EVERY = 10_000
CAPACITY = 50_000
MOST_SHARE = 0.05  # measured: 0.013 s, of steps that take 0.43 s
LARGE = 1_000_000
MOST_SECONDS = 2.0


def make_run(folder: Path, **values: int) -> RunSpec:
    """Return the run of the spec with `values`."""
    path = folder / "checkpoints.yaml"
    path.write_text(SPEC.format(**values), encoding="utf-8")
    (run,) = spec.load(path).runs
    return run


def seconds(work: Callable[[], Any]) -> float:
    """Return how long `work` takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def share_of_training(folder: Path, steps: int) -> tuple[float, float, float]:
    """Return by which share of its time a checkpoint lengthens a stretch of `EVERY` steps.

    Args:
        folder: Where the run is written.
        steps: Length of the run.

    Returns:
        Median over the stretches with a checkpoint, and its 95 % bootstrap interval.
    """
    from erlctl.runs.execute import execute
    from erlctl.runs.recorder import RunRecorder
    from erlctl.training.factory import make_program

    run = make_run(folder, num_envs=1, steps=steps, learning_starts=1000, capacity=CAPACITY)
    run = replace(run, checkpoint=CheckpointSection(every=2 * EVERY))
    passed: dict[int, float] = {}
    tick = RunRecorder.tick

    def timed(recorder: RunRecorder, step: int, steps_per_second: float) -> None:
        if step % EVERY == 0:  # before anything that happens at this step
            passed[step] = time.perf_counter()
        tick(recorder, step, steps_per_second)

    with mock.patch.object(RunRecorder, "tick", timed):
        execute(run, folder / "runs", program_for=make_program)
    # From where the replay is full; the evaluation and the checkpoint at the end are left out.
    starts = range(CAPACITY + EVERY, steps - EVERY, EVERY)
    took = {start: passed[start + EVERY] - passed[start] for start in starts}
    ratios = [
        took[start] / statistics.mean((took[start - EVERY], took[start + EVERY]))
        for start in starts[1:-1] if start % (2 * EVERY) == 0
    ]
    draws = np.random.default_rng(0).choice(ratios, (10_000, len(ratios)))
    low, high = np.quantile(np.median(draws, axis=1), (0.025, 0.975))
    without = statistics.median(took[start] for start in starts if start % (2 * EVERY))
    print(f"  {len(ratios)} stretches with a checkpoint beside {len(ratios) + 1} without one, "
          f"which take {without:.3f} s")
    return statistics.median(ratios) - 1.0, low - 1.0, high - 1.0


def large_replay(folder: Path) -> tuple[float, float]:
    """Return the seconds of saving and of restoring a full replay of `LARGE` transitions."""
    from erlctl.runs import catalogue, checkpoints
    from erlctl.training.factory import make_program

    run = make_run(folder, num_envs=8, steps=LARGE, learning_starts=LARGE, capacity=LARGE)
    program = make_program(run)
    while program.step < LARGE:
        program.advance(min(program.max_chunk, LARGE - program.step))
    paths = RunPaths.of(folder / "large", run)
    paths.checkpoints.mkdir(parents=True)
    state = program.state()
    saved = seconds(
        lambda: checkpoints.save(state, paths, step=LARGE, fingerprint="0" * 64)
    )

    def restore() -> None:
        newest = catalogue.newest_good(paths, "0" * 64, print)
        assert newest is not None
        checkpoints.restore(*newest, state)

    return saved, seconds(restore)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1_000_000)
    options = parser.parse_args()
    quieten_tensorflow()
    with tempfile.TemporaryDirectory(prefix="erlctl-checkpoints-") as name:
        share, low, high = share_of_training(Path(name), options.steps)
        print(f"a checkpoint every {EVERY:,} steps lengthens training by {share:.1%} "
              f"[{low:.1%}, {high:.1%}] (bar {MOST_SHARE:.0%}, for the whole interval)")
        saved, restored = large_replay(Path(name))
        print(f"a checkpoint of {LARGE:,} transitions: saved in {saved:.2f} s, verified and "
              f"restored in {restored:.2f} s (bar {MOST_SECONDS:g} s)")
    sys.exit(int(high > MOST_SHARE or max(saved, restored) > MOST_SECONDS))


if __name__ == "__main__":
    main()
