"""Environments as TensorFlow arithmetic, compiled into the training program."""

from erlctl.tensorflow_setup import check_keras

check_keras()
