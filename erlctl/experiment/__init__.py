"""The front door: spec files to resolved, checked runs, for every command. No TensorFlow."""

from erlctl.experiment.load import load_all, look_at
from erlctl.experiment.resolve import resolve

__all__ = ["load_all", "look_at", "resolve"]
