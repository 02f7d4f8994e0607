"""Train, evaluate, compare and plot entropy- and KL-regularised RL agents from YAML specs.

    import erlctl

    batch = erlctl.train("experiments/quickstart.yaml", jobs=2)
    batch.runs.evaluations()                    # a pandas DataFrame
    erlctl.compare("runs/quickstart")           # a notebook shows the tables
    policy = erlctl.load_policy("runs/quickstart/dqn/seed-0")

See `erlctl.api`; importing this package imports nothing heavy.
"""

import importlib
from typing import TYPE_CHECKING, Any

from erlctl.tensorflow_setup import use_legacy_keras

__version__ = "0.1.0"
__all__ = ["compare", "load", "load_policy", "train"]

# Before anything imports TensorFlow.
use_legacy_keras()

if TYPE_CHECKING:
    from erlctl.api import compare, load, load_policy, train


def __getattr__(name: str) -> Any:
    """Return a function of the API, imported when it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("erlctl.api"), name)
