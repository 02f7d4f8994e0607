"""The front door: spec files to resolved, checked runs, for every command. No TensorFlow."""

from erlctl.experiment.load import load_all
from erlctl.experiment.resolve import resolve

__all__ = ["load_all", "resolve"]
