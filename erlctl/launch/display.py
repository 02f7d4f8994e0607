"""What a batch shows on stderr while it runs: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from erlctl.events import Event
from erlctl.launch.board import Board, RunState, duration

# A terminal that was closed or a pipe whose reader left must not cost a run its checkpoint.
_UNHEARD = contextlib.suppress(OSError)
_LINE_SECONDS = 10.0  # between two plain lines of progress
_FRAME_SECONDS = 0.2
_BAR_WIDTH = 24
_OTHER_COLUMNS, _LEAST_LABEL = 72, 16  # bar, steps, speed, time left, return


class PlainDisplay:
    """One line per event, progress of every run at most every ten seconds."""

    def __init__(self, runs: Sequence[tuple[str, int]], stream: TextIO) -> None:
        self._board = Board(runs)
        self._stream = stream
        self._next_progress = time.monotonic() + _LINE_SECONDS

    def __enter__(self) -> PlainDisplay:
        return self

    def __exit__(self, *exception: object) -> None:
        del exception

    def __call__(self, event: Event) -> None:
        """Take an event of the batch."""
        sentence = self._board.apply(event)
        if sentence:
            self.say(sentence)
        if time.monotonic() >= self._next_progress:
            self._next_progress = time.monotonic() + _LINE_SECONDS
            for state in self._board.active:
                if state.phase == "training":
                    self.say(f"{state.label}: {state.describe()}")

    def say(self, sentence: str) -> None:
        """Print one line at once."""
        with _UNHEARD:
            print(_printable(sentence, self._stream), file=self._stream, flush=True)


class LiveDisplay:
    """The runs that are being trained and a bar for the whole, redrawn in place.

    Sentences scroll by above it, so that nothing is lost when it is cleared at the end.
    """

    def __init__(self, runs: Sequence[tuple[str, int]], stream: TextIO) -> None:
        self._board = Board(runs)
        self._console = Console(file=stream, highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True,
                          redirect_stdout=False, redirect_stderr=False)
        self._next_frame = 0.0

    def __enter__(self) -> LiveDisplay:
        with _UNHEARD:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with _UNHEARD:
            self._live.stop()

    def __call__(self, event: Event) -> None:
        """Take an event of the batch."""
        sentence = self._board.apply(event)
        if sentence:
            self.say(sentence)
        if time.monotonic() >= self._next_frame:
            self._next_frame = time.monotonic() + _FRAME_SECONDS
            with _UNHEARD:
                self._live.update(self._render(), refresh=True)

    def say(self, sentence: str) -> None:
        """Print one line above the table at once."""
        with _UNHEARD:
            self._console.print(Text(sentence), soft_wrap=True)

    def _render(self) -> Group:
        table = Table.grid(padding=(0, 2), expand=False)
        # The terminal's height is the limit: a taller table cannot be redrawn in place.
        for state in self._board.active[:max(self._console.height - 4, 1)]:
            table.add_row(*_row(state, max(self._console.width - _OTHER_COLUMNS, _LEAST_LABEL)))
        return Group(table, self._overall())

    def _overall(self) -> Table:
        runs = self._board.runs.values()
        total, done = sum(s.total_steps for s in runs), sum(s.step for s in runs)
        left = self._board.seconds_left
        table = Table.grid(padding=(0, 2))
        table.add_row(
            f"{self._board.done}/{len(self._board.runs)} runs",
            ProgressBar(total=max(total, 1), completed=done, width=_BAR_WIDTH),
            f"{100 * done // max(total, 1)}%",
            f"{duration(left)} left" if left is not None else "",
        )
        return table


def _row(state: RunState, width: int) -> tuple[Any, ...]:
    # Names of runs differ at their ends, so a narrow terminal cuts them at the front.
    label = state.label if len(state.label) <= width else f"…{state.label[1 - width:]}"
    if state.phase != "training":
        return Text(label), "", state.phase, "", "", ""
    left = state.seconds_left
    return (
        Text(label),
        ProgressBar(total=max(state.total_steps, 1), completed=state.step, width=_BAR_WIDTH),
        f"{state.step}/{state.total_steps}",
        f"{state.steps_per_second:.0f}/s",
        duration(left) if left is not None else "",
        f"return {state.last_return:.1f}" if state.last_return is not None else "",
    )


Display = PlainDisplay | LiveDisplay


def for_stream(runs: Sequence[tuple[str, int]], stream: TextIO | None = None) -> Display:
    """Return the display that suits `stream` (stderr): live only on a terminal that can redraw."""
    stream = sys.stderr if stream is None else stream
    can_redraw = stream.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
    return LiveDisplay(runs, stream) if can_redraw else PlainDisplay(runs, stream)


def silent(runs: Sequence[tuple[str, int]]) -> Display:
    """Return a display that nobody sees."""
    return PlainDisplay(runs, io.StringIO())


def _printable(text: str, stream: TextIO) -> str:
    """Return `text` with what the stream's encoding lacks as escapes, never an error."""
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
