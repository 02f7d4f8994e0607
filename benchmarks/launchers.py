"""What a launcher costs: the same runs through the local pool and through Ray on this machine.

    python benchmarks/launchers.py
    python benchmarks/launchers.py --runs 4 --steps 2000 --repeats 1     whether it runs at all

Sixteen seeds of one CartPole program, two at once. Times are of the whole command: start, import,
compilation, training, files; so those of Ray hold its connecting and the start of its actors. The
cluster itself is started before, as it is when it is somebody's. Besides the wall's time, that of
processors is given, of all processes that the command has here, of Ray also what the cluster's own
take meanwhile: it says what a launcher costs where others use the machine. The launchers take
turns, because the machine's own speed changes; ratios are of the medians, and the bar holds for the
wall's. Exit code 1: the bar was missed.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from erlctl.launch.process import worker_environment

MOST = 1.15
SAMPLE_SECONDS = 0.25
SPEC = """\
schema: 1
name: launchers
environment: {{id: CartPole-v1}}
agent: {{algorithm: dqn}}
training: {{steps: {steps}, learning_starts: 1000}}
evaluation: {{every: 5000, episodes: 5}}
checkpoint: {{every: 10000}}
seeds: {runs}
"""


@dataclass(frozen=True)
class Cost:
    """What a command took, in seconds."""

    wall: float
    processor: float


class Meter:
    """Adds up the processor time of all processes below this one, also of those that end.

    Args:
        counts_cluster: Whether those count that were there before.
    """

    def __init__(self, *, counts_cluster: bool) -> None:
        self._counts_cluster = counts_cluster
        self._before = dict(processor_times())
        self._now = dict(self._before)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()

    def _sample(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            self._now.update(processor_times())

    def stop(self) -> float:
        """Return the seconds since the beginning; of a process up to its last sample."""
        self._over.set()
        self._thread.join()
        return sum(now - self._before.get(process, 0.0) for process, now in self._now.items()
                   if self._counts_cluster or process not in self._before)


def processor_times() -> Iterator[tuple[tuple[str, str], float]]:
    """Yield (process id, start) and seconds of every process below this one."""
    ticks, todo = os.sysconf("SC_CLK_TCK"), ["self"]
    while todo:
        folder = Path("/proc", todo.pop())
        with contextlib.suppress(OSError):  # it has ended
            for children in folder.glob("task/*/children"):
                todo += children.read_text().split()
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if folder.name != "self":
                user, system, start = fields[11], fields[12], fields[19]
                yield (folder.name, start), (int(user) + int(system)) / ticks


def cost(folder: Path, jobs: int, options: list[str]) -> Cost:
    """Return what `erlctl train` takes for the spec in `folder`, from nothing."""
    with tempfile.TemporaryDirectory() as runs_dir:
        meter, begun = Meter(counts_cluster=bool(options)), time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "erlctl", "train", str(folder / "spec.yaml"),
             "--jobs", str(jobs), "--cores", "1", "--runs-dir", runs_dir, *options],
            env=worker_environment(), check=True, capture_output=True,
        )
        return Cost(time.perf_counter() - begun, meter.stop())


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=16)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    if importlib.util.find_spec("ray") is None:
        print("launchers: Ray is not installed (pip install 'erlctl[ray]'), nothing to compare")
        return 0
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={
        "num_cpus": arguments.jobs, "include_dashboard": False})
    through_ray = ["--launcher", "ray", "--launcher-option", f"address={cluster.address}"]
    ways: dict[str, list[str]] = {
        "local": [], "ray": through_ray,
        "ray sync=true": [*through_ray, "--launcher-option", "sync=true"],
    }
    costs: dict[str, list[Cost]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "spec.yaml").write_text(
            SPEC.format(steps=arguments.steps, runs=arguments.runs), encoding="utf-8")
        for _ in range(arguments.repeats):
            for way, options in ways.items():
                costs[way].append(cost(folder, arguments.jobs, options))
    cluster.shutdown()
    ratio = 0.0
    for kind in ("wall", "processor"):
        times = {way: [getattr(each, kind) for each in found] for way, found in costs.items()}
        median = {way: statistics.median(each) for way, each in times.items()}
        for way, each in times.items():
            print(f"{kind:9} {way:14} {median[way]:7.1f} s  {median[way] / median['local']:.2f} of "
                  f"local  ({', '.join(f'{value:.1f}' for value in each)})")
        ratio = ratio or median["ray"] / median["local"]
    print(f"{arguments.runs} runs of {arguments.steps} steps, {arguments.jobs} at once: Ray takes "
          f"{ratio:.2f} of the local pool's time; at most {MOST:.2f} is allowed")
    return int(ratio > MOST)


if __name__ == "__main__":
    sys.exit(main())
