"""Loading our own run directories: what is read, what is said, what is never fatal."""

from __future__ import annotations

import json

import numpy as np
import pytest

from erlctl.analysis import data, specs
from erlctl.analysis.load import load
from tests.analysis import synthetic


def only_run(runs_dir):
    (run,) = load([runs_dir]).runs
    return run


def test_a_run_says_what_it_is(runs_dir):
    synthetic.write_run(runs_dir, variant="munchausen_dqn", seed=3, episodes=5)
    run = only_run(runs_dir)
    assert (run.source, run.experiment, run.seed) == ("erlctl", "family", 3)
    assert (run.variant, run.algorithm) == ("munchausen_dqn", "munchausen_dqn")
    assert (run.environment, run.status) == ("CartPole-v1", "complete")
    assert run.protocol == "5 greedy episodes"
    assert run.total_steps == 10_000


@pytest.mark.parametrize("level", ["", "family", "family/dqn", "family/dqn/seed-0", "*/dqn/seed-*"])
def test_any_level_and_globs_are_accepted(runs_dir, level):
    synthetic.write_run(runs_dir)
    assert len(load([runs_dir / level]).runs) == 1


def test_what_fresh_moved_aside_and_runs_too_deep_are_no_runs_of_another_program(runs_dir):
    old, new, deep = (synthetic.write_run(runs_dir, seed=seed, **options) for seed, options in (
        (0, {}), (1, {}), (0, {"name": "a/b/c/family"})))
    for paths in (old, new, deep):
        paths.monitor.write_text('#{"t_start": 1.0}\nr,l,t\n9.0,9,0.1\n')  # as we write it
    aside = old.root.rename(old.root.with_name("seed-0.20260101T000000Z"))
    lost = old.root.with_name("seed-2.20260101T000000Z-2")
    lost.mkdir()
    (lost / "monitor.csv").write_bytes(new.monitor.read_bytes())
    loaded = load([runs_dir])
    assert [(run.path, run.source) for run in loaded.runs] == [(new.root, "erlctl")]
    assert dict(loaded.skipped) == {
        aside: "moved aside by --fresh", lost: "moved aside by --fresh",
        runs_dir / "a": "no run directory here"}
    assert [run.path for run in load([aside]).runs] == [aside]  # named by the user


def test_a_run_named_twice_counts_once(runs_dir):
    synthetic.write_run(runs_dir)
    assert len(load([runs_dir, runs_dir / "family"]).runs) == 1


def test_the_evaluation_curve_is_the_mean_over_episodes(runs_dir):
    synthetic.write_run(runs_dir, curve=np.array([1.0, 4.0]), spread=3.0)
    steps, values = only_run(runs_dir).curve(data.RETURN)
    np.testing.assert_allclose(steps, [1000, 2000])
    np.testing.assert_allclose(values, [1.0, 4.0])


def test_rows_without_a_value_are_no_points(runs_dir):
    synthetic.write_run(runs_dir)
    steps, _ = only_run(runs_dir).curve(data.METRICS["return_mean"])
    assert steps[0] == 2000  # no episode had finished at 1000


def test_a_torn_last_line_is_left_out_and_said(runs_dir):
    paths = synthetic.write_run(runs_dir, curve=np.array([1.0, 2.0]))
    with paths.evaluations.open("a") as file:
        file.write("3000,0,99")
    run = only_run(runs_dir)
    assert run.curve(data.RETURN)[0][-1] == 2000
    assert "torn" in run.table_problems("evaluation")[0]


@pytest.mark.parametrize("content", [b"", b"\0\0\0", b"{", b"[1]", b'{"status": 7}', b"\xff" * 99])
def test_a_damaged_run_json_is_not_fatal(runs_dir, content):
    paths = synthetic.write_run(runs_dir)
    paths.run_json.write_bytes(content)
    run = only_run(runs_dir)
    assert run.status == "interrupted"
    assert run.environment == "CartPole-v1"  # from the spec


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"a: [", b"\t", b"- 1", b"\xff\xfe", b"x: !!python/name:os.system y"]
)
def test_a_damaged_spec_is_not_fatal(runs_dir, content):
    paths = synthetic.write_run(runs_dir)
    paths.spec.write_bytes(content)
    assert only_run(runs_dir).environment == "CartPole-v1"  # from run.json


def test_a_run_json_of_a_newer_version_is_read_as_far_as_it_is_understood(runs_dir):
    paths = synthetic.write_run(runs_dir)
    facts = json.loads(paths.run_json.read_text())
    paths.run_json.write_text(json.dumps({**facts, "schema": 99, "evaluation": 3, "step": "x"}))
    run = only_run(runs_dir)
    assert run.step == 0
    assert run.protocol == "3 greedy episodes"


def test_what_is_no_run_is_skipped_with_the_reason(runs_dir, tmp_path):
    synthetic.write_run(runs_dir)
    (runs_dir / "notes").mkdir()
    loaded = load([runs_dir, tmp_path / "missing"])
    assert len(loaded.runs) == 1
    assert [path.name for path, _ in loaded.skipped] == ["notes", "missing"]


def test_reading_changes_nothing(runs_dir):
    synthetic.write_run(runs_dir)

    def state():
        found = {path: path.stat() for path in runs_dir.rglob("*")}
        return {path: (stat.st_mtime_ns, stat.st_size) for path, stat in found.items()}

    before = state()
    run = only_run(runs_dir)
    run.table("evaluation"), run.table("progress")
    assert state() == before


def test_arguments_of_the_environment_make_it_another_environment(runs_dir):
    paths = synthetic.write_run(runs_dir)
    text = paths.spec.read_text().replace("kwargs: {}", "kwargs: {length: 0.7}")
    paths.spec.write_text(text)
    assert only_run(runs_dir).environment == "CartPole-v1(length=0.7)"


def test_the_form_of_an_action_makes_no_other_environment(runs_dir):
    paths = synthetic.write_run(runs_dir, environment="Reacher")
    text = paths.spec.read_text()
    paths.spec.write_text(text.replace("kwargs: {}", "kwargs: {num_joints: 4, actions: joint}"))
    assert only_run(runs_dir).environment == "Reacher(num_joints=4)"


@pytest.mark.parametrize(
    "variant", ["dqn,CartPole-v1", "CartPole-v1,dqn", "dqn,environment.id=CartPole-v1"]
)
def test_the_environment_is_no_part_of_the_variants_name(runs_dir, variant):
    synthetic.write_run(runs_dir, variant=variant, algorithm="dqn")
    assert only_run(runs_dir).variant == "dqn"


def test_the_environment_is_known_by_its_name_in_a_folder(runs_dir):
    """A sweep over `environment.id` writes MinAtar/Breakout-v1 with "-" in place of the slash."""
    synthetic.write_run(runs_dir, variant="dqn,id=MinAtar-Breakout-v1", algorithm="dqn",
                        environment="MinAtar/Breakout-v1")
    assert only_run(runs_dir).variant == "dqn"


def test_wall_time_starts_at_zero(runs_dir):
    synthetic.write_run(runs_dir, seconds_per_step=0.01)
    run = only_run(runs_dir)
    np.testing.assert_allclose(run.wall_seconds_at(np.array([0.0, 500.0, 10_000.0])), [0, 5, 100])


def test_an_unknown_metric_names_the_nearest(runs_dir):
    synthetic.write_run(runs_dir)
    with pytest.raises(Exception, match="did you mean 'entropy'"):
        data.find_metric("entropi", load([runs_dir]).runs)


def test_spec_differences_show_what_sets_variants_apart(runs_dir):
    synthetic.write_run(runs_dir, variant="dqn")
    synthetic.write_run(runs_dir, variant="munchausen_dqn", extra=", alpha: 0.9")
    assert specs.differences(load([runs_dir]).runs) == {
        "agent.algorithm": {"dqn": "dqn", "munchausen_dqn": "munchausen_dqn"},
        "agent.alpha": {"dqn": "-", "munchausen_dqn": "0.9"},
    }


def test_seeds_and_environments_alone_are_no_difference(runs_dir):
    for environment in ("CartPole-v0", "CartPole-v1"):
        for seed in range(2):
            synthetic.write_run(runs_dir, name=environment, environment=environment, seed=seed)
    assert specs.differences(load([runs_dir]).runs) == {}


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 100_000, "a: &x [1]\nb: [*x, *x]\n"])
def test_specs_that_are_too_deep_or_hold_aliases_are_not_built(text):
    assert specs.parse(text) == {}


def test_a_table_is_read_without_an_argument_or_by_columns(runs_dir):
    synthetic.write_run(runs_dir)
    (run,) = load([runs_dir]).runs
    assert {"step", "return", "length"} <= set(run.read_evaluation()[0])
    assert set(run.read_progress(["step", "loss"])[0]) == {"step", "loss"}
