"""The commands as functions of Python, for scripts and notebooks.

`train` is `erlctl train`, `load` finds runs as every reading command does, `compare` is
`erlctl compare`, and `load_policy` gives an agent that acts. Figures are functions of
`erlctl.analysis.figures` on `load(...).runs`; a notebook shows what they return.
"""

from erlctl.api.comparing import Compared, compare
from erlctl.api.policy import Policy, load_policy
from erlctl.api.results import Runs, load
from erlctl.api.training import TrainedBatch, train

__all__ = [
    "Compared", "Policy", "Runs", "TrainedBatch", "compare", "load", "load_policy", "train",
]
