"""`erlctl ls`: every run is listed, whatever its folder holds."""

from __future__ import annotations

import csv
import io
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from erlctl.runs import lock
from tests.cli.helpers import erlctl


def make_run(
    runs_dir: Path, variant: str = "dqn", seed: int = 0, *, evaluations: str = "", **facts: Any
) -> Path:
    """Write the folder of a run by hand."""
    root = runs_dir / "demo" / variant / f"seed-{seed}"
    root.mkdir(parents=True)
    known = {
        "schema": 1, "status": "complete", "name": "demo", "variant": variant, "seed": seed,
        "step": 100, "total_steps": 100, "algorithm": variant, "environment": "CartPole-v1",
        "updated": "2020-01-01T00:00:00Z", "reason": None, "attempts": [],
    }
    (root / "run.json").write_text(json.dumps({**known, **facts}))
    if evaluations:
        (root / "evaluations.csv").write_text(
            f"step,episode,return,length,wall_seconds\n{evaluations}")
    return root


def listed(*arguments: object) -> list[dict[str, Any]]:
    result = erlctl("ls", *arguments, "--format", "json")
    assert result.code == 0, result.err
    return json.loads(result.out)["rows"]


@pytest.fixture
def three_runs(runs_dir: Path) -> Path:
    """Return a runs directory with a complete, a failed and an unfinished run."""
    make_run(runs_dir, "dqn", 0, evaluations="50,0,10,1,1\n50,1,20,1,1\n100,0,5,1,1\n")
    make_run(runs_dir, "dqn", 1, status="failed", reason="it broke", step=40)
    make_run(runs_dir, "cvi", 0, status="running", step=70, updated="2021-01-01T00:00:00Z")
    return runs_dir


def test_last_and_best_return_are_means_over_episodes(three_runs):
    row = next(r for r in listed(three_runs) if r["variant"] == "dqn" and r["seed"] == 0)
    assert (row["last_return"], row["best_return"]) == (5.0, 15.0)


def test_a_run_whose_process_died_is_interrupted(three_runs):
    assert [r["status"] for r in listed(three_runs, "--algorithm", "cvi")] == ["interrupted"]


@pytest.mark.parametrize(
    ("filters", "number"),
    [
        (["--status", "failed"], 1), (["--status", "failed", "--status", "complete"], 2),
        (["--algorithm", "d*"], 2), (["--environment", "Acrobot*"], 0), (["--name", "demo/c*"], 1),
        (["--name", "demo"], 3),
    ],
)
def test_filters_keep_what_matches(three_runs, filters, number):
    assert len(listed(three_runs, *filters)) == number


def test_sorting_puts_unknown_values_last(three_runs):
    returns = [r["last_return"] for r in listed(three_runs, "--sort", "return")]
    assert returns == [5.0, None, None]
    assert [r["step"] for r in listed(three_runs, "--sort", "step", "--reverse")] == [100, 70, 40]


def test_csv_has_one_line_per_run(three_runs):
    text = erlctl("ls", three_runs, "--format", "csv").out
    assert [row["status"] for row in csv.DictReader(io.StringIO(text))] == [
        "interrupted", "complete", "failed"]


def test_a_missing_runs_directory_is_empty(runs_dir):
    result = erlctl("ls", "--runs-dir", runs_dir)
    assert result.code == 0
    assert "0 runs" in result.err


def test_a_named_path_without_runs_is_an_error(tmp_path):
    result = erlctl("ls", tmp_path / "nowhere")
    assert result.code == 1
    assert "no such file or directory" in result.err


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"status": 3}', '{"status": {}, "seed": "x", "step": "\\u0000"}',
     '{"status": "complete", "step": 1e999, "total_steps": [], "updated": 5, "algorithm": 7}',
     "[" * 100_000],
)
def test_damaged_folders_are_listed_never_a_traceback(runs_dir, content):
    root = make_run(runs_dir, evaluations="x,y\n1,2,3\n\0\0")
    (root / "run.json").write_text(content)
    assert len(listed(runs_dir)) == 1
    assert erlctl("ls", runs_dir).code == 0
    assert erlctl("show", root).code == 0


def test_a_run_that_runs_elsewhere_is_shown_with_host_and_job(runs_dir):
    attempts = [{"host": "early", "job": None}, {"host": "node-7", "job": "slurm 4711_3"}]
    root = make_run(runs_dir, status="running", attempts=attempts)
    with lock.hold(root / ".lock"):
        table = erlctl("ls", runs_dir).out
        (row,) = listed(runs_dir)
        shown = erlctl("show", root).out
    assert "node-7" in table
    assert "slurm 4711_3" in table
    assert (row["host"], row["job"]) == ("node-7", "slurm 4711_3")
    assert "where        node-7, slurm 4711_3" in shown
    assert "on node-7, slurm 4711_3" in shown
    assert "node-7" not in erlctl("ls", runs_dir).out  # nothing runs any more


def test_a_run_of_this_machine_needs_no_host(runs_dir):
    root = make_run(runs_dir, status="running",
                    attempts=[{"host": socket.gethostname(), "job": None}])
    with lock.hold(root / ".lock"):
        assert "host" not in erlctl("ls", runs_dir).out


@pytest.mark.parametrize("attempts", [None, [], [3], [{"host": 3, "job": []}], "x"])
def test_damaged_attempts_name_no_host(runs_dir, attempts):
    make_run(runs_dir, attempts=attempts)
    (row,) = listed(runs_dir)
    assert (row["host"], row["job"]) == ("", "")
