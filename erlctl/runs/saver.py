"""Writes checkpoints while training goes on: in one thread, in the order they were asked for.

Only the copy of the values is made at once. Bringing rows and bytes to the disk, the sums, the
rename that publishes and the removal of what is old happen in the thread; what became of it is told
to the listener in the caller's thread.
"""

from __future__ import annotations

import concurrent.futures
import errno
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from erlctl.runs import catalogue, checkpoints, finite, provenance
from erlctl.runs.append import AppendOnlyFile
from erlctl.runs.layout import RunPaths
from erlctl.runs.manifest import Manifest
from erlctl.runs.preflight import MAX_COPY_BYTES, state_bytes

_DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, kw_only=True)
class Order:
    """A checkpoint to be written.

    Attributes:
        step: Environment steps done.
        state: Stable name -> variable or array, as they are now.
        has_replay: Whether the replay buffer is among them.
        wall_seconds: Seconds that the run has taken.
        best_return: For weights alone: their mean return, the best so far. None: a full checkpoint.
    """

    step: int
    state: Mapping[str, Any]
    has_replay: bool
    wall_seconds: float
    best_return: float | None = None


class Listener(Protocol):
    """Who is told what became of an order."""

    def saved(self, step: int) -> None:
        """A full checkpoint was published."""

    def disk_is_full(self, order: Order, error: OSError) -> None:
        """There was no room, as `error` says; what was there before is still there."""


class Saver:
    """Writes the checkpoints of one run whose lock is held.

    Args:
        paths: The run.
        files: Its append-only files by the names that manifests have for them.
        fingerprint: sha256 of the canonical spec.
        keep: How many full checkpoints are kept.
        start: The checkpoint that the run goes on from, None at its beginning.
        listener: Told of what was written and what was not.

    Attributes:
        saved_step: Step of the newest full checkpoint, None before the first.
    """

    def __init__(
        self, paths: RunPaths, files: Mapping[str, AppendOnlyFile], *, fingerprint: str,
        keep: int, start: Manifest | None, listener: Listener,
    ) -> None:
        self._paths, self._files = paths, files
        self._fingerprint, self._keep = fingerprint, keep
        self._listener = listener
        extra = start.extra if start else {}
        self.saved_step = start.step if start else None
        # Of the thread while anything is pending.
        self._best_return = _or(extra.get("best_return"), -math.inf)
        self._best_step: int | None = extra.get("best_step")
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "checkpoints")
        self._pending: deque[tuple[Order, concurrent.futures.Future[OSError | None]]] = deque()

    def is_best(self, mean_return: float) -> bool:
        """Return whether a return is above those of all weights that were kept."""
        self.finish()
        return mean_return > self._best_return

    def is_saved(self, step: int) -> bool:
        """Return whether there is a full checkpoint of `step`."""
        if any(order.step == step and order.best_return is None for order, _ in self._pending):
            self.finish()
        return step == self.saved_step

    def save(self, order: Order) -> None:
        """Have a checkpoint written, after those of earlier steps.

        Returns when the state may change again: a small one is copied, a large one is written
        first, because a second copy of it may not fit into the memory.

        Raises:
            DivergedError: An earlier order held a number that is not finite.
            OSError: The disk fails, now or with an earlier order.
        """
        if any(earlier.step != order.step for earlier, _ in self._pending):
            self.finish()
        try:
            for file in self._files.values():
                file.flush()
        except OSError as error:
            self._finalise(order, _full_disk(error))
            return
        is_large = state_bytes(order.state) > MAX_COPY_BYTES
        values = order.state if is_large else copy(order.state)
        offsets = {name: file.offset for name, file in self._files.items()}
        self._pending.append((order, self._thread.submit(self._write, order, values, offsets)))
        if is_large:
            self.finish()

    def _write(
        self, order: Order, values: Mapping[str, Any], offsets: Mapping[str, int]
    ) -> OSError | None:
        """In the thread: bring everything to the disk; return why there is no room, if so."""
        # The last update, whose loss was still finite, may have spoilt the weights; a bad reward
        # may lie in the replay and was not drawn yet.
        finite.check(values, order.step)
        is_full_checkpoint = order.best_return is None
        try:
            for file in self._files.values():
                file.wait_for_disk()
            checkpoints.save(
                values, self._paths, step=order.step, fingerprint=self._fingerprint,
                state_format=checkpoints.format_of(order.state),
                resumable=is_full_checkpoint, has_replay=order.has_replay, offsets=offsets,
                versions=provenance.versions(),
                extra={"best_return": self._best_return, "best_step": self._best_step,
                       "wall_seconds": order.wall_seconds},
            )
        except OSError as error:
            return _full_disk(error)
        if is_full_checkpoint:
            catalogue.prune(self._paths, keep=self._keep, best_step=self._best_step)
        else:
            self._best_return, self._best_step = _or(order.best_return, 0.0), order.step
        return None

    def look(self) -> None:
        """Tell what has become of orders in the meantime; does not wait.

        Raises:
            DivergedError: One held a number that is not finite.
            OSError: The disk fails.
        """
        while self._pending and self._pending[0][1].done():
            order, written = self._pending.popleft()
            self._finalise(order, written.result())

    def finish(self) -> None:
        """Wait until everything that was ordered is on the disk, and tell; raises as `look`."""
        concurrent.futures.wait([written for _, written in self._pending])
        self.look()

    def _finalise(self, order: Order, problem: OSError | None) -> None:
        if problem is not None:
            self._listener.disk_is_full(order, problem)
        elif order.best_return is None:
            self.saved_step = order.step
            self._listener.saved(order.step)

    def close(self) -> None:
        """Finish and end the thread, also if the disk fails."""
        try:
            self.finish()
        finally:
            self._thread.shutdown()


def copy(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values in memory of their own; `numpy()` may share the variable's."""
    return {name: np.array(value) for name, value in state.items()}


def _full_disk(error: OSError) -> OSError:
    """Return an error that means a full disk; raise any other."""
    if error.errno not in _DISK_IS_FULL:
        raise error
    return error


def _or(value: Any, default: float) -> float:
    return float(value) if isinstance(value, (int, float)) else default
