"""A run that erlctl 0.1.0 wrote under TensorFlow 2.15, Keras 2.15 and NumPy 1.26 is still read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from erlctl.runs import provenance
from tests.cli.helpers import erlctl

FIXTURE = Path(__file__).parent / "fixtures" / "tf215"
SEED = Path("munchausen_dqn") / "seed-0"


@pytest.fixture
def study(tmp_path):
    return shutil.copytree(FIXTURE, tmp_path / "runs" / "tf215")


def test_it_is_listed_and_drawn(study, tmp_path):
    (row,) = json.loads(erlctl("ls", study.parent, "--format", "json").out)["rows"]
    assert (row["status"], row["step"]) == ("complete", 300)
    result = erlctl("plot", study, "-o", tmp_path / "curve.png")
    assert result.code == 0, result.err
    assert (tmp_path / "curve.png").stat().st_size > 0


def test_its_checkpoint_plays_as_it_did_under_the_old_stack(study):
    """The returns are what `erlctl eval` printed under TensorFlow 2.15 (seed 0)."""
    result = erlctl("eval", study / SEED, "--episodes", 5, "--format", "json")
    assert result.code == 0, result.err
    (row,) = json.loads(result.out)["evaluations"]
    assert (row["step"], row["returns"]) == (300, [9.0, 10.0, 8.0, 10.0, 11.0])


def test_its_saved_policy_loads_with_tensorflow_alone(study):
    import tensorflow as tf

    policy = tf.saved_model.load(str(study / SEED / "policy"))
    observation = np.array([[0.0, 0.0, 0.05, 0.1], [0.0, 0.0, -0.05, -0.1]], np.float32)
    signature = policy.signatures["action"]
    inputs = signature.structured_input_signature[1]
    given = {name: tf.constant(observation) if "observation" in name
             else tf.zeros([2, *spec.shape[1:]], spec.dtype) for name, spec in inputs.items()}
    (action,) = signature(**given).values()
    assert set(action.numpy()) <= {0, 1}


def test_going_on_under_another_tensorflow_is_said(study):
    then = json.loads((study / SEED / "run.json").read_text(encoding="utf-8"))["versions"]
    said = provenance.differences(then, provenance.versions())
    assert any(line.startswith("tensorflow 2.15.1 -> 2.2") for line in said)
    assert any(line.startswith("numpy 1.26.4 -> 2.") for line in said)
