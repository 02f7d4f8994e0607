"""One append-only TensorBoard event file per run, under the tag names of CleanRL and SB3.

`tf.summary` opens a new file per process and writes one record per scalar, so a resumed run's
curves go back in time. Here a row is one record, and the file is cut back like the CSV files.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from erlctl.runs.append import AppendOnlyFile

FILE_NAME = "events.out.tfevents.run"

# Column of a row -> tags. Other columns become `reg/<column>`.
TAGS: Mapping[str, tuple[str, ...]] = {
    "step": (),
    "wall_seconds": ("time/time_elapsed",),
    "updates": ("train/n_updates",),
    "episodes": ("time/episodes",),
    "return_mean": ("charts/episodic_return", "rollout/ep_rew_mean"),
    "return_std": ("rollout/ep_rew_std",),
    "length_mean": ("charts/episodic_length", "rollout/ep_len_mean"),
    "loss": ("losses/td_loss", "train/loss"),
    "q_mean": ("losses/q_values",),
    "epsilon": ("charts/epsilon", "rollout/exploration_rate"),
    "steps_per_second": ("charts/SPS", "time/fps"),
}
EVALUATION_TAGS: Mapping[str, tuple[str, ...]] = {
    "return_mean": ("eval/mean_reward", "eval/episodic_return"),
    "return_std": ("eval/std_reward",),
    "length_mean": ("eval/mean_ep_length",),
}


class EventFile(AppendOnlyFile):
    """Writes scalars to the run's event file.

    Args:
        folder: `tensorboard/` of the run; made if missing.
        length: Cut the file back to this many bytes first; 0 begins anew.
    """

    def __init__(self, folder: Path, length: int = 0) -> None:
        folder.mkdir(exist_ok=True)
        super().__init__(folder / FILE_NAME, length)
        self._records = RecordWriter(self)
        if self.offset == 0:
            self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))

    def row(self, row: Mapping[str, Any]) -> None:
        """Write a row of progress.csv at its `step`; missing values are left out."""
        self._scalars(
            row["step"],
            ((tag, value) for column, value in row.items() if value is not None
             for tag in TAGS.get(column, (f"reg/{column}",))),
        )

    def evaluation(self, step: int, summary: Mapping[str, float]) -> None:
        """Write an evaluation: `return_mean`, `return_std`, `length_mean`."""
        self._scalars(step, ((tag, summary[column]) for column, tags in EVALUATION_TAGS.items()
                             for tag in tags))

    def _scalars(self, step: int, scalars: Iterable[tuple[str, Any]]) -> None:
        values = [Summary.Value(tag=tag, simple_value=float(value)) for tag, value in scalars]
        self._write(Event(wall_time=time.time(), step=int(step), summary=Summary(value=values)))

    def _write(self, event: Event) -> None:
        self._records.write(event.SerializeToString())

    def write(self, data: bytes) -> None:
        """Append bytes; what `RecordWriter` calls."""
        self.add(data)
