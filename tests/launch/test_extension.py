"""Real training, extended and fine-tuned through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from erlctl import spec
from erlctl.runs import initial
from erlctl.runs.execute import execute
from erlctl.runs.layout import RunPaths
from erlctl.training.factory import make_program
from tests.runs.observe import rows
from tests.training.seeded import seeded

SPEC = """
name: {name}
environment: {{id: CartPole-v1}}
agent: {{algorithm: dqn}}
network: {{hidden: [16]}}
training: {{steps: {steps}, learning_starts: 100, replay_capacity: 2000, batch_size: 16{more}}}
evaluation: {{every: 1000, episodes: 3}}
checkpoint: {{every: 1000}}
logging: {{every: 500, tensorboard: false}}
"""


def run_of(folder: Path, name: str, steps: int, more: str = "") -> spec.RunSpec:
    path = folder / f"{name}-{steps}.yaml"
    path.write_text(SPEC.format(name=name, steps=steps, more=more))
    return spec.load(path).runs[0]


def tensors(folder: Path) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(str(folder / "state"))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def train(run: spec.RunSpec, runs_dir: Path) -> RunPaths:
    def program_for(run: spec.RunSpec):
        program = make_program(run)
        program.start(run)
        return program

    outcome = execute(run, runs_dir, program_for=program_for)
    assert outcome.status == "complete", outcome
    return RunPaths.of(runs_dir, run)


@pytest.mark.slow
def test_two_thousand_steps_extended_to_four_are_four_thousand_at_once(tmp_path):
    train(run_of(tmp_path, "study", 2000), tmp_path / "extended")
    extended = train(run_of(tmp_path, "study", 4000), tmp_path / "extended")
    at_once = train(run_of(tmp_path, "study", 4000), tmp_path / "at-once")
    for table in ("progress", "evaluations", "monitor"):
        assert rows(getattr(extended, table)) == rows(getattr(at_once, table))
    left, right = (tensors(paths.checkpoint(4000)) for paths in (extended, at_once))
    assert left.keys() == right.keys()
    assert all(left[name].tobytes() == right[name].tobytes() for name in left)


@pytest.mark.slow
@pytest.mark.parametrize("which", ["latest", "best"])
def test_fine_tuning_begins_with_the_networks_of_the_other_run(tmp_path, which):
    source = train(run_of(tmp_path, "source", 1000), tmp_path / "runs")
    program = make_program(run_of(tmp_path, "tuned", 1000))
    program.start(seeded(program.run, 7))
    initial.load(program, f"{source.root}@{which}")
    expected = tensors(source.checkpoint(1000, which == "latest"))
    weights = [name for name in expected if name.startswith(("agent/weights/", "agent/target_"))]
    for name in weights:
        assert (program.state()[name].numpy() == expected[name]).all()
    if which == "best":  # holds no targets: they begin equal to their networks
        assert not any(name.startswith("agent/target_") for name in weights)
        for name in weights:
            target = name.replace("agent/weights/", "agent/target_")
            assert (program.state()[target].numpy() == expected[name]).all()
    more = f", initial_checkpoint: '{source.root}@{which}'"
    tuned = train(run_of(tmp_path, "tuned", 1000, more), tmp_path / "runs")
    facts = json.loads(tuned.run_json.read_text())["initial_checkpoint"]
    assert (facts["run"], facts["step"]) == (str(source.root), 1000)
