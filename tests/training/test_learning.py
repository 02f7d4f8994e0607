"""That algorithms learn, with the settings and the seeds of the experiments that say so."""

from pathlib import Path

import numpy as np
import pytest

from erlctl.spec import load
from erlctl.training.factory import make_program

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"

# Of an experiment's variant: the return that its mean over seeds has at the end, and that every
# seed has in one of its evaluations.
TABLE = [("kernel_dpp", "dictionary", 400.0), ("kernel_dpp", "fourier", 400.0)]


@pytest.mark.slow
@pytest.mark.timeout(0)  # five runs each, on a machine that may be busy
@pytest.mark.parametrize(("experiment", "variant", "least"), TABLE)
def test_it_learns_within_the_steps_of_its_experiment(experiment, variant, least):
    runs = [run for run in load(EXPERIMENTS / f"{experiment}.yaml").runs if run.variant == variant]
    assert len(runs) >= 5
    program = make_program(runs[0])
    returns = []
    for run in runs:
        program.start(run.seed)
        returns.append([])
        for _ in range(run.training.steps // run.evaluation.every):
            assert program.advance(run.evaluation.every).diverged_at is None
            returns[-1].append(program.evaluate(run.evaluation.episodes)[0].mean())
    assert np.mean([seed[-1] for seed in returns]) >= least, returns
    assert np.min([max(seed) for seed in returns]) >= least, returns
