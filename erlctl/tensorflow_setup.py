"""How TensorFlow is started: threads, log level, without its chatter; before it is imported."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator

# One thread for each operation: a pool of them makes small programs four times slower.
SETTINGS = {
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}

def quieten_tensorflow() -> None:
    """Set TensorFlow's environment as a worker has it and silence banners of its libraries."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    # gym prints a notice about gymnasium whenever it is imported.
    importlib.import_module("gym_notices.notices").notices.clear()
    importlib.import_module("absl.logging").set_verbosity("error")


def start_tensorflow() -> None:
    """Import TensorFlow as above and let XLA give the one notice that no setting silences."""
    quieten_tensorflow()
    tf = importlib.import_module("tensorflow")
    with _unheard():
        tf.function(lambda: tf.zeros(()), jit_compile=True, autograph=False)()


@contextlib.contextmanager
def _unheard() -> Iterator[None]:
    """Send what C++ writes to stderr nowhere."""
    sys.stderr.flush()
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)
