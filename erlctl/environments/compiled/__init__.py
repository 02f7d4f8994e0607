"""Environments as TensorFlow arithmetic, compiled into the training program."""
