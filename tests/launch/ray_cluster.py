"""A Ray cluster of two nodes of one core on this machine, until its standard input ends.

Prints the address. Then for each line read: `kill` ends the second node's raylet at once, `freeze`
and `thaw` stop the head's server and let it go on, `actors` prints how many actors there are; each
is answered with a line.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("RAY_raylet_start_wait_time_s", "120")  # the machine may be busy
from ray.cluster_utils import Cluster


def descendants(pid: str) -> Iterator[str]:
    """Yield the processes that a process has started, and those that they have started."""
    found: list[str] = []
    with contextlib.suppress(OSError):  # it has ended in the meantime
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            found += children.read_text(encoding="ascii").split()
    for child in found:
        yield child
        yield from descendants(child)


def is_actor(pid: str) -> bool:
    """Whether a process is an actor of ours, or a worker that one has started."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return command.startswith(b"ray::Actor") or b"erlctl.launch.worker" in command


def is_server(pid: str) -> bool:
    """Whether a process is the head's server, which everybody connects to first."""
    return b"gcs_server" in Path(f"/proc/{pid}/cmdline").read_bytes().partition(b"\0")[0]


if __name__ == "__main__":
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    print(cluster.address, flush=True)
    for line in sys.stdin:
        match line.strip():
            case "kill":
                cluster.remove_node(second, allow_graceful=False)
                print("killed", flush=True)
            case "freeze" | "thaw" as wish:
                number = signal.SIGSTOP if wish == "freeze" else signal.SIGCONT
                for pid in filter(is_server, descendants("self")):
                    os.kill(int(pid), number)
                print("frozen" if wish == "freeze" else "thawed", flush=True)
            case "actors":
                print(sum(map(is_actor, descendants("self"))), flush=True)
    cluster.shutdown()
