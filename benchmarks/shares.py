"""Where the time of a run goes beside training: evaluations, rows, checkpoints, all as by default.

    python benchmarks/shares.py                     everything, about two minutes
    python benchmarks/shares.py --only dqn-64       one run; may be repeated
    python benchmarks/shares.py --steps 20000       whether it runs at all

Each run is trained twice in this process; the second, whose program is compiled, is measured. What
a call keeps the training waiting for counts; what a thread writes beside it on another core does
not. Exit code 1: evaluations and checkpoints take more than 5 % of a run.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from erlctl import spec
from erlctl.experiment import resolve
from erlctl.tensorflow_setup import quieten_tensorflow

MOST_SHARE = 0.05
# Name -> spec beside the defaults, steps.
RUNS: Mapping[str, tuple[str, int]] = {
    "dqn-64": ("environment: {id: CartPole-v1}\nagent: {algorithm: dqn}\n", 100_000),
    "dqn-256": ("environment: {id: CartPole-v1}\nagent: {algorithm: dqn}\n"
                "network: {hidden: [256, 256]}\n", 30_000),
    "sac-64": ("environment: {id: Pendulum-v1}\nagent: {algorithm: sac}\n"
               "training: {batch_size: 256}\n", 30_000),
    "minatar": ("environment: {id: MinAtar/Breakout-v1}\nagent: {algorithm: dqn}\n"
                "network: {type: conv}\n", 20_000),
}
# Part of a run -> the methods that are the whole of it; those of evaluations write rows too.
PARTS: Mapping[str, tuple[str, ...]] = {
    "training": ("program.advance",),
    "evaluations": ("program.evaluate", "recorder.evaluation"),
    "checkpoints": ("recorder.checkpoint", "recorder.close"),
    "rows": ("program.take_diagnostics", "program.interval_metrics", "recorder.progress",
             "recorder.episodes", "recorder.tick"),
}


@contextmanager
def timed(owner: Any, name: str, seconds: dict[str, float], part: str) -> Iterator[None]:
    """Add the time of each call of a method of a class to a part's seconds."""
    original: Callable[..., Any] = getattr(owner, name)

    def measured(*args: Any, **kwargs: Any) -> Any:
        begun = time.perf_counter()
        try:
            return original(*args, **kwargs)
        finally:
            seconds[part] += time.perf_counter() - begun

    with mock.patch.object(owner, name, measured):
        yield


def shares(text: str, steps: int) -> dict[str, float]:
    """Return part of a run -> its share of the whole."""
    from erlctl.runs import recorder
    from erlctl.runs.execute import execute
    from erlctl.runs.programs import ProgramCache
    from erlctl.training import loop
    from erlctl.training.factory import make_program

    programs = ProgramCache(make_program)

    def program_for(run: spec.RunSpec) -> Any:
        program = programs.get(run)
        program.start(run)
        return program

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "shares.yaml")
        path.write_text(f"schema: 1\nname: shares\n{text}seeds: 2\n", encoding="utf-8")
        runs = spec.load(path).runs
        runs = tuple(
            resolve(dataclasses.replace(
                run, training=dataclasses.replace(run.training, steps=steps)))
            for run in runs
        )
        assert execute(runs[0], Path(folder), program_for=program_for).status == "complete"
        seconds: dict[str, float] = defaultdict(float)
        owners = {"program": type(programs.get(runs[1])), "recorder": recorder.RunRecorder}
        with ExitStack() as stack:
            for part, methods in PARTS.items():
                for method in methods:
                    owner, _, name = method.partition(".")
                    stack.enter_context(timed(owners[owner], name, seconds, part))
            stack.enter_context(timed(loop, "train", seconds, "whole"))
            assert execute(runs[1], Path(folder), program_for=program_for).status == "complete"
        programs.drop()
    return {part: seconds[part] / seconds["whole"] for part in PARTS}


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=RUNS, action="append", help="run; may be repeated")
    parser.add_argument("--steps", type=int, help="steps of each run; default: some seconds' worth")
    options = parser.parse_args()
    quieten_tensorflow()
    missed = False
    print(f"{'share of the time of':24}" + "".join(f"{part:>14}" for part in PARTS))
    for name in options.only or RUNS:
        text, steps = RUNS[name]
        found = shares(text, options.steps or steps)
        beside = found["evaluations"] + found["checkpoints"]
        missed |= beside > MOST_SHARE
        verdict = f"at most {MOST_SHARE:.0%}: {'MISSED' if beside > MOST_SHARE else 'met'}"
        print(f"{name:24}" + "".join(f"{found[part]:14.1%}" for part in PARTS) + f"  {verdict}",
              flush=True)
    sys.exit(missed)


if __name__ == "__main__":
    main()
