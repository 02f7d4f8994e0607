"""Callbacks: code of the user's that a run calls while it trains. No TensorFlow.

    # early.py
    from erlctl.callbacks import Callback

    class Enough(Callback):
        def __init__(self, score: float = 400.0) -> None:
            self.score = score

        def on_evaluation(self, run, event):
            return f"reached {self.score}" if event.return_mean >= self.score else None

    erlctl train spec.yaml --callback early.py:Enough,score=450 --trust early.py

A callback is named as `module:object` or `file.py:object`, with its arguments after commas; every
run gets one of its own, made in the process that trains the run (a worker on this machine or
another), never pickled. It is called there between chunks of steps, so that training waits for it.
What it raises fails the run. Ours need no `--trust`: `erlctl.callbacks:EarlyStopping`,
`erlctl.callbacks:Mlflow` (erlctl[mlflow]), `erlctl.callbacks:Wandb` (erlctl[wandb]).
"""

from erlctl.callbacks.base import Callback, RunInfo
from erlctl.callbacks.early_stopping import EarlyStopping
from erlctl.callbacks.mlflow import Mlflow
from erlctl.callbacks.wandb import Wandb

__all__ = ["Callback", "EarlyStopping", "Mlflow", "RunInfo", "Wandb"]
