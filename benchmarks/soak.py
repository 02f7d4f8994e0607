"""Kill a batch of two workers at random moments, run the same line again, compare bytes.

    make soak                                   ten minutes
    make soak ARGS="--kills 200" MINUTES=90     until there were 200 blows
    make soak ARGS="--seed 7"                   other moments

Every round trains the same spec in a fresh folder. It is killed (SIGKILL to all processes, to the
parent or to one worker; SIGTERM, SIGINT) and started again until it ends by itself. After every end
nothing may be damaged and no run may claim to be running; at the end of a round weights, replay,
random generators and every column of every table but the clocks must equal the reference's.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from erlctl.runs import fsck
from erlctl.runs.layout import find_runs, read_run_json

SPEC = """\
schema: 1
name: soak
environment: {id: CartPole-v1}
agent: {algorithm: munchausen_dqn}
network: {type: mlp, hidden: [16]}
training: {steps: 40000, learning_starts: 500, batch_size: 16, replay_capacity: 5000}
evaluation: {every: 4000, episodes: 5}
checkpoint: {every: 1000}
logging: {every: 500}
seeds: 2
"""
TABLES = ("progress.csv", "evaluations.csv", "monitor.csv")
CLOCKS = {"wall_seconds", "steps_per_second", "t"}
# Exit codes after which the same line is simply run again; 3: a worker was killed, 6: the killed
# workers still end.
RETRY = {-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, 3, 6, 75, 130, 143}


@dataclass(frozen=True)
class Blow:
    """A way to be stopped: `signum` to the processes that `targets` chooses.

    Attributes:
        targets: Takes the parent's pid, its workers' and a random choice among them.
        ends_batch: Whether the parent ends soon after.
    """

    name: str
    signum: int
    targets: Callable[[int, list[int], random.Random], list[int]]
    ends_batch: bool = True


def _all(parent: int, workers: list[int], rng: random.Random) -> list[int]:
    del rng
    return [parent, *workers]


def _parent(parent: int, workers: list[int], rng: random.Random) -> list[int]:
    del workers, rng
    return [parent]


def _worker(parent: int, workers: list[int], rng: random.Random) -> list[int]:
    del parent
    return [rng.choice(workers)] if workers else []


BLOWS = (
    Blow("SIGKILL to all", signal.SIGKILL, _all),
    Blow("SIGKILL to the parent", signal.SIGKILL, _parent),
    Blow("SIGKILL to a worker", signal.SIGKILL, _worker, ends_batch=False),
    Blow("SIGKILL to a worker", signal.SIGKILL, _worker, ends_batch=False),
    Blow("SIGTERM to the parent", signal.SIGTERM, _parent),
    Blow("SIGINT to the parent", signal.SIGINT, _parent),
)


@dataclass
class Soak:
    """Rounds in a folder.

    Attributes:
        folder: Where everything is.
        rng: Chooses moments and blows.
        is_over: Takes how many blows there were; whether there have been enough.
        longest: Seconds that the undisturbed batch takes.
        blows: Names of the blows so far.
        resumed: How many runs went on from a checkpoint.
    """

    folder: Path
    rng: random.Random
    is_over: Callable[[int], bool]
    longest: float = 0.0
    blows: list[str] = field(default_factory=list)
    resumed: int = 0

    def go(self) -> int:
        """Run rounds until it is over; return how many there were."""
        (self.folder / "soak.yaml").write_text(SPEC, encoding="utf-8")
        reference = self._runs_dir("reference")
        begun = time.monotonic()
        if self._start(reference).wait() != 0:
            raise SystemExit(f"the reference failed; see {reference.parent / 'output.txt'}")
        self.longest = time.monotonic() - begun
        print(f"reference: {self.longest:.0f} s", flush=True)
        rounds = 0
        while not self.is_over(len(self.blows)) or not rounds:
            rounds += 1
            runs_dir = self._runs_dir(f"round-{rounds}")
            before = len(self.blows)
            self._train_with_blows(runs_dir)
            self._compare(reference, runs_dir)
            print(f"round {rounds}: {len(self.blows) - before} blows, {len(self.blows)} in all, "
                  f"{self.resumed} resumed from a checkpoint; same bytes", flush=True)
        return rounds

    def _runs_dir(self, name: str) -> Path:
        (self.folder / name).mkdir()
        return self.folder / name / "runs"

    def _start(self, runs_dir: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "erlctl", "train", str(self.folder / "soak.yaml"),
                   "--runs-dir", str(runs_dir), "--jobs", "2"]
        with (runs_dir.parent / "output.txt").open("ab") as output:
            return subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)

    def _train_with_blows(self, runs_dir: Path) -> None:
        code: int | None = None
        while code != 0:
            code = self._one_line(runs_dir)
            if code not in RETRY | {0}:
                raise SystemExit(f"exit code {code}; see {runs_dir.parent / 'output.txt'}")
            if code == 6:  # the line is that of a user who waits a little
                time.sleep(1.0)
            check_invariants(runs_dir)
        for run in find_runs([runs_dir]).runs:
            attempts = read_run_json(run)["attempts"]
            self.resumed += sum(attempt["from_step"] > 0 for attempt in attempts)

    def _one_line(self, runs_dir: Path) -> int:
        """Run the line, striking until it ends; return its exit code."""
        process = self._start(runs_dir)
        while not self.is_over(len(self.blows)):
            try:
                return process.wait(timeout=self.rng.uniform(0.0, self.longest))
            except subprocess.TimeoutExpired:
                blow = self.rng.choice(BLOWS)
            if strike(process.pid, blow, self.rng):
                self.blows.append(blow.name)
                if blow.ends_batch:
                    break
        return process.wait(timeout=600)

    def _compare(self, reference: Path, runs_dir: Path) -> None:
        for run in find_runs([reference]).runs:
            twin = runs_dir / run.root.relative_to(reference)
            wrong = differences(run.root, twin)
            if wrong:
                raise SystemExit(f"{twin} differs from {run.root}: {', '.join(wrong)}")


def strike(parent: int, blow: Blow, rng: random.Random) -> bool:
    """Send the signal; return whether somebody got it."""
    children = Path(f"/proc/{parent}/task/{parent}/children")
    try:
        workers = [int(pid) for pid in children.read_text().split()]
    except OSError:
        return False
    targets = blow.targets(parent, workers, rng)
    for pid in targets:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, blow.signum)
    return bool(targets)


def check_invariants(runs_dir: Path) -> None:
    """Fail if a run that nobody writes to is damaged or claims to be running."""
    for run in find_runs([runs_dir]).runs:
        status = read_run_json(run)["status"]
        damage = [f for f in fsck.check(run) if f.is_damage]
        if damage and status != "running":
            raise SystemExit(f"{run} is damaged: {damage}")


def table(path: Path) -> list[list[str]]:
    """Return the rows of a table without the columns that tell the time."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if not row[0].startswith("#")]
    kept = [i for i, name in enumerate(rows[0]) if name not in CLOCKS]
    return [[row[i] for i in kept] for row in rows]


def differences(reference: Path, run: Path) -> list[str]:
    """Return what differs between two run directories."""
    found = [name for name in TABLES if table(reference / name) != table(run / name)]
    found += [str(name) for name in states(reference) if not same(reference / name, run / name)]
    return found + [f"left behind: {path.name}" for path in run.rglob("*tmp*")]


def states(run: Path) -> Iterator[Path]:
    """Yield the data of the newest checkpoint, relative to the run."""
    latest = int((run / "checkpoints" / "latest").read_text(encoding="utf-8"))
    yield from (path.relative_to(run)
                for path in (run / "checkpoints" / f"{latest:09d}").glob("state.data*"))


def same(one: Path, other: Path) -> bool:
    """Return whether two files hold the same bytes."""
    return other.exists() and one.read_bytes() == other.read_bytes()


def main() -> None:
    """Parse, soak in a folder that is kept when something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--kills", type=int, default=10**9, help="end after so many blows")
    parser.add_argument("--seed", type=int, default=0, help="chooses moments and blows")
    options = parser.parse_args()
    ends = time.monotonic() + 60 * options.minutes

    def is_over(blows: int) -> bool:
        return time.monotonic() > ends or blows >= options.kills

    with tempfile.TemporaryDirectory(prefix="erlctl-soak-") as folder:
        soak = Soak(Path(folder), random.Random(options.seed), is_over)
        try:
            rounds = soak.go()
        except BaseException:
            kept = Path(folder).rename(f"{folder}-kept")
            Path(folder).mkdir()
            print(f"everything is in {kept}", file=sys.stderr)
            raise
    kinds = ", ".join(f"{soak.blows.count(name)} {name}" for name in sorted(set(soak.blows)))
    print(f"{rounds} rounds, {len(soak.blows)} blows ({kinds}), {soak.resumed} runs resumed from a "
          "checkpoint: nothing damaged, every byte as in the batch that was left alone")


if __name__ == "__main__":
    main()
