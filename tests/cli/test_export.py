"""erlctl export: runs for other programs."""

from __future__ import annotations

from tests.analysis import synthetic
from tests.cli.helpers import erlctl


def test_what_was_written_is_printed(runs_dir, tmp_path):
    synthetic.write_group(runs_dir, "dqn", [1.0, 2.0])
    result = erlctl("export", runs_dir, "--to", "sb3", "-o", tmp_path / "zoo")
    assert result.code == 0
    folder = tmp_path / "zoo" / "dqn"
    assert result.out.splitlines() == [str(folder / f"CartPole-v1_{n}") for n in (1, 2)]
    result = erlctl("export", runs_dir, "--to", "csv", "-o", tmp_path / "tables")
    assert result.out.splitlines() == [
        str(tmp_path / "tables" / name) for name in ("evaluations.csv", "progress.csv")]


def test_an_export_is_never_overwritten(runs_dir, tmp_path):
    synthetic.write_run(runs_dir)
    assert erlctl("export", runs_dir, "--to", "csv", "-o", tmp_path / "x").code == 0
    result = erlctl("export", runs_dir, "--to", "csv", "-o", tmp_path / "x")
    assert result.code == 1
    assert "nothing was overwritten" in result.err


def test_a_target_must_be_named(runs_dir):
    assert erlctl("export", runs_dir).code == 2
