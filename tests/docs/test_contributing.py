"""Every recipe of CONTRIBUTING.md is run as a file of one's own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from erlctl import cli
from erlctl.runs.layout import RunPaths, read_run_json
from tests.analysis import synthetic
from tests.cli.helpers import erlctl
from tests.docs.pages import ROOT, blocks

RECIPES = {
    block.text.partition("\n")[0].removeprefix("# "): block.text
    for block in blocks(ROOT / "CONTRIBUTING.md") if block.language == "python"
}
BASE = {
    "name": "recipe", "environment": "{id: CartPole-v1}", "agent": "{algorithm: dqn}",
    "network": "{type: mlp, hidden: [8]}", "optimizer": "{type: adam}",
    "training": "{steps: 120, learning_starts: 20, batch_size: 8, replay_capacity: 100}",
    "evaluation": "{every: 100, episodes: 2}", "logging": "{every: 100, tensorboard: false}",
    "seeds": "1",
}
# What a spec says to use each, and other words of `train`.
USES = {
    "soft_gap.py": ({"agent": "{algorithm: soft_gap, alpha: 0.5}"}, ()),
    "steady.py": ({"agent": "{algorithm: steady_momentum, weight: 0.8}"}, ()),
    "wide_tanh.py": ({"network": "{type: wide_tanh, units: 16}"}, ()),
    "nadam.py": ({"optimizer": "{type: nadam, learning_rate: 1e-3, beta_1: 0.8}"}, ()),
    "corridor.py": ({"environment": "{id: Corridor, kwargs: {length: 4}}"}, ()),
    "polite.py": ({}, ("--launcher", "polite", "--launcher-option", "niceness=3")),
    # After the first evaluation, at step 100 of 120.
    "enough.py": ({}, ("--callback", "enough.py:Enough,score=1")),
}


def call(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "erlctl", *map(str, arguments)], capture_output=True, text=True,
        check=False, env={**os.environ, "PYTHONPATH": str(ROOT)})


def test_every_recipe_is_run():
    assert set(RECIPES) == {*USES, "count.py"}


def write(name: str) -> None:
    Path(name).write_text(RECIPES[name])
    lines = {**BASE, **USES[name][0]}
    Path("spec.yaml").write_text("".join(f"{key}: {text}\n" for key, text in lines.items()))


@pytest.mark.parametrize("name", USES)
def test_a_recipe_is_known_with_trust_and_unknown_without(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(name)
    with_trust = call("validate", "spec.yaml", "--trust", name)
    assert with_trust.returncode == 0, with_trust.stderr
    if USES[name][0]:
        assert call("validate", "spec.yaml").returncode == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", USES)
def test_a_recipe_trains(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(name)
    done = call("train", "spec.yaml", "--trust", name, *USES[name][1])
    assert done.returncode == 0, done.stderr
    (run,) = Path("runs/recipe").glob("*/seed-0")
    facts = read_run_json(RunPaths(run))
    assert facts["status"] == "complete"
    assert facts["step"] == (100 if name == "enough.py" else 120)


def test_new_writes_a_spec_of_the_recipe_algorithm(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("soft_gap.py")
    done = call("new", "mine", "--env", "CartPole-v1", "--algorithm", "soft_gap",
                "--trust", "soft_gap.py")
    assert done.returncode == 0, done.stderr
    assert "alpha: 0.9" in Path("mine.yaml").read_text()
    assert "log-sum-exp" in call("algorithms", "soft_gap", "--trust", "soft_gap.py").stdout


def test_the_command_of_the_recipe_counts(tmp_path, monkeypatch):
    path = tmp_path / "count.py"
    path.write_text(RECIPES["count.py"])
    module_spec = importlib.util.spec_from_file_location("erlctl.cli.count", path)
    module = importlib.util.module_from_spec(module_spec)
    monkeypatch.setitem(sys.modules, "erlctl.cli.count", module)
    module_spec.loader.exec_module(module)
    monkeypatch.setattr(cli, "COMMANDS", {**cli.COMMANDS, "count": "Count runs."})
    synthetic.write_run(tmp_path / "runs", variant="dqn", seed=0)
    result = erlctl("count", tmp_path / "runs")
    assert (result.code, result.out.split()) == (0, ["status", "runs", "complete", "1"])
