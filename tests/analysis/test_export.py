"""Runs in other programs' formats, read back by what reads those."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from erlctl.analysis import data, export
from erlctl.analysis.load import load
from erlctl.errors import ErlctlError
from tests.analysis import synthetic


@pytest.fixture
def runs(runs_dir):
    synthetic.write_group(runs_dir, "dqn", [100.0, 110.0], spread=2.0)
    paths = synthetic.write_run(runs_dir, variant="dpp", seed=4)
    paths.monitor.write_text('#{"t_start": 1.0, "env_id": "CartPole-v1"}\nr,l,t\n9.0,9,0.5\n')
    return load([runs_dir]).runs


def test_sb3_folders_come_back_the_same(runs, tmp_path):
    export.to_stable_baselines3(runs, tmp_path / "zoo")
    back = {(run.variant, run.seed): run for run in load([tmp_path / "zoo"]).runs}
    assert len(back) == len(runs)
    for run in runs:
        twin = back[run.variant, run.seed]
        assert (twin.environment, twin.protocol) == (run.environment, run.protocol)
        np.testing.assert_allclose(twin.curve(data.RETURN), run.curve(data.RETURN))


def test_evaluations_npz_has_the_keys_and_shapes_of_stable_baselines3(runs, tmp_path):
    folder = export.to_stable_baselines3(runs, tmp_path / "zoo")[0]
    with np.load(folder / "evaluations.npz", allow_pickle=False) as arrays:
        assert arrays["timesteps"].shape == (10,)
        assert arrays["results"].shape == arrays["ep_lengths"].shape == (10, 3)


def test_a_monitor_is_copied_where_there_is_one(runs, tmp_path):
    folders = export.to_stable_baselines3(runs, tmp_path / "zoo")
    (dpp,) = [folder for folder in folders if folder.parent.name == "dpp"]
    assert (dpp / "0.monitor.csv").read_text().endswith("9.0,9,0.5\n")
    assert all((folder / "0.monitor.csv").read_text().startswith("#{") for folder in folders)


def test_an_evaluation_that_was_cut_off_is_left_out(runs_dir, tmp_path):
    paths = synthetic.write_run(runs_dir, curve=np.array([1.0, 2.0, 3.0]))
    lines = paths.evaluations.read_text().splitlines(keepends=True)
    paths.evaluations.write_text("".join(lines[:-1]))
    (folder,) = export.to_stable_baselines3(load([runs_dir]).runs, tmp_path / "zoo")
    with np.load(folder / "evaluations.npz", allow_pickle=False) as arrays:
        assert arrays["timesteps"].tolist() == [1000, 2000]


def test_csv_holds_every_row_of_every_run_with_its_identity(runs, tmp_path):
    evaluations, progress = export.to_csv(runs, tmp_path / "tables")
    rows = list(csv.DictReader(evaluations.read_text().splitlines()))
    assert len(rows) == 3 * 10 * 3
    assert (rows[0]["variant"], rows[0]["seed"], rows[0]["step"]) == ("dpp", "4", "1000")
    first = next(csv.DictReader(progress.read_text().splitlines()))
    assert first["return_mean"] == ""  # missing, not 0


@pytest.mark.parametrize("target", sorted(export.TARGETS))
def test_nothing_is_overwritten(runs, tmp_path, target):
    export.TARGETS[target](runs, tmp_path / "out")
    with pytest.raises(ErlctlError, match="there already"):
        export.TARGETS[target](runs, tmp_path / "out")
