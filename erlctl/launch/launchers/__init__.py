"""Launchers by name; each module registers one. No TensorFlow."""
