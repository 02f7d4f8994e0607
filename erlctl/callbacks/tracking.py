"""What trackers share: rows of the run's own tables, each told once."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator
from typing import Any

from erlctl.callbacks.base import Callback, RunInfo
from erlctl.errors import ErlctlError
from erlctl.events import Evaluated, Outcome, Saved
from erlctl.runs.layout import read_run_json
from erlctl.spec.canonical import plain

Config = dict[str, str | int | float | bool | None]


def require(package: str, extra: str) -> None:
    """Refuse a tracker whose package is missing, without importing it.

    Raises:
        ErlctlError: With the command that installs it.
    """
    if importlib.util.find_spec(package) is None:
        raise ErlctlError(f"the package {package} is not installed",
                          fix=f"pip install 'erlctl[{extra}]'")


class Tracker(Callback):
    """A callback that copies evaluations and rows of progress.csv to another program.

    The run directory stays the truth: figures are read from it when a checkpoint was written and at
    the end. A resumed run goes on from its checkpoint.
    """

    _told = 0.0

    def begin(self, run: RunInfo, run_id: str, config: Config) -> None:
        """Open or continue what the tracker calls a run; `run_id` is the same in all attempts."""
        raise NotImplementedError

    def log(self, figures: dict[str, float], step: int) -> None:
        """Send figures of an environment step."""
        raise NotImplementedError

    def finish(self, outcome: Outcome) -> None:
        """Close it."""
        raise NotImplementedError

    def on_start(self, run: RunInfo, step: int) -> None:
        """Open it with the whole spec."""
        self._told = float(step)
        config = dict(_flat(plain(run.spec), ""))
        self.begin(run, str(read_run_json(run.paths)["run_id"]), config)

    def on_evaluation(self, run: RunInfo, event: Evaluated) -> None:
        """Send an evaluation."""
        del run
        self.log({"evaluation/return_mean": event.return_mean,
                  "evaluation/return_std": event.return_std,
                  "evaluation/length_mean": event.length_mean}, event.step)

    def on_checkpoint(self, run: RunInfo, event: Saved) -> None:
        """Send the rows of progress.csv since the last time."""
        del event
        self._tell_progress(run)

    def on_end(self, run: RunInfo, outcome: Outcome) -> None:
        """Send what is left and close it."""
        self._tell_progress(run)
        self.finish(outcome)

    def _tell_progress(self, run: RunInfo) -> None:
        from erlctl.runs.tables import read_table  # NumPy: not for the command's help

        columns = read_table(run.paths.progress).columns
        for index, step in enumerate(columns.get("step", ())):
            if step > self._told:
                self._told = float(step)
                self.log({
                    f"training/{name}": float(values[index]) for name, values in columns.items()
                    if name != "step" and math.isfinite(values[index])
                }, int(step))


def _flat(value: dict[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for key, below in value.items():
        name = f"{path}.{key}" if path else key
        if isinstance(below, dict):
            yield from _flat(below, name)
        else:
            yield name, str(below) if isinstance(below, list) else below
