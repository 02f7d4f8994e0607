"""Train, evaluate, compare and plot entropy- and KL-regularised RL agents from YAML specs."""

__version__ = "0.1.0"
