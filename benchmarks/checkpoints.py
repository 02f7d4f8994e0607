"""What checkpoints cost: of the time of training CartPole, and of a large replay buffer.

    python benchmarks/checkpoints.py
    python benchmarks/checkpoints.py --steps 20000 --rounds 1     whether it runs at all

The same program trains with a checkpoint every 10,000 steps and with one at the end alone, taking
turns; what training waits for its checkpoints is a part of the difference, the rest is that of the
thread that writes. The replay of 1,000,000 transitions is filled by random actions, and one
checkpoint of it is brought to the disk, synchronised, published and read again. Exit code 1: a bar
was missed.
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

from erlctl import spec
from erlctl.launch.quiet import quieten_tensorflow
from erlctl.runs.layout import RunPaths
from erlctl.spec.schema import CheckpointSection, RunSpec

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
MOST_SHARE = 0.03
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


def share_of_training(folder: Path, steps: int, rounds: int) -> float:
    """Return by how much checkpoints every 10,000 steps lengthen training, as a share of it."""
    from erlctl.runs.execute import execute
    from erlctl.runs.recorder import RunRecorder
    from erlctl.training.factory import make_program

    run = make_run(folder, num_envs=1, steps=steps, learning_starts=1000, capacity=50_000)
    program = make_program(run)

    def program_for(run: RunSpec) -> Any:
        program.start(run.seed)
        return program

    def train(every: int, runs_dir: Path) -> tuple[float, float]:
        chosen = replace(run, checkpoint=CheckpointSection(every=every))
        waits: list[float] = []
        save = RunRecorder.checkpoint

        def timed(recorder: RunRecorder, step: int) -> None:
            waits.append(seconds(lambda: save(recorder, step)))

        with mock.patch.object(RunRecorder, "checkpoint", timed):
            total = seconds(
                lambda: execute(chosen, runs_dir, program_for=program_for, fresh=True)
            )
        return total, sum(waits)

    train(steps, folder / "warm-up")
    ratios, shares = [], []
    for _ in range(rounds):
        (often, waited), (once, _) = train(EVERY, folder / "often"), train(steps, folder / "once")
        print(f"  {steps:,} steps: {often:.2f} s with {steps // EVERY} checkpoints, waiting "
              f"{waited:.3f} s; {once:.2f} s with one", flush=True)
        ratios.append(often / once)
        shares.append(waited / often)
    print(f"  with / without: {min(ratios):.3f} to {max(ratios):.3f}; "
          f"{statistics.median(shares):.1%} is waiting")
    return statistics.median(ratios) - 1.0


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
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    quieten_tensorflow()
    with tempfile.TemporaryDirectory(prefix="erlctl-checkpoints-") as name:
        share = share_of_training(Path(name), options.steps, options.rounds)
        print(f"a checkpoint every {EVERY:,} steps lengthens training by {share:.1%} "
              f"(bar {MOST_SHARE:.0%})")
        saved, restored = large_replay(Path(name))
        print(f"a checkpoint of {LARGE:,} transitions: saved in {saved:.2f} s, verified and "
              f"restored in {restored:.2f} s (bar {MOST_SECONDS:g} s)")
    sys.exit(share > MOST_SHARE or max(saved, restored) > MOST_SECONDS)


if __name__ == "__main__":
    main()
