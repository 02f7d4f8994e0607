"""Measure erlctl beside its peers: equal work and cores (one, if not said), taking turns.

    make bench                               everything, about twenty minutes
    make bench ARGS="--only cartpole-64"     one suite
    make bench ARGS="--scale 0.1 --rounds 1" whether it runs at all

Programs take turns, so that a slow minute of the machine hits all of them; the table shows medians.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path

from suites import Row, Suite, suites

from erlctl.tensorflow_setup import settings

HERE = Path(__file__).resolve().parent


def environment(row: Row) -> dict[str, str]:
    """Return the variables that give a program its cores: TensorFlow, then OpenMP's users."""
    cores = row.work.cores
    # What erlctl's workers have; peers have their own XLA.
    ours = {} if row.is_peer else {**settings(os.environ), "TF_USE_LEGACY_KERAS": "1"}
    return os.environ | ours | {
        "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": str(cores),
        "OMP_NUM_THREADS": str(cores), "MKL_NUM_THREADS": str(cores),
        "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3",
    }


@dataclass
class Measured:
    """What was measured of one row.

    Attributes:
        rates: Steps per second, one for each round.
        skipped: Why there are none, where that is no fault (a peer that is not installed).
        failed: What the program said when it failed.
    """

    row: Row
    rates: list[float] = field(default_factory=list)
    skipped: str | None = None
    failed: str | None = None

    @property
    def median(self) -> float:
        """Median steps per second."""
        return statistics.median(self.rates)


def is_importable(python: str, package: str) -> bool:
    """Return whether `python` exists and finds `package`, without importing it."""
    test = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({package!r}) is None)"
    try:
        done = subprocess.run([python, "-c", test], check=False, capture_output=True)
    except OSError:
        return False
    return done.returncode == 0


def run_once(result: Measured, python: str) -> None:
    """Run the row's program in a process of its own and note its steps per second."""
    row = result.row
    done = subprocess.run(
        [python, str(HERE / row.program), row.work.to_json()],
        env=environment(row), capture_output=True, text=True, check=False, timeout=1800,
    )
    if done.returncode:
        print(f"{row.name} failed ({row.program}):\n{done.stderr}", file=sys.stderr)
        result.failed = (done.stderr.splitlines() or [f"exit code {done.returncode}"])[-1]
        return
    result.rates.append(float(json.loads(done.stdout.splitlines()[-1])["rate"]))


def measure(suite: Suite, rounds: int, peer_python: str) -> list[Measured]:
    """Measure every row `rounds` times, the rows taking turns."""
    results = [Measured(row) for row in suite.rows]
    for result in results:
        row = result.row
        if row.package and not is_importable(peer_python, row.package):
            result.skipped = f"{row.package} is not installed in {peer_python}"
    for turn in range(rounds):
        for result in results:
            if result.skipped or result.failed:
                continue
            run_once(result, peer_python if result.row.is_peer else sys.executable)
            figure = "failed" if result.failed else f"{result.rates[-1]:,.0f}"
            print(f"  {turn + 1}/{rounds} {result.row.name}: {figure}", file=sys.stderr, flush=True)
    return results


def verdict(row: Row, ratio: float) -> str:
    """Return how a ratio stands against the row's bar."""
    if row.expected is None:
        return ""
    low, high = row.expected
    is_met = low <= ratio <= high
    return f"at least {low:.3g}: {'met' if is_met else 'MISSED'}"


def print_table(suite: Suite, results: Sequence[Measured]) -> None:
    """Print medians, the range over rounds, and the reference's rate divided by each row's."""
    reference = results[0].median if results[0].rates else float("nan")
    print(f"\n{suite.title}")
    print(f"  {'':24}{'steps/s':>10}{'lowest':>10}{'highest':>10}{'ratio':>8}")
    for result in results:
        name = result.row.name
        if not result.rates:
            print(f"  {name:24}{result.skipped or f'failed: {result.failed}'}")
            continue
        ratio = reference / result.median
        print(f"  {name:24}{result.median:10,.0f}{min(result.rates):10,.0f}"
              f"{max(result.rates):10,.0f}{ratio:8.2f}  {verdict(result.row, ratio)}".rstrip())


def write_json(path: Path, measured: dict[str, list[Measured]]) -> None:
    """Write every rate of every round, with the machine it was measured on."""
    document = {
        "machine": {
            "processor": processor(), "cores": os.cpu_count(), "system": platform.platform(),
            "python": platform.python_version(),
        },
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "suites": {
            name: [
                {"name": r.row.name, "program": r.row.program, "work": asdict(r.row.work),
                 "steps_per_second": r.rates, "skipped": r.skipped, "failed": r.failed}
                for r in results
            ]
            for name, results in measured.items()
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def processor() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "unknown")


def scaled(suite: Suite, scale: float) -> Suite:
    """Return the suite with less or more work to time."""
    rows = [
        replace(row, work=replace(row.work, steps=max(1, round(row.work.steps * scale))))
        for row in suite.rows
    ]
    return replace(suite, rows=rows)


def main() -> None:
    """Parse, measure, print, write."""
    known = {suite.name: suite for suite in suites()}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=known, action="append", help="suite; may be repeated")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each program (default 3)")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on the timed steps")
    peer_python = HERE.parent / ".venv-bench" / "bin" / "python"
    parser.add_argument("--peer-python", default=str(peer_python), help="who has the peers")
    parser.add_argument("-o", "--output", type=Path, help="JSON file; default in results/")
    options = parser.parse_args()
    measured: dict[str, list[Measured]] = {}
    for name in options.only or known:
        suite = scaled(known[name], options.scale)
        print(suite.title, file=sys.stderr)
        measured[name] = measure(suite, options.rounds, options.peer_python)
    for name, results in measured.items():
        print_table(known[name], results)
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    output = options.output or HERE / "results" / f"speed-{stamp}.json"
    write_json(output, measured)
    print(f"\nEvery rate is in {output}; measured on {processor()}")
    flat = [result for results in measured.values() for result in results]
    missed = [
        result.row.name for results in measured.values() for result in results
        if result.rates and "MISSED" in verdict(result.row, results[0].median / result.median)
    ]
    sys.exit(bool(missed) or any(result.failed for result in flat))


if __name__ == "__main__":
    main()
