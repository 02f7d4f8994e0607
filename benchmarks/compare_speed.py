"""Measure how long `erlctl compare` and `erlctl plot` take, as whole processes.

    python benchmarks/compare_speed.py                        20 and 1,000 runs of 1,000 rows
    python benchmarks/compare_speed.py --runs 20 --rounds 5

Run directories are made in a temporary folder. The fastest of some rounds counts, and the bars are
for processor time, which is wall time on an idle machine: the commands have one thread. Exit code
1: a bar was missed.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.analysis import synthetic  # noqa: E402 - needs the path above

VARIANTS = ("dqn", "munchausen_dqn", "cvi", "dpp")
BARS = {20: 1.0, 1000: 5.0}  # processor seconds of `compare`, by number of runs
COMMANDS = {
    "compare": ("compare",), "compare --metric entropy": ("compare", "--metric", "entropy"),
    "plot": ("plot", "-o", "{out}"),
}


def write_runs(folder: Path, num_runs: int, num_rows: int) -> None:
    """Write runs of four variants with `num_rows` rows of progress and of evaluation."""
    generator = np.random.default_rng(0)
    for index in range(num_runs):
        curve = synthetic.rising_curve(
            100 + 10 * generator.normal(), points=num_rows // 20, noise=3, seed=index
        )
        synthetic.write_run(
            folder, variant=VARIANTS[index % 4], seed=index // 4, curve=curve, episodes=20,
            progress_rows=num_rows,
        )


def fastest(arguments: list[str], rounds: int) -> tuple[float, float]:
    """Return wall and processor seconds of the fastest round of a command."""
    measured = []
    for _ in range(rounds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "erlctl", *arguments], cwd=ROOT, check=True, capture_output=True
        )
        wall = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        busy = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        measured.append((wall, busy))
    return min(measured)


def main() -> int:
    """Measure, print one JSON line per command, compare with the bars."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, action="append", help="default: 20 and 1000")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    has_failed = False
    for num_runs in options.runs or sorted(BARS):
        with tempfile.TemporaryDirectory() as folder:
            write_runs(Path(folder) / "runs", num_runs, options.rows)
            for name, command in COMMANDS.items():
                words = [word.format(out=Path(folder) / "plot.png") for word in command]
                wall, busy = fastest([words[0], f"{folder}/runs", *words[1:]], options.rounds)
                row = {"command": name, "runs": num_runs, "rows": options.rows,
                       "wall_seconds": round(wall, 2), "processor_seconds": round(busy, 2)}
                print(json.dumps(row), flush=True)
                bar = BARS.get(num_runs, float("inf"))
                has_failed |= name.startswith("compare") and busy > bar
    return int(has_failed)


if __name__ == "__main__":
    sys.exit(main())
