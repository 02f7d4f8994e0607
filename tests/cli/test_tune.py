"""`erlctl tune` as a command, with runs that are written at once."""

from __future__ import annotations

import json

import pytest

from erlctl import spec
from erlctl.cli import tune as command
from erlctl.runs import lock
from tests.cli.helpers import erlctl
from tests.tuning.conftest import SPACE, SPEC, Fake


@pytest.fixture
def spec_file(tmp_path, runs_dir, monkeypatch):
    """Return a spec with a search; runs are written in place of training."""
    fake = Fake(runs_dir)
    monkeypatch.setattr(command.submit, "launch",
                        lambda _, batch, *__: fake([planned.run for planned in batch.plan]))
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC + SPACE)
    return path


def test_standard_output_is_the_best_spec_and_people_are_told_that_it_is_optimistic(
    spec_file, runs_dir, tmp_path
):
    done = erlctl("tune", spec_file, "--runs-dir", runs_dir)
    assert done.code == 0, done.err
    (tmp_path / "best.yaml").write_text(done.out)
    assert {run.seed for run in spec.load(tmp_path / "best.yaml").runs} == set(range(2, 12))
    assert "optimistic" in done.err
    again = erlctl("tune", spec_file, "--runs-dir", runs_dir)
    assert again.out == done.out


def test_json_has_every_trial_and_the_table_too(spec_file, runs_dir):
    document = json.loads(
        erlctl("tune", spec_file, "--runs-dir", runs_dir, "--format", "json").out)
    assert [row["trial"] for row in document["rows"]] == list(range(12))
    assert document["best"].startswith("#")
    table = erlctl("tune", spec_file, "--runs-dir", runs_dir, "--format", "table").out
    assert table.count("complete") == 12


def test_one_command_at_a_time_works_on_a_search(spec_file, runs_dir):
    folder = runs_dir / "found"
    folder.mkdir(parents=True)
    with lock.hold(folder / ".tune.lock"):
        refused = erlctl("tune", spec_file, "--runs-dir", runs_dir)
    assert refused.code == 6


def test_training_the_best_spec_leaves_word_of_the_tuning(spec_file, runs_dir, tmp_path,
                                                          monkeypatch):
    from erlctl.cli import train

    best = tmp_path / "best.yaml"
    best.write_text(erlctl("tune", spec_file, "--runs-dir", runs_dir).out)
    fake = Fake(runs_dir)
    monkeypatch.setattr(train.submit, "launch",
                        lambda _, batch, *__: fake([planned.run for planned in batch.plan]))
    assert erlctl("train", best, "--runs-dir", runs_dir).code == 0
    told = erlctl("compare", runs_dir / "found-best").out
    assert "tuning: munchausen_dqn 12 trials." in told
