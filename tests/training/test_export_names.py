"""The bytes of an exported policy depend on the run, not on what was built before it."""

import dataclasses

import pytest
import tensorflow as tf

from erlctl.options.networks import Conv, Features, Linear, Mlp
from erlctl.spec.schema import EnvironmentSection
from erlctl.training.factory import make_program
from tests.agents.cases import EVERY_ALGORITHM
from tests.contract.cases import small_run
from tests.training.build import declare

# TensorFlow counts the functions of a process; their names with these numbers stand in the graph,
# sorted. The fingerprint is the graph's.
NUMBERED = {"saved_model.pb", "fingerprint.pb"}
BREAKOUT = EnvironmentSection(id="MinAtar/Breakout-v1")
NETWORKS = {
    "dueling": Mlp(hidden=(8,), dueling="mean"), "linear": Linear(),
    "conv": Conv(hidden=(8,)), "dueling conv": Conv(hidden=(8,), dueling="max"),
    **{f"features {name}": Features(features=name, count=4, points=2)
       for name in ("rbf_grid", "nystroem", "fourier", "fastfood")},
}


def with_network(name, mode):
    run = dataclasses.replace(small_run(declare("dqn"), mode=mode), network=NETWORKS[name])
    return dataclasses.replace(run, environment=BREAKOUT) if "conv" in name else run


RUNS = {
    **{name: small_run(algorithm) for name, algorithm in EVERY_ALGORITHM.items()},
    **{f"{name}, {mode}": with_network(name, mode) for name in NETWORKS for mode in
       (("xla", "graph") if "conv" in name else ("graph",))},
}
QUICK = {*EVERY_ALGORITHM, "dueling, graph", "conv, xla"}  # of every run; the rest is slow
BETWEEN = dataclasses.replace(with_network("dueling conv", "xla"), agent=declare("munchausen_ac"))


def exported(run, folder):
    """Return the files of the run's policy that no number of a function can reach."""
    make_program(run).export_policy(str(folder))
    files = {str(path.relative_to(folder)): path.read_bytes()
             for path in folder.rglob("*") if path.is_file()}
    assert files.keys() > NUMBERED
    return {name: data for name, data in files.items() if name not in NUMBERED}


@pytest.mark.parametrize("name", [
    name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in RUNS])
def test_a_policy_has_the_same_bytes_whatever_was_built_before(name, tmp_path):
    first = exported(RUNS[name], tmp_path / "first")
    make_program(BETWEEN)
    tf.keras.Sequential([tf.keras.layers.Dense(1) for _ in range(3)])  # by somebody else
    second = exported(RUNS[name], tmp_path / "second")
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []
