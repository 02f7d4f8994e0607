"""Callbacks as a user would write them."""

from __future__ import annotations

import json
from pathlib import Path

from erlctl.callbacks import Callback


class Notes(Callback):
    """Writes down every call, to a file."""

    def __init__(self, path, stop_at=None):
        self.path, self.stop_at = Path(path), stop_at

    def _note(self, *what):
        with self.path.open("a") as file:
            file.write(json.dumps(what) + "\n")

    def on_start(self, run, step):
        self._note("start", run.label, step)

    def on_evaluation(self, run, event):
        self._note("evaluation", event.step)
        return "seen enough" if event.step == self.stop_at else None

    def on_checkpoint(self, run, event):
        self._note("checkpoint", event.step)

    def on_end(self, run, outcome):
        self._note("end", outcome.status, json.loads(run.paths.run_json.read_text())["status"])


class Fails(Callback):
    """Raises at one of the calls."""

    def __init__(self, at="evaluation", unused=0):
        self.at = at

    def _raise(self, at):
        if at == self.at:
            raise ZeroDivisionError(f"in {at}")

    def on_start(self, run, step):
        self._raise("start")

    def on_evaluation(self, run, event):
        self._raise("evaluation")

    def on_checkpoint(self, run, event):
        self._raise("checkpoint")

    def on_end(self, run, outcome):
        self._raise("end")


class NeverBegins(Callback):
    """Begins nothing, so that it has nothing to end."""

    def on_start(self, run, step):
        raise ConnectionError("no network")

    def on_end(self, run, outcome):
        raise AssertionError("told of the end")


def no_callback():
    raise AssertionError("was called")
