"""The front door: spec files to resolved, checked runs, for every command. No TensorFlow."""

from erlctl.experiment.resolve import resolve

__all__ = ["resolve"]
