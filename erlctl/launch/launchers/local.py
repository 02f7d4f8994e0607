"""Worker processes on this machine."""

from __future__ import annotations

from dataclasses import dataclass

from erlctl.events import OnEvent
from erlctl.launch import pool
from erlctl.launch.launcher import Batch, Launcher
from erlctl.launch.results import BatchResult
from erlctl.registry import register


@register("launcher", "local")
@dataclass(frozen=True, kw_only=True)
class Local(Launcher):
    """Worker processes on this machine; it has no options."""

    def launch(self, batch: Batch, on_event: OnEvent) -> BatchResult:
        """See `Launcher`."""
        return pool.run_all(batch, on_event)
