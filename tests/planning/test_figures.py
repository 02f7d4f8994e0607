"""Every planned figure is drawn by one command, whose checks hold; a false claim fails it."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "experiments" / "figures.py"
PLANNED = ("dpp_growth", "leverage_the_average", "cvi_noise", "momentum_garnet", "shinrl_maze")


@pytest.fixture(scope="module")
def figures():
    spec = importlib.util.spec_from_file_location("figures", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_figure_has_its_specs(figures):
    for entry in figures.FIGURES.values():
        assert all((SCRIPT.parent / f"{spec}.yaml").is_file() for spec in entry.specs)
    assert set(PLANNED) < set(figures.FIGURES)


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANNED)
def test_figure_is_drawn_and_its_claims_hold(name, tmp_path):
    done = subprocess.run(
        [sys.executable, SCRIPT, name, "--runs-dir", tmp_path], capture_output=True, text=True,
        check=False, timeout=600, cwd=SCRIPT.parents[1],
        env={"PYTHONPATH": str(SCRIPT.parents[1]), "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "figures" / f"{name}.png").stat().st_size > 10_000
    assert "holds: " in done.stdout


def test_a_claim_that_does_not_hold_fails_the_command(figures, tmp_path, monkeypatch, capsys):
    flat = figures.Lines(np.array([1.0, 2.0]), {"suboptimality_l1": np.ones((2, 3))})
    monkeypatch.setattr(figures, "measured", lambda name, runs_dir: {"avi": flat, "movi": flat})
    assert figures.main(["momentum_garnet", "--runs-dir", str(tmp_path)]) == 1
    assert "FAILS: MoVI's loss" in capsys.readouterr().out


def test_planning_in_a_batch_gives_the_numbers_of_single_runs(figures):
    from erlctl.experiment import load_all
    from erlctl.training.planner_program import PlannerProgram

    (experiment,) = load_all([str(SCRIPT.parent / "shinrl_maze.yaml")])
    runs = [run for run in experiment.runs if run.variant == "cvi"][:3]
    batch = figures.planned(runs)
    for index, run in enumerate(runs):
        program = PlannerProgram(run)
        program.advance(5)
        for name, value in program.interval_metrics().items():
            assert batch.metrics[name][4, index] == pytest.approx(value, rel=1e-9), name
