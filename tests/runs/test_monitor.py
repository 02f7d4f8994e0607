"""monitor.csv as stable-baselines3's `load_results` reads it."""

from __future__ import annotations

import csv
import json

import pytest

from erlctl.runs.execute import execute
from erlctl.runs.layout import RunPaths
from tests.runs.fake_program import FakeProgram


def load_results(folder):
    """stable_baselines3.common.monitor.load_results without pandas: same files, same checks."""
    files = list(folder.glob("*monitor.csv"))
    assert files, "no monitor file"
    with files[0].open() as file:
        first = file.readline()
        assert first[0] == "#"
        header = json.loads(first[1:])
        rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
    return header, sorted(rows, key=lambda row: header["t_start"] + row["t"])


@pytest.fixture
def finished(tmp_path, run):
    execute(run, tmp_path / "runs", program_for=FakeProgram)
    return RunPaths.of(tmp_path / "runs", run)


def test_the_format_is_stable_baselines3s(finished):
    header, rows = load_results(finished.root)
    assert set(header) == {"t_start", "env_id"}
    assert header["env_id"] == "CartPole-v1"
    assert set(rows[0]) == {"r", "l", "t"}
    assert [row["l"] for row in rows] == [7.0] * 8  # 60 steps, an episode every 7


def test_a_resumed_run_has_one_header(tmp_path, run):
    stops = iter([None, None, None, 15])
    execute(run, tmp_path / "runs", program_for=FakeProgram, should_stop=lambda: next(stops))
    execute(run, tmp_path / "runs", program_for=FakeProgram)
    paths = RunPaths.of(tmp_path / "runs", run)
    text = paths.monitor.read_text()
    assert text.count("#") == 1
    assert text.count("r,l,t") == 1
    _, rows = load_results(paths.root)
    assert len(rows) == 8
    assert [row["t"] for row in rows] == sorted(row["t"] for row in rows)


def test_stable_baselines3_reads_it(finished):
    monitor = pytest.importorskip("stable_baselines3.common.monitor")
    assert len(monitor.load_results(str(finished.root))) == 8


def test_pandas_reads_every_table(finished):
    pandas = pytest.importorskip("pandas")
    assert len(pandas.read_csv(finished.progress)) == 6
    assert len(pandas.read_csv(finished.evaluations)) == 12
    assert len(pandas.read_csv(finished.monitor, skiprows=1)) == 8
