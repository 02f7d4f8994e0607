"""What a launcher costs: the same runs through the local pool and through Ray on this machine.

    python benchmarks/launchers.py
    python benchmarks/launchers.py --runs 4 --steps 2000 --repeats 1     whether it runs at all

Sixteen seeds of one CartPole program, two at once. Both times are of the whole command: start,
import, compilation, training, files. The Ray cluster is started before and is not counted, as it is
not when it is somebody's cluster. The two launchers take turns, because the machine's own speed
changes; the ratio is of the medians. Exit code 1: the bar was missed.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from erlctl.launch.process import worker_environment

MOST = 1.15
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


def seconds(folder: Path, jobs: int, options: list[str]) -> float:
    """Return how long `erlctl train` takes for the spec in `folder`, from nothing."""
    with tempfile.TemporaryDirectory() as runs_dir:
        begun = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "erlctl", "train", str(folder / "spec.yaml"),
             "--jobs", str(jobs), "--cores", "1", "--runs-dir", runs_dir, *options],
            env=worker_environment(), check=True, capture_output=True,
        )
        return time.perf_counter() - begun


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
    times: dict[str, list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "spec.yaml").write_text(
            SPEC.format(steps=arguments.steps, runs=arguments.runs), encoding="utf-8")
        for _ in range(arguments.repeats):
            for way, options in ways.items():
                times[way].append(seconds(folder, arguments.jobs, options))
    cluster.shutdown()
    median = {way: statistics.median(each) for way, each in times.items()}
    for way, each in times.items():
        print(f"{way:14} {median[way]:7.1f} s  {median[way] / median['local']:.2f} of local  "
              f"({', '.join(f'{value:.1f}' for value in each)})")
    ratio = median["ray"] / median["local"]
    print(f"{arguments.runs} runs of {arguments.steps} steps, {arguments.jobs} at once: Ray takes "
          f"{ratio:.2f} of the local pool's time; at most {MOST:.2f} is allowed")
    return int(ratio > MOST)


if __name__ == "__main__":
    sys.exit(main())
