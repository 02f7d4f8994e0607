"""Train, evaluate, compare and plot entropy- and KL-regularised RL agents from YAML specs."""

from erlctl.tensorflow_setup import use_legacy_keras

__version__ = "0.1.0"

# Before anything imports TensorFlow.
use_legacy_keras()
