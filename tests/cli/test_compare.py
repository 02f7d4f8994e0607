"""erlctl compare: one command answers which is better and how sure that is."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from tests.analysis import synthetic
from tests.cli.helpers import erlctl


@pytest.fixture
def family(runs_dir):
    synthetic.write_group(runs_dir, "dqn", [100.0, 110, 120, 130, 140])
    synthetic.write_group(runs_dir, "munchausen_dqn", [300.0, 310, 320, 330, 340])
    return runs_dir


def test_the_answer_is_on_standard_output(family):
    result = erlctl("compare", family, "--baseline", "dqn")
    assert (result.code, result.err) == (0, "")
    assert "munchausen_dqn is better than dqn" in result.out


@pytest.mark.parametrize("fmt", ["table", "json", "csv", "markdown", "latex"])
def test_every_format_is_printed(family, fmt):
    result = erlctl("compare", family, "--format", fmt)
    assert result.code == 0
    assert "munchausen" in result.out


@pytest.mark.parametrize(
    ("options", "expected"),
    [(("--metric", "return_mean"), "final training return"),
     (("--metric", "entropy", "--last", "3"), "final policy entropy (nats)"),
     (("--metric", "steps_per_second"), "final speed (steps/s)"),
     (("--at", "5000"), "step 5,000"),
     (("--score", "area"), "mean over training of evaluation return"),
     (("--score", "steps", "--threshold", "200"), "steps to evaluation return 200"),
     (("--by", "environment"), "n = 5")])
def test_options_choose_the_score(family, options, expected):
    result = erlctl("compare", family, *options)
    assert result.code == 0
    assert expected in result.out


def test_an_unknown_metric_or_baseline_is_bad_usage(family):
    for option in (("--metric", "retrun"), ("--baseline", "dqnn")):
        result = erlctl("compare", family, *option)
        assert result.code == 2
        assert "did you mean" in result.err


def test_a_reference_of_an_environment_without_a_run_is_refused(family):
    for command in ("compare", "report"):
        result = erlctl(command, family, "--reference", "CartPol-v1=0,10")
        assert result.code == 2
        assert "'CartPol-v1'; did you mean 'CartPole-v1'?" in result.err
    assert erlctl("compare", family, "--reference", "CartPole-v1=0,10").code == 0


@pytest.mark.parametrize("difference", ["-1", "0", "nan", "inf"])
def test_a_difference_is_a_size(family, difference):
    result = erlctl("compare", family, "--difference", difference)
    assert result.code == 2
    assert "difference must be greater than 0, got" in result.err


def test_a_threshold_belongs_to_steps(family):
    assert erlctl("compare", family, "--score", "steps").code == 2
    assert erlctl("compare", family, "--threshold", "3").code == 2


@pytest.mark.parametrize("unit", [1e-300, 1e-120, 1e250])
@pytest.mark.filterwarnings("error")
def test_scores_may_be_of_any_size(runs_dir, tmp_path, unit):
    for variant, shift in (("dqn", 1.0), ("c51", 2.0), ("sac", 3.0)):
        for environment in ("CartPole-v1", "Acrobot-v1"):
            synthetic.write_group(runs_dir, variant, [unit * (shift + k / 10) for k in range(6)],
                                  name=environment, environment=environment)
    result = erlctl("compare", runs_dir, "--baseline", "dqn", "--difference", unit)
    assert (result.code, result.err) == (0, "")
    assert result.out.count("sac is better than dqn") == 3
    for kind in ("curves", "diagnostics", "aggregate", "improvement", "profile"):
        result = erlctl("plot", runs_dir, "--kind", kind, "-o", tmp_path / "x.svg")
        assert (result.code, result.err) == (0, ""), kind


@pytest.mark.parametrize("status", ["interrupted", "failed"])
def test_unfinished_runs_are_no_damage_and_the_fix_compares_them(runs_dir, status):
    synthetic.write_run(runs_dir, status=status, reason="boom", total_steps=20_000)
    result = erlctl("compare", runs_dir)
    assert result.code == 1
    assert f"{status} at step 10,000 of 20,000: boom" in result.out
    assert "the run has no score\n  fix: --include-unfinished uses" in result.err
    for fix in (("--include-unfinished",), ("--at", "8000")):
        assert erlctl("compare", runs_dir, *fix).code == 0
    result = erlctl("compare", runs_dir, "--at", "15000")
    assert result.code == 1
    assert "only measured up to step 10,000" in result.out
    assert "fix: choose another --at STEP" in result.err


def test_a_run_that_ended_before_its_first_evaluation_has_training_returns(runs_dir):
    paths = synthetic.write_run(runs_dir, status="interrupted")
    paths.evaluations.unlink()
    result = erlctl("compare", runs_dir)
    assert result.code == 1
    assert "fix: there are training returns, which --metric return_mean --incl" in result.err
    assert erlctl("compare", runs_dir, "--metric", "return_mean", "--include-unfinished").code == 0


@pytest.mark.parametrize("hurt", [
    lambda paths: paths.evaluations.unlink(), lambda paths: paths.evaluations.write_bytes(b"\0"),
    lambda paths: paths.run_json.write_text("{")])
def test_runs_without_a_score_whose_data_were_lost_are_damaged_data(runs_dir, hurt):
    hurt(synthetic.write_run(runs_dir))
    assert erlctl("compare", runs_dir).code == 5


def test_runs_that_never_recorded_the_metric_are_no_damage(runs_dir):
    synthetic.write_run(runs_dir)
    result = erlctl("compare", runs_dir, "--metric", "suboptimality_sup")
    assert result.code == 1
    assert "does not record suboptimality_sup" in result.out
    assert "the run has no score\n  fix: the reasons are in the table" in result.err


def test_folders_that_hold_training_returns_alone_are_no_damage(tmp_path):
    folder = tmp_path / "theirs" / "dqn_1"
    folder.mkdir(parents=True)
    (folder / "monitor.csv").write_text(
        '#{"t_start": 1.0, "env_id": "CartPole-v1"}\nr,l,t\n9.0,9,0.1\n11.0,11,0.2\n')
    result = erlctl("compare", folder)
    assert result.code == 1
    assert "the run has no score\n  fix: there are training returns" in result.err
    (option,) = re.findall("--metric return_mean", result.err)
    told = erlctl("compare", folder, *option.split())
    assert told.code == 0
    assert "1 run of a variant allows no interval" in told.out + told.err


def test_some_unusable_runs_are_listed_and_the_rest_is_compared(family):
    synthetic.write_run(family, variant="dqn", seed=9, status="failed", reason="boom")
    result = erlctl("compare", family)
    assert result.code == 0
    assert "5/6" in result.out
    assert "failed at step 10,000 of 10,000: boom" in result.out


def test_json_can_be_read_by_a_script(family):
    document = json.loads(erlctl("compare", family, "--format", "json").out)
    assert document["blocks"][0]["pairs"][0]["verdict"] == "better"


def test_neither_tensorflow_nor_matplotlib_is_imported(family):
    program = (
        "import sys\nfrom erlctl import cli\n"
        "try:\n    cli.main(['compare', sys.argv[1]])\n"
        "finally:\n    print([m for m in ('tensorflow', 'gym', 'matplotlib', 'scipy.stats')"
        " if m in sys.modules], file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(family)], capture_output=True, text=True, check=True)
    assert result.stderr.strip() == "[]"
