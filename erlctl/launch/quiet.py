"""TensorFlow in this process, one thread and without its chatter; call before it is imported."""

from __future__ import annotations

import importlib
import os

from erlctl.launch.process import TENSORFLOW_SETTINGS


def quieten_tensorflow() -> None:
    """Set TensorFlow's environment as a worker has it and silence banners of its libraries."""
    for name, value in TENSORFLOW_SETTINGS.items():
        os.environ.setdefault(name, value)
    # gym prints a notice about gymnasium whenever it is imported.
    importlib.import_module("gym_notices.notices").notices.clear()
    importlib.import_module("absl.logging").set_verbosity("error")
