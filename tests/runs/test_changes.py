"""What may change under a run: how long it goes on and what is written down, not its past."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
from pathlib import Path

import pytest

from erlctl import spec
from erlctl.errors import SpecChangedError
from erlctl.events import StopReason
from erlctl.experiment import resolve
from erlctl.options.policies import EpsilonGreedy
from erlctl.runs import fsck, spec_file, store
from erlctl.runs.execute import execute
from erlctl.runs.layout import RunPaths, read_run_json
from tests.runs.fake_program import FakeProgram
from tests.runs.observe import result


def with_(run, section, **values):
    return dataclasses.replace(
        run, **{section: dataclasses.replace(getattr(run, section), **values)})


@pytest.fixture
def aligned(make_run):
    """Return a run of 60 steps whose frequencies divide 60."""
    return with_(make_run(), "evaluation", every=20)


@pytest.fixture
def go(tmp_path):
    def train(run, folder="runs", **options):
        options.setdefault("program_for", FakeProgram)
        outcome = execute(run, tmp_path / folder, **options)
        return outcome, RunPaths.of(tmp_path / folder, run)

    return train


def stop_at(poll):
    polls = iter(range(10**6))
    return lambda: StopReason("time_budget") if next(polls) >= poll else None


def test_a_finished_run_goes_on_to_the_bytes_of_a_longer_one(go, aligned):
    longer = with_(aligned, "training", steps=120)
    go(aligned)
    outcome, paths = go(longer)
    assert (outcome.status, outcome.step) == ("complete", 120)
    assert result(paths) == result(go(longer, "at-once")[1])
    first, second = read_run_json(paths)["attempts"]
    assert "changes" not in first
    assert second["changes"] == {"training.steps": [60, 120]}
    assert second["from_step"] == 60
    assert read_run_json(paths)["total_steps"] == 120
    assert spec.load_run(paths.spec) == resolve(longer)
    assert fsck.check(paths) == []


def test_the_old_end_leaves_rows_of_its_own_where_it_is_no_multiple(go, aligned):
    short, longer = with_(aligned, "training", steps=55), with_(aligned, "training", steps=120)
    go(short)
    paths, at_once = go(longer)[1], go(longer, "at-once")[1]
    assert result(paths)["states"]["000000120"] == result(at_once)["states"]["000000120"]
    steps = [dict(row)["step"] for row in result(paths)["progress"]]
    expected = [dict(row)["step"] for row in result(at_once)["progress"]]
    assert [step for step in steps if step != "55"] == expected
    assert "55" in steps


@pytest.mark.parametrize("kill", ["before", "after"])
def test_an_extension_that_is_killed_at_its_start_is_made_again(
    go, aligned, monkeypatch, kill
):
    go(aligned)
    longer = with_(aligned, "training", steps=120)
    real = spec_file.SpecOnDisk.write

    def write(self, run, paths):
        if kill == "after":
            real(self, run, paths)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(spec_file.SpecOnDisk, "write", write)
        with pytest.raises(KeyboardInterrupt):
            go(longer)
    outcome, paths = go(longer)
    assert outcome.status == "complete"
    assert result(paths) == result(go(longer, "at-once")[1])


@pytest.mark.parametrize(("section", "values"), [
    ("checkpoint", {"every": 10, "keep": 3}), ("logging", {"every": 5, "tensorboard": False}),
    ("evaluation", {"every": 30, "episodes": 2}),
])
def test_a_broken_run_goes_on_under_other_frequencies(go, aligned, section, values):
    stopped, _ = go(aligned, should_stop=stop_at(3))
    assert stopped.status == "interrupted"
    outcome, paths = go(with_(aligned, section, **values))
    assert outcome.status == "complete"
    weights = result(go(aligned, "undisturbed")[1])["states"]["000000060"]
    assert result(paths)["states"]["000000060"] == weights
    changes = read_run_json(paths)["attempts"][1]["changes"]
    assert {path.partition(".")[0] for path in changes} == {section}


def test_a_complete_run_without_more_steps_says_that_nothing_is_left(go, aligned):
    _, paths = go(aligned)
    before = paths.spec.read_bytes()
    outcome, _ = go(with_(aligned, "evaluation", episodes=9), program_for=pytest.fail)
    assert outcome.status == "skipped"
    assert "no step is left for evaluation.episodes: 3 -> 9" in outcome.message
    assert paths.spec.read_bytes() == before


@pytest.mark.parametrize(("section", "values", "reason"), [
    ("training", {"steps": 40}, "training.steps is 40, 60 steps are done"),
    ("training", {"batch_size": 3}, "batch_size"),
])
def test_what_would_change_the_past_is_refused(go, aligned, section, values, reason):
    _, paths = go(aligned)
    before = paths.spec.read_bytes()
    with pytest.raises(SpecChangedError, match=reason):
        go(with_(aligned, section, **values))
    assert paths.spec.read_bytes() == before


def test_another_policy_of_evaluation_is_refused_with_the_reason(go, make_run):
    go(make_run())
    other = with_(make_run(), "evaluation", policy=EpsilonGreedy())
    with pytest.raises(SpecChangedError, match="would be of two policies"):
        go(other)


def test_a_learning_rate_that_ends_with_the_run_fixes_its_length(go, aligned):
    falling = with_(aligned, "optimizer", final_learning_rate=1e-5)
    go(falling)
    with pytest.raises(SpecChangedError, match=r"optimizer\.final_learning_rate"):
        go(with_(falling, "training", steps=120))


def test_a_run_that_never_made_a_step_gives_its_name_up(go, aligned):
    failed, paths = go(aligned, program_for=lambda run: FakeProgram(run, raises_at=1))
    assert (failed.status, failed.step) == ("failed", 0)
    other = with_(with_(aligned, "environment", id="Acrobot-v1"), "training", batch_size=3)
    outcome, _ = go(other)
    assert outcome.status == "complete"
    facts = read_run_json(paths)
    assert facts["environment"] == "Acrobot-v1"
    assert spec.load_run(paths.spec) == resolve(other)
    assert result(paths) == result(go(other, "at-once")[1])


def test_auto_of_an_older_run_is_what_run_json_recorded(go, aligned):
    """Before `auto` was resolved a convolution was compiled by XLA; now it is a graph."""
    _, paths = go(with_(aligned, "training", compile="graph"))
    text = paths.spec.read_text()
    assert "compile: graph" in text
    paths.spec.write_text(text.replace("compile: graph", "compile: auto"))
    assert go(with_(aligned, "training", compile="graph"))[0].status == "skipped"
    with pytest.raises(SpecChangedError, match=r"--set training\.compile=graph"):
        go(aligned)  # resolves to xla


def test_a_new_run_holds_no_auto(go, aligned):
    _, paths = go(aligned)
    assert "auto" not in paths.spec.read_text()


def test_r3_a_full_quota_is_called_by_its_name(go, aligned, monkeypatch):
    from erlctl.runs import checkpoints

    def refuse(*args, **kwargs):
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(checkpoints, "save", refuse)
    _, paths = go(aligned)
    log = paths.log.read_text()
    assert "your disk quota is used up (Disk quota exceeded)" in log
    assert "the disk is full" not in log.replace("but the disk is full and", "")


class LittersProgram(FakeProgram):
    """TensorFlow could not remove what it wrote on the way, and says nothing."""

    def export_policy(self, folder):
        super().export_policy(folder)
        Path(folder, "variables", "variables_temp").mkdir(parents=True)


def test_r2_what_could_not_be_removed_is_said_named_and_swept(go, aligned, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(store, "remove_remains", lambda folder: None)  # as if unlink had failed
        outcome, paths = go(aligned, program_for=LittersProgram)
    assert outcome.status == "complete"
    assert "variables_temp could not be removed" in paths.log.read_text()
    assert [finding.path.name for finding in fsck.check(paths)] == ["variables_temp"]
    go(aligned)
    assert fsck.check(paths) == []


def test_r2_remains_are_removed_before_the_policy_is_published(go, aligned):
    _, paths = go(aligned, program_for=LittersProgram)
    assert fsck.check(paths) == []
    assert not (paths.policy / "variables" / "variables_temp").exists()


class OwnMetric(FakeProgram):
    """A program with a metric that no other has."""

    metric_names = ("loss", "epsilon", "curiosity")

    def interval_metrics(self):
        return {**super().interval_metrics(), "curiosity": 1.5}


def test_a_metric_of_its_own_has_a_column(go, aligned):
    _, paths = go(aligned, program_for=OwnMetric)
    assert {dict(row)["curiosity"] for row in result(paths)["progress"]} == {"1.5"}
    assert "no column" not in paths.log.read_text()


def test_an_older_file_keeps_its_header(go, aligned):
    go(aligned, should_stop=stop_at(3))
    _, paths = go(aligned, program_for=OwnMetric)
    assert "curiosity" not in paths.progress.read_text().partition("\n")[0]
    assert "progress.csv has no column for curiosity" in paths.log.read_text()


def test_a_run_starts_from_another_ones_weights(go, aligned, tmp_path):
    _, source = go(aligned)
    tuned = dataclasses.replace(with_(
        aligned, "training", initial_checkpoint=f"{source.root}@40"), name="tuned")
    seen = []

    def program_for(run):
        program = FakeProgram(run)
        advance = program.advance

        def first(count):
            seen.append(program.state()["agent/weights/w"].numpy().copy())
            return advance(count)

        program.advance = first
        return program

    outcome, paths = go(tuned, program_for=program_for)
    assert outcome.status == "complete"
    import tensorflow as tf

    from erlctl.runs.manifest import sha256

    saved = tf.raw_ops.RestoreV2(
        prefix=str(source.checkpoint(40) / "state"), tensor_names=["agent/weights/w"],
        shape_and_slices=[""], dtypes=[tf.float32])[0].numpy()
    assert (seen[0] == saved).all()
    facts = json.loads(paths.run_json.read_text())["initial_checkpoint"]
    assert facts == {
        "run": str(source.root), "run_id": read_run_json(source)["run_id"], "step": 40,
        "sha256": sha256(source.checkpoint(40) / "manifest.json"),
    }


def test_a_resume_does_not_read_the_initial_checkpoint_again(go, aligned):
    import shutil

    _, source = go(aligned)
    tuned = dataclasses.replace(
        with_(aligned, "training", initial_checkpoint=str(source.root)), name="tuned")
    undisturbed = result(go(tuned, "undisturbed")[1])["states"]["000000060"]
    go(tuned, should_stop=stop_at(3))
    shutil.rmtree(source.root)
    outcome, paths = go(tuned)
    assert outcome.status == "complete"
    assert result(paths)["states"]["000000060"] == undisturbed


def test_weights_of_another_shape_are_refused_with_a_list(go, aligned):
    _, source = go(aligned)

    class Wider(FakeProgram):
        def __init__(self, run):
            super().__init__(run)
            import numpy as np
            import tensorflow as tf

            self._state["agent/weights/w"] = tf.Variable(np.zeros((2, 4), np.float32))

        def start(self, run):
            pass

    tuned = dataclasses.replace(
        with_(aligned, "training", initial_checkpoint=str(source.root)), name="tuned")
    outcome, _ = go(tuned, program_for=Wider)
    assert (outcome.status, outcome.step) == ("failed", 0)
    assert "training.initial_checkpoint" in outcome.message
    assert "agent/weights/w ([2, 3], 'float32') instead of ([2, 4], 'float32')" in outcome.message
