"""Worker processes on this machine."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from erlctl.events import OnEvent
from erlctl.launch import machine, pool
from erlctl.launch.launcher import Batch, Launcher
from erlctl.launch.process import WorkerProcess
from erlctl.launch.results import BatchResult
from erlctl.registry import register


@register("launcher", "local")
@dataclass(frozen=True, kw_only=True)
class Local(Launcher):
    """Worker processes on this machine; it has no options."""

    def launch(self, batch: Batch, on_event: OnEvent) -> BatchResult:
        """See `Launcher`.

        Raises:
            ErlctlError: GPUs are asked for, and there is none.
        """
        if batch.device == "cpu":
            return pool.run_all(batch, on_event)
        return pool.run_all(batch, on_event, start_worker=_OnGpus(machine.require_gpus()).start)


class _OnGpus:
    """Starts workers, each on the GPU that has the fewest of them.

    Args:
        gpus: As CUDA names them.
    """

    def __init__(self, gpus: list[str]) -> None:
        self._gpus = gpus
        self._started: list[tuple[str, WorkerProcess]] = []

    def start(self, cores: int) -> WorkerProcess:
        """Start a worker that may use so many cores."""
        taken = Counter(gpu for gpu, worker in self._started if worker.is_alive)
        gpu = min(self._gpus, key=lambda each: taken[each])
        worker = WorkerProcess(cores, device="gpu", gpu=gpu)
        self._started.append((gpu, worker))
        return worker
