"""What a callback is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from erlctl.events import Evaluated, Outcome, Saved
from erlctl.runs.layout import RunPaths, label_of
from erlctl.spec.schema import RunSpec


@dataclass(frozen=True)
class RunInfo:
    """The run that a callback is called by.

    Attributes:
        spec: Its resolved spec.
        paths: Its directory; a callback reads there and writes nothing.
    """

    spec: RunSpec
    paths: RunPaths

    @property
    def label(self) -> str:
        """`<name>/<variant>/seed-<n>`."""
        return label_of(self.spec)

    @property
    def root(self) -> Path:
        """The run directory."""
        return self.paths.root


class Callback:
    """Base of all callbacks: override what you need.

    Attributes:
        name: What messages call it; set by whoever made it.
    """

    name = ""

    def on_start(self, run: RunInfo, step: int) -> str | None:
        """Training begins at `step`, not 0 after a resume; return why to stop there, or None."""

    def on_evaluation(self, run: RunInfo, event: Evaluated) -> str | None:
        """An evaluation was made; return why the run is to stop, or None to go on.

        A run that a callback stops writes a checkpoint and is complete: the same line again skips
        it. More `training.steps` go on from there, as far as callbacks let them.
        """

    def on_checkpoint(self, run: RunInfo, event: Saved) -> str | None:
        """A full checkpoint was published; return why the run is to stop, or None to go on."""

    def on_end(self, run: RunInfo, outcome: Outcome) -> None:
        """The run has ended, well or not; its files are as they will stay.

        Not called where `on_start` raised or was not reached.
        """
