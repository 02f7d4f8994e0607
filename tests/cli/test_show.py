"""`erlctl show`: one run, read from its folder alone."""

from __future__ import annotations

import json
import shlex

from erlctl import spec
from erlctl.runs.layout import RunPaths
from tests.cli.helpers import erlctl
from tests.cli.test_ls import make_run
from tests.launch.specs import write_spec


def test_show_holds_what_is_known(runs_dir):
    attempt = {"started": "2020-01-01T00:00:00Z", "from_step": 0, "outcome": "failed", "host": "h"}
    root = make_run(runs_dir, status="failed", reason="it broke", attempts=[attempt],
                    command=["erlctl", "train", "a b.yaml"], evaluations="100,0,7,1,1\n")
    report = json.loads(erlctl("show", root, "--format", "json").out)
    assert report["status"] == "failed"
    assert report["reason"] == "it broke"
    assert report["attempts"] == [attempt]
    assert report["command"] == "erlctl train 'a b.yaml'"
    assert report["evaluations"] == [{"step": 100, "return_mean": 7.0}]
    assert {row["name"] for row in report["files"]} == {"run.json", "evaluations.csv"}
    text = erlctl("show", root).out
    assert "failed (it broke)" in text
    assert "erlctl train 'a b.yaml'" in text


def test_the_line_to_go_on_trains_the_same_run_in_the_same_folder(tmp_path):
    runs_dir = tmp_path / "my runs"
    run = spec.load(write_spec(tmp_path)).runs[0]
    root = make_run(runs_dir, run.variant, run.seed, status="interrupted")
    (root / "spec.yaml").write_text(spec.dump(run))
    line = json.loads(erlctl("show", root, "--format", "json").out)["resume"]
    words = shlex.split(line)
    assert words[:2] == ["erlctl", "train"]
    result = erlctl(*words[1:], "--dry-run", "--format", "json")
    (row,) = json.loads(result.out)["rows"]
    assert row["action"] == "resume"
    assert RunPaths.of(runs_dir, run).root == root
    assert row["run"] == str(root)


def test_a_complete_run_has_no_line_to_go_on(runs_dir):
    assert json.loads(erlctl("show", make_run(runs_dir), "--format", "json").out)["resume"] is None


def test_several_runs_are_refused_with_their_names(runs_dir):
    make_run(runs_dir, seed=0)
    make_run(runs_dir, seed=1)
    result = erlctl("show", runs_dir)
    assert result.code == 2
    assert "seed-1" in result.err


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    result = erlctl("show", tmp_path)
    assert (result.code, str(tmp_path) in result.err) == (1, True)


def test_control_characters_of_a_foreign_folder_do_not_reach_the_terminal(runs_dir):
    root = make_run(runs_dir, reason="\x1b[2J gone", status="failed")
    (root / "spec.yaml").write_text("name: \x1b]0;title\x07\n")
    assert "\x1b" not in erlctl("show", root).out
    assert "\x1b" not in erlctl("ls", root).out


def test_a_renamed_folder_has_no_line_to_go_on(tmp_path):
    run = spec.load(write_spec(tmp_path)).runs[0]
    root = make_run(tmp_path / "runs", "renamed", run.seed, status="interrupted")
    (root / "spec.yaml").write_text(spec.dump(run))
    assert json.loads(erlctl("show", root, "--format", "json").out)["resume"] is None
