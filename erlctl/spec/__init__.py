"""Specs: YAML files to frozen dataclasses and back. No TensorFlow.

    experiment = spec.load("experiments/quickstart.yaml", overrides=["agent.gamma=0.95"])
    for run in experiment.runs: ...
"""

from erlctl.spec.canonical import diff, dump, fingerprint, plain, program_key
from erlctl.spec.load import Draft, load, load_run, parse_run
from erlctl.spec.schema import Experiment, RunSpec

__all__ = [
    "Draft", "Experiment", "RunSpec", "diff", "dump", "fingerprint", "load", "load_run",
    "parse_run", "plain", "program_key",
]
