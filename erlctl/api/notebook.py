"""The progress of a batch in a notebook: a table below the cell, redrawn in place."""

from __future__ import annotations

import html
import sys
import time
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from erlctl.events import Event
from erlctl.launch.board import Board, RunState, duration

_FRAME_SECONDS = 0.5
_SENTENCES, _ROWS = 8, 20


def is_notebook() -> bool:
    """Return whether this is a kernel of Jupyter; IPython in a terminal is none."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and getattr(shell, "kernel", None) is not None


class Display:
    """Runs that are being trained, the whole, and the newest sentences; needs IPython alone.

    Args:
        runs: Label and steps of each run.
    """

    def __init__(self, runs: Sequence[tuple[str, int]]) -> None:
        self._board = Board(runs)
        self._sentences: deque[str] = deque(maxlen=_SENTENCES)
        self._next_frame = 0.0
        self._handle: Any = None

    def __enter__(self) -> Display:
        from IPython.display import display

        self._handle = display(self, display_id=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._handle.update(self)

    def __call__(self, event: Event) -> None:
        """Take an event of the batch."""
        sentence = self._board.apply(event)
        if sentence:
            self._sentences.append(sentence)
        if time.monotonic() >= self._next_frame:
            self._next_frame = time.monotonic() + _FRAME_SECONDS
            self._handle.update(self)

    def say(self, sentence: str) -> None:
        """Show a sentence at once."""
        self._sentences.append(sentence)
        self._handle.update(self)

    def __repr__(self) -> str:
        states = [f"{state.label}: {state.phase} {state.describe()}" for state in self._shown]
        return "\n".join([self._overall, *states, *self._sentences])

    def _repr_html_(self) -> str:
        rows = "".join(_row(state) for state in self._shown)
        said = "<br>".join(map(html.escape, self._sentences))
        return (f"<p><b>{html.escape(self._overall)}</b></p><table>{rows}</table>"
                f"<p><small>{said}</small></p>")

    @property
    def _shown(self) -> list[RunState]:
        return self._board.active[:_ROWS]

    @property
    def _overall(self) -> str:
        left = self._board.seconds_left
        eta = f", {duration(left)} left" if left is not None else ""
        return f"{self._board.done} of {len(self._board.runs)} runs done{eta}"


def _row(state: RunState) -> str:
    bar = f'<progress max="{max(state.total_steps, 1)}" value="{state.step}"></progress>'
    figures = state.describe() if state.phase == "training" else state.phase
    return (f"<tr><td>{html.escape(state.label)}</td><td>{bar}</td>"
            f"<td>{html.escape(figures)}</td></tr>")
