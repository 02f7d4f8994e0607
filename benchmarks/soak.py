"""Kill a run at random moments, run the same line again, compare bytes with one left alone.

    make soak                    ten minutes
    make soak MINUTES=60         as long as you like
    make soak ARGS="--seed 7"    other moments

Every round trains the same spec in a fresh folder. It is killed (SIGKILL to all its processes or to
the parent alone, SIGTERM, SIGINT) and started again until it ends by itself; then weights, replay,
random generators and every column of every table but the clocks must equal the reference's.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

SPEC = """\
schema: 1
name: soak
environment: {id: CartPole-v1}
agent: {algorithm: munchausen_dqn}
training: {steps: 60000, learning_starts: 500, replay_capacity: 20000}
evaluation: {every: 2000, episodes: 5}
checkpoint: {every: 1000}
logging: {every: 500}
seeds: 1
"""
RUN = Path("soak") / "munchausen_dqn" / "seed-0"
TABLES = ("progress.csv", "evaluations.csv", "monitor.csv")
CLOCKS = {"wall_seconds", "steps_per_second", "t"}
# Exit codes after which the same line is simply run again; 6: the killed workers still end.
RETRY = {-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, 6, 75, 130, 143}


@dataclass(frozen=True)
class Blow:
    """A way to be stopped: `signum` to the parent, or to all processes."""

    name: str
    signum: int
    to_all: bool


BLOWS = (
    Blow("SIGKILL to all", signal.SIGKILL, to_all=True),
    Blow("SIGKILL to the parent", signal.SIGKILL, to_all=False),
    Blow("SIGTERM to the parent", signal.SIGTERM, to_all=False),
    Blow("SIGINT to all", signal.SIGINT, to_all=True),
)


def start(spec: Path, runs_dir: Path) -> subprocess.Popen[bytes]:
    """Start `erlctl train` in a process group of its own."""
    command = [sys.executable, "-m", "erlctl", "train", str(spec), "--runs-dir", str(runs_dir)]
    with (runs_dir.parent / "output.txt").open("ab") as output:
        return subprocess.Popen(
            [*command, "--jobs", "1"], stdout=output, stderr=output, start_new_session=True
        )


def strike(process: subprocess.Popen[bytes], blow: Blow) -> None:
    """Send the signal, unless the process has ended meanwhile."""
    send = os.killpg if blow.to_all else os.kill
    try:
        send(process.pid, blow.signum)
    except ProcessLookupError:
        return


def train_with_blows(spec: Path, runs_dir: Path, rng: random.Random, longest: float) -> list[str]:
    """Train to the end through random blows; return them."""
    blows: list[str] = []
    while True:
        process = start(spec, runs_dir)
        try:
            code = process.wait(timeout=rng.uniform(0.0, longest))
        except subprocess.TimeoutExpired:
            blow = rng.choice(BLOWS)
            strike(process, blow)
            blows.append(blow.name)
            code = process.wait(timeout=120)
        if code == 0:
            return blows
        if code not in RETRY:
            raise SystemExit(f"exit code {code}; see {runs_dir.parent / 'output.txt'}")
        if code == 6:  # the line is that of a user who waits a little
            time.sleep(1.0)


def table(path: Path) -> list[list[str]]:
    """Return the rows of a table without the columns that tell the time."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if not row[0].startswith("#")]
    kept = [i for i, name in enumerate(rows[0]) if name not in CLOCKS]
    return [[row[i] for i in kept] for row in rows]


def differences(reference: Path, run: Path) -> list[str]:
    """Return what differs between two run directories."""
    found = [name for name in TABLES if table(reference / name) != table(run / name)]
    latest = (reference / "checkpoints" / "latest").read_text(encoding="utf-8").strip()
    for data in sorted((reference / "checkpoints").glob(f"*{latest}/state.data*")):
        name = data.relative_to(reference)
        twin = run / name
        if not twin.exists() or twin.read_bytes() != data.read_bytes():
            found.append(str(name))
    leftovers = [path.name for path in run.rglob("*tmp*")]
    return found + [f"left behind: {name}" for name in leftovers]


def soak(folder: Path, minutes: float, rng: random.Random) -> int:
    """Run rounds until the time is over; return how many there were."""
    spec = folder / "soak.yaml"
    spec.write_text(SPEC, encoding="utf-8")
    begun = time.monotonic()
    reference = folder / "reference" / "runs"
    reference.parent.mkdir()
    if start(spec, reference).wait() != 0:
        raise SystemExit(f"the reference failed; see {reference.parent / 'output.txt'}")
    longest = time.monotonic() - begun
    print(f"reference: {longest:.0f} s", flush=True)
    rounds = 0
    while time.monotonic() - begun < 60 * minutes or not rounds:
        rounds += 1
        runs_dir = folder / f"round-{rounds}" / "runs"
        runs_dir.parent.mkdir()
        blows = train_with_blows(spec, runs_dir, rng, longest)
        print(f"round {rounds}: {len(blows)} blows: {', '.join(blows) or 'none'}", flush=True)
        wrong = differences(reference / RUN, runs_dir / RUN)
        if wrong:
            raise SystemExit(f"{runs_dir / RUN} differs from {reference / RUN}: {', '.join(wrong)}")
    return rounds


def main() -> None:
    """Parse, soak in a folder that is kept when something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0, help="chooses moments and blows")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="erlctl-soak-") as folder:
        try:
            rounds = soak(Path(folder), options.minutes, random.Random(options.seed))
        except SystemExit:
            kept = Path(folder).rename(f"{folder}-kept")
            Path(folder).mkdir()
            print(f"everything is in {kept}", file=sys.stderr)
            raise
    print(f"{rounds} rounds, every byte as in the run that was left alone")


if __name__ == "__main__":
    main()
