"""Writes what the training loop tells: tables, event file, checkpoints, run.json."""

from __future__ import annotations

import contextlib
import errno
import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from erlctl.events import Evaluated, Message, OnEvent, Saved, Tick
from erlctl.runs.append import AppendOnlyFile
from erlctl.runs.layout import RunPaths, label_of
from erlctl.runs.manifest import Manifest
from erlctl.runs.preflight import free_bytes, megabytes, state_bytes
from erlctl.runs.record import RunRecord, write_log
from erlctl.runs.saver import Order, Saver
from erlctl.runs.tables import (
    EVALUATION_COLUMNS,
    MONITOR_COLUMNS,
    TableWriter,
    progress_columns,
)
from erlctl.spec.schema import RunSpec
from erlctl.training.chunk import Episodes

if TYPE_CHECKING:
    from erlctl.training.protocol import Program

Array = npt.NDArray[Any]

_FLUSH_SECONDS = 1.0
_RUN_JSON_SECONDS = 5.0


class RunRecorder:
    """The `training.loop.Recorder` of a run directory whose lock is held.

    Args:
        run: Resolved spec.
        paths: Run directory.
        program: At the step of `manifest`, or fresh.
        record: run.json.
        fingerprint: SHA-256 of spec.yaml.
        manifest: The checkpoint that `program` was restored from; the append-only files are cut
            back to its offsets. None begins them anew.
        on_event: Told of evaluations, checkpoints, messages and ticks.

    Attributes:
        step: Environment steps done, as far as it was told.
    """

    def __init__(
        self, run: RunSpec, paths: RunPaths, program: Program, record: RunRecord,
        fingerprint: str, manifest: Manifest | None, on_event: OnEvent,
    ) -> None:
        self._run, self._paths, self._program = run, paths, program
        self._record, self._on_event, self._label = record, on_event, label_of(run)
        offsets = manifest.offsets if manifest else {}
        self.step = manifest.step if manifest else 0
        self._seconds_before = float(manifest.extra.get("wall_seconds") or 0) if manifest else 0.0
        self._started = self._flushed = self._recorded = time.monotonic()
        self._warned: set[str] = set()
        self._open_tables(offsets)
        self._report_lost_rows(offsets)
        self._flush()
        self._saver = Saver(
            paths, self._files(), fingerprint=fingerprint, keep=run.checkpoint.keep,
            start=manifest, listener=self,
        )

    def _open_tables(self, offsets: Mapping[str, int]) -> None:
        paths = self._paths
        head = {"t_start": time.time(), "env_id": self._run.environment.id}
        self._tables = {
            "progress": TableWriter(
                paths.progress, progress_columns(self._program.metric_names),
                length=offsets.get("progress", 0),
            ),
            "evaluations": TableWriter(
                paths.evaluations, EVALUATION_COLUMNS, length=offsets.get("evaluations", 0)
            ),
            "monitor": TableWriter(
                paths.monitor, MONITOR_COLUMNS, preamble=f"#{json.dumps(head)}",
                length=offsets.get("monitor", 0),
            ),
        }
        self._events = None
        if self._run.logging.tensorboard:
            from erlctl.runs.tensorboard import EventFile  # TensorBoard only where it is used

            self._events = EventFile(paths.tensorboard, offsets.get("tensorboard", 0))

    def _report_lost_rows(self, offsets: Mapping[str, int]) -> None:
        for name, file in self._files().items():
            if file.offset < offsets.get(name, 0):
                self.message(
                    f"{file.path.name} has {file.offset} of the {offsets[name]} bytes that it had "
                    "at the checkpoint: rows are missing"
                )

    def _files(self) -> dict[str, AppendOnlyFile]:
        return {**self._tables, **({"tensorboard": self._events} if self._events else {})}

    @property
    def wall_seconds(self) -> float:
        """Seconds that the run has taken over all attempts, lost work left out."""
        return self._seconds_before + time.monotonic() - self._started

    def episodes(self, episodes: Episodes) -> None:
        """Write training episodes to monitor.csv."""
        seconds = round(self.wall_seconds, 6)
        for value, length in zip(episodes.returns, episodes.lengths, strict=True):
            self._tables["monitor"].append({"r": value, "l": length, "t": seconds})

    def progress(self, row: Mapping[str, float]) -> None:
        """Write a row of progress.csv and of the event file; absent figures stay empty."""
        row = {**row, "wall_seconds": self.wall_seconds}
        table = self._tables["progress"]
        if unknown := set(row) - set(table.columns) - self._warned:
            self._warned |= unknown
            self.message(f"progress.csv has no column for {', '.join(sorted(unknown))}")
        table.append(row)
        if self._events:
            self._events.row(row)

    def evaluation(self, step: int, returns: Array, lengths: Array) -> None:
        """Write an evaluation; the weights are kept if its mean return is the best so far."""
        seconds = self.wall_seconds
        for episode, (value, length) in enumerate(zip(returns, lengths, strict=True)):
            self._tables["evaluations"].append({
                "step": step, "episode": episode, "return": value, "length": length,
                "wall_seconds": seconds,
            })
        summary = {
            "return_mean": float(np.mean(returns)), "return_std": float(np.std(returns)),
            "length_mean": float(np.mean(lengths)),
        }
        if self._events:
            self._events.evaluation(step, summary)
        self._on_event(Evaluated(self._label, step, len(returns), **summary))
        if self._saver.is_best(summary["return_mean"]):
            self._save(step, best_return=summary["return_mean"])

    def checkpoint(self, step: int) -> None:
        """Save everything; a full disk is said, and the run goes on with the last checkpoint."""
        if not self._saver.is_saved(step):
            self._save(step)

    def _save(self, step: int, *, best_return: float | None = None) -> None:
        is_full = best_return is None
        self._saver.save(Order(
            step=step, state=self._state_to_save(weights_only=not is_full),
            has_replay=self._run.checkpoint.replay and is_full,
            wall_seconds=self.wall_seconds, best_return=best_return,
        ))

    def _state_to_save(self, *, weights_only: bool) -> dict[str, Any]:
        state = self._program.state()
        if weights_only:
            return {name: state[name] for name in self._program.weights_names}
        left_out = frozenset() if self._run.checkpoint.replay else self._program.replay_names
        return {name: value for name, value in state.items() if name not in left_out}

    def saved(self, step: int) -> None:
        """A checkpoint was published: run.json may tell of it."""
        self._record.facts.update(checkpoint=step)  # written by `tick` and the end
        self._on_event(Saved(self._label, step))

    def disk_is_full(self, order: Order, error: OSError) -> None:
        """Say once that there is no room: on the disk, or in what this user may have of it."""
        if "disk" in self._warned:
            return
        self._warned.add("disk")
        if error.errno == errno.EDQUOT:
            why = f"your disk quota is used up ({error.strerror}): no checkpoint at step"
            sizes = f"{megabytes(state_bytes(order.state))} needed; `quota -s` shows the limits"
        else:
            why = f"the disk is full ({error.strerror}): no checkpoint at step"
            sizes = (f"{megabytes(state_bytes(order.state))} needed, "
                     f"{megabytes(free_bytes(self._paths.root))} free")
        self.message(f"{why} {order.step} ({sizes}); the last one is kept, "
                     "the next one is tried at its time")

    @property
    def saved_step(self) -> int | None:
        """Step of the newest full checkpoint, None before the first; waits for it."""
        self._saver.finish()
        return self._saver.saved_step

    def message(self, text: str) -> None:
        """Write a sentence to log.txt and tell it."""
        write_log(self._paths.log, text)
        self._on_event(Message(self._label, text))

    def tick(self, step: int, steps_per_second: float) -> None:
        """Bring rows to the files now and then, so that others can watch the run."""
        self.step = step
        now = time.monotonic()
        if now - self._flushed > _FLUSH_SECONDS:
            self._flushed = now
            self._flush()
        if now - self._recorded > _RUN_JSON_SECONDS:
            self._recorded = now
            self._record.save(step=step)
        self._saver.look()
        self._on_event(Tick(self._label, step, float(steps_per_second)))

    def _flush(self) -> None:
        for file in self._files().values():
            file.flush()

    def close(self) -> None:
        """Bring everything to the files and close them, also if the disk fails."""
        with contextlib.ExitStack() as stack:
            for file in self._files().values():
                stack.callback(file.close)
            stack.callback(self._saver.close)
