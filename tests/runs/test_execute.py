from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import time

import numpy as np
import pytest

from erlctl import spec
from erlctl.errors import (
    DamagedError,
    ErlctlError,
    RunBusyError,
    SpecChangedError,
)
from erlctl.events import Message, StopReason
from erlctl.experiment import resolve
from erlctl.runs import fsck, lock, preflight
from erlctl.runs.catalogue import list_checkpoints, step_of
from erlctl.runs.execute import execute
from erlctl.runs.layout import RunPaths, read_run_json
from erlctl.runs.tables import read_table
from erlctl.spec.schema import CheckpointSection, TrainingSection
from tests.runs.fake_program import FakeProgram
from tests.runs.observe import names_in, result, rows

TERMINATED = StopReason("signal", signal.SIGTERM)


class Session:
    """Executes runs in a runs directory and remembers what was said."""

    def __init__(self, runs_dir):
        self.runs_dir = runs_dir
        self.events = []

    def __call__(self, run, *, stop_after=None, program=None, **kwargs):
        self.events = []
        polls = iter(range(10**9))
        return execute(
            run, self.runs_dir,
            program_for=lambda run: FakeProgram(run) if program is None else program,
            should_stop=lambda: (
                TERMINATED if stop_after is not None and next(polls) >= stop_after else None
            ),
            on_event=self.events.append, **kwargs,
        )

    def paths(self, run):
        return RunPaths.of(self.runs_dir, run)

    @property
    def said(self):
        return [event.text for event in self.events if isinstance(event, Message)]


@pytest.fixture
def train(tmp_path):
    return Session(tmp_path / "runs")


@pytest.fixture
def undisturbed(tmp_path, run):
    session = Session(tmp_path / "undisturbed")
    assert session(run).status == "complete"
    return result(session.paths(run))


def test_a_run_leaves_the_directory_of_the_contract(train, run):
    outcome = train(run)
    paths = train.paths(run)
    assert (outcome.status, outcome.step) == ("complete", 60)
    assert names_in(paths.root) == [
        ".lock", "checkpoints", "evaluations.csv", "log.txt", "monitor.csv", "policy",
        "progress.csv", "run.json", "spec.yaml", "tensorboard",
    ]
    facts = read_run_json(paths)
    assert facts["status"] == "complete"
    assert facts["step"] == facts["total_steps"] == 60
    assert facts["environment"] == "CartPole-v1"
    assert facts["algorithm"] == "dqn"
    assert facts["compile"] == "xla"
    assert [a["outcome"] for a in facts["attempts"]] == ["complete"]
    assert spec.load_run(paths.spec) == resolve(run)
    assert fsck.check(paths) == []
    steps = [dict(row)["step"] for row in rows(paths.progress)]
    assert steps == ["10", "20", "30", "40", "50", "60"]


def test_f36_the_same_seed_twice_gives_the_same_bytes(tmp_path, run, undisturbed):
    again = Session(tmp_path / "again")
    again(run)
    assert result(again.paths(run)) == undisturbed


@pytest.mark.parametrize("stops", [[1], [3], [5, 2], [1, 1, 1, 1, 1, 1]])
def test_interrupted_plus_resumed_equals_undisturbed(train, run, undisturbed, stops):
    for stop in stops:
        outcome = train(run, stop_after=stop)
        assert (outcome.status, outcome.stop) == ("interrupted", TERMINATED)
        assert read_run_json(train.paths(run))["status"] == "interrupted"
    assert train(run).status == "complete"
    assert any("resumed from step" in text for text in train.said)
    got = result(train.paths(run))
    # What was stopped at is one checkpoint more; the newest two are kept.
    got.pop("checkpoints"), got.pop("states")
    expected = {k: v for k, v in undisturbed.items() if k not in ("checkpoints", "states")}
    assert got == expected
    final = "checkpoints/000000060/state.data-00000-of-00001"
    assert (train.paths(run).root / final).read_bytes() == undisturbed["states"]["000000060"]
    facts = read_run_json(train.paths(run))
    assert [a["outcome"] for a in facts["attempts"]] == ["interrupted"] * len(stops) + ["complete"]


def test_a_finished_run_is_skipped_without_a_program(train, run):
    train(run)
    before = {p: p.stat().st_mtime_ns for p in train.paths(run).root.rglob("*")
              if p.name != ".lock"}
    outcome = execute(run, train.runs_dir, program_for=pytest.fail)
    assert (outcome.status, outcome.step) == ("skipped", 60)
    assert before == {p: p.stat().st_mtime_ns for p in train.paths(run).root.rglob("*")
                      if p.name != ".lock"}


def test_f27_a_changed_spec_is_refused_with_the_difference(train, run):
    train(run)
    changed = dataclasses.replace(run, training=dataclasses.replace(run.training, batch_size=7))
    with pytest.raises(SpecChangedError) as caught:
        train(changed)
    assert "-  batch_size: 2" in str(caught.value)
    assert "+  batch_size: 7" in str(caught.value)
    assert "--fresh" in str(caught.value)


def test_a_spec_that_is_only_spelled_differently_is_the_same(train, run):
    train(run, stop_after=4)
    paths = train.paths(run)
    paths.spec.write_text("# written by another version\n" + paths.spec.read_text())
    shutil.rmtree(paths.checkpoints)  # they carry the fingerprint of the text
    record = json.loads(paths.run_json.read_text())
    paths.run_json.write_text(json.dumps({**record, "checkpoint": None}))
    assert train(run).status == "complete"
    assert train(run).status == "skipped"


def test_fresh_moves_the_old_run_aside_and_deletes_nothing(train, run):
    train(run)
    before = train.paths(run).progress.read_bytes()
    assert train(run, fresh=True).status == "complete"
    aside = [p for p in train.paths(run).root.parent.iterdir() if p.name != "seed-3"]
    assert len(aside) == 1
    assert (aside[0] / "progress.csv").read_bytes() == before
    assert train(run, fresh=True).status == "complete"
    assert len(list(train.paths(run).root.parent.iterdir())) == 3


def test_fresh_does_not_touch_a_run_that_is_being_trained(train, run):
    train(run)
    with lock.hold(train.paths(run).lock), pytest.raises(RunBusyError):
        train(run, fresh=True)
    assert [p.name for p in train.paths(run).root.parent.iterdir()] == ["seed-3"]


def test_f16_a_diverged_run_keeps_its_last_finite_checkpoint(train, run):
    outcome = train(run, program=FakeProgram(run, diverges_at=47))
    assert outcome.status == "diverged"
    assert "step 47" in outcome.message
    assert "last checkpoint: step 40" in outcome.message
    paths = train.paths(run)
    assert step_of(list_checkpoints(paths)[0]) == 40
    assert read_run_json(paths)["status"] == "diverged"
    assert "NaN" not in paths.run_json.read_text()


def test_f16_weights_that_are_not_finite_are_never_saved(train, run):
    program = FakeProgram(run)
    advance = program.advance

    def poisoned(num_steps):
        chunk = advance(num_steps)
        if program.step >= 35:
            program.state()["agent/weights/w"].assign([[float("inf")] * 3] * 2)
        return chunk

    program.advance = poisoned
    outcome = train(run, program=program)
    assert outcome.status == "diverged"
    assert "agent/weights/w" in outcome.message
    assert "not finite at step 40" in outcome.message
    assert step_of(list_checkpoints(train.paths(run))[0]) == 20


@pytest.mark.parametrize("error", [RuntimeError("the pole fell off"), SystemExit(3), ValueError()])
def test_f17_what_an_environment_raises_is_a_failure_with_a_traceback(train, run, error):
    outcome = train(run, program=FakeProgram(run, raises_at=33, error=error))
    assert outcome.status == "failed"
    assert type(error).__name__ in outcome.message
    paths = train.paths(run)
    assert read_run_json(paths)["reason"] == outcome.message
    assert "raise self.error" in paths.log.read_text()
    assert train(run).status == "complete"  # the same line goes on


def test_ctrl_c_that_nobody_handles_is_interrupted(train, run):
    with pytest.raises(KeyboardInterrupt):
        train(run, program=FakeProgram(run, raises_at=33, error=KeyboardInterrupt()))
    assert read_run_json(train.paths(run))["status"] == "interrupted"
    assert train(run).status == "complete"


def test_f20_a_busy_run_is_refused(train, run):
    train(run, stop_after=2)
    with lock.hold(train.paths(run).lock), pytest.raises(RunBusyError, match=str(os.getpid())):
        train(run)


def test_f5_resume_uses_the_checkpoint_before_a_damaged_one(train, run, undisturbed):
    train(run, stop_after=100)
    paths = train.paths(run)
    shutil.rmtree(paths.root)
    train(run, program=FakeProgram(run, raises_at=55))
    os.truncate(paths.checkpoint(40) / "state.index", 3)
    assert train(run).status == "complete"
    assert any("000000040 is damaged" in text for text in train.said)
    assert result(paths)["progress"] == undisturbed["progress"]
    assert result(paths)["states"]["000000060"] == undisturbed["states"]["000000060"]
    assert "000000040 is damaged" in paths.log.read_text()


def test_f6_all_checkpoints_damaged_never_starts_from_scratch(train, run):
    train(run, program=FakeProgram(run, raises_at=55))
    paths = train.paths(run)
    for folder in list_checkpoints(paths):
        os.truncate(folder / "state.index", 3)
    for _ in range(2):
        with pytest.raises(DamagedError):
            train(run)
    shutil.rmtree(paths.checkpoints)
    with pytest.raises(DamagedError, match="tells of a checkpoint"):
        train(run)
    assert train(run, fresh=True).status == "complete"


def test_a_run_that_died_before_its_first_checkpoint_starts_again(train, run, undisturbed):
    outcome = train(run, program=FakeProgram(run, raises_at=15))
    assert outcome.status == "failed"
    assert rows(train.paths(run).progress) != []
    assert train(run).status == "complete"
    assert result(train.paths(run)) == undisturbed


def test_f8_leftovers_of_dead_processes_are_removed_and_logged(train, run):
    train(run, stop_after=3)
    paths = train.paths(run)
    (paths.checkpoints / ".tmp-99999-abc").mkdir()
    (paths.root / ".tmp-99999-def").write_text("half")
    train(run)
    assert not list(paths.root.rglob(".tmp-*"))
    assert "removed .tmp-99999-abc" in paths.log.read_text()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"status": "complete"}'])
def test_a_damaged_run_json_is_set_aside_and_the_run_goes_on(train, run, content):
    train(run, stop_after=4)
    paths = train.paths(run)
    paths.run_json.write_text(content)
    assert train(run).status == "complete"
    assert any("run.json was damaged" in text for text in train.said)
    assert len(list(paths.root.glob("run.json.damaged-*"))) == 1


def test_a_damaged_spec_yaml_is_not_taken_for_another_run(train, run):
    train(run, stop_after=4)
    train.paths(run).spec.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DamagedError, match=r"spec\.yaml cannot be read"):
        train(run)


def test_rows_that_were_lost_are_reported(train, run):
    train(run, stop_after=4)
    paths = train.paths(run)
    os.truncate(paths.progress, paths.progress.stat().st_size - 3)
    assert train(run).status == "complete"
    assert any("progress.csv" in text and "rows are missing" in text for text in train.said)


def test_without_the_replay_the_checkpoint_is_small_and_resume_says_so(train, make_run):
    run = make_run(checkpoint=CheckpointSection(every=20, replay=False))
    train(run, stop_after=4)
    manifest = json.loads((list_checkpoints(train.paths(run))[0] / "manifest.json").read_text())
    assert "replay/rows" not in manifest["tensors"]
    assert not manifest["has_replay"]
    assert train(run).status == "complete"
    assert any("refills" in text for text in train.said)


def test_another_version_or_processor_is_said_and_recorded(train, run):
    train(run, stop_after=4)
    paths = train.paths(run)
    facts = json.loads(paths.run_json.read_text())
    facts["versions"]["tensorflow"] = "2.14.0"
    facts["host"]["cpu"] = "Z80"
    paths.run_json.write_text(json.dumps(facts))
    train(run)
    assert any("tensorflow 2.14.0 ->" in text for text in train.said)
    assert any("cpu Z80 ->" in text for text in train.said)
    attempts = read_run_json(paths)["attempts"]
    assert attempts[0]["warnings"] == []
    assert len(attempts[1]["warnings"]) == 2


def test_wall_seconds_go_on_over_attempts(train, run):
    train(run, stop_after=4)
    train(run)
    with train.paths(run).progress.open() as file:
        header, *lines = file.read().splitlines()
    column = header.split(",").index("wall_seconds")
    seconds = [float(line.split(",")[column]) for line in lines]
    assert seconds == sorted(seconds)


def test_f3_a_full_disk_is_said_once_and_the_run_goes_on(train, run, monkeypatch):
    from erlctl.runs import checkpoints

    real = checkpoints.save

    def full(state, paths, *, step, **kwargs):
        if 20 <= step <= 45:
            raise OSError(28, "No space left on device")
        return real(state, paths, step=step, **kwargs)

    monkeypatch.setattr(checkpoints, "save", full)
    assert train(run).status == "complete"
    assert sum("the disk is full" in text for text in train.said) == 1
    assert "needed" in next(text for text in train.said if "the disk is full" in text)


def test_f3_a_run_without_its_last_checkpoint_is_not_complete(train, run, monkeypatch):
    from erlctl.runs import checkpoints

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "save", full)
    outcome = train(run)
    assert outcome.status == "failed"
    assert "free some space" in outcome.message
    monkeypatch.undo()
    assert train(run).status == "complete"


def test_f4_too_little_disk_or_memory_is_known_before_the_start(train, run, monkeypatch):
    monkeypatch.setattr(preflight, "free_bytes", lambda folder: 1000)
    outcome = train(run)
    assert outcome.status == "failed"
    assert "1 MB are free" in outcome.message
    monkeypatch.setattr(preflight, "free_bytes", lambda folder: 10**12)
    monkeypatch.setattr(preflight, "available_memory", lambda: 100)
    assert "of memory" in train(run).message


@pytest.mark.parametrize("kind", ["file in the way", "file as runs dir", "too long"])
def test_f19_folders_that_cannot_be_used_are_named_with_a_hint(tmp_path, run, kind):
    runs_dir = tmp_path / "runs"
    if kind == "file as runs dir":
        runs_dir.write_text("")
    elif kind == "file in the way":
        runs_dir.mkdir()
        (runs_dir / run.name).write_text("")
    else:
        runs_dir = runs_dir / ("x" * 300)
    with pytest.raises(ErlctlError, match="runs-dir"):
        execute(run, runs_dir, program_for=pytest.fail)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_f19_a_read_only_folder_is_named_with_a_hint(tmp_path, run):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(ErlctlError, match="permissions"):
            execute(run, tmp_path / "runs", program_for=pytest.fail)
    finally:
        tmp_path.chmod(0o700)


def test_f38_no_home_and_a_deleted_working_directory_do_not_matter(
    train, run, monkeypatch, tmp_path
):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    monkeypatch.delenv("HOME", raising=False)
    assert train(run).status == "complete"


def test_a_run_directory_can_be_moved_and_resumed(train, run, undisturbed, tmp_path):
    train(run, stop_after=4)
    moved = Session(tmp_path / "elsewhere")
    shutil.move(train.runs_dir, moved.runs_dir)
    assert moved(run).status == "complete"
    assert result(moved.paths(run))["progress"] == undisturbed["progress"]


def test_no_environment_variable_outside_the_list_is_in_any_file(train, run, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "s3cr3t-value")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    train(run)
    for path in train.paths(run).root.rglob("*"):
        assert path.is_dir() or b"s3cr3t-value" not in path.read_bytes()
    assert read_run_json(train.paths(run))["environment_variables"]["OMP_NUM_THREADS"] == "1"


def test_the_training_steps_decide_the_end_exactly(train, make_run):
    run = make_run(training=TrainingSection(steps=53, learning_starts=5, batch_size=2,
                                            replay_capacity=50))
    assert train(run).step == 53
    assert step_of(list_checkpoints(train.paths(run))[0]) == 53


def test_f4_a_replay_that_does_not_fit_is_known_before_the_program_is_built(
    train, run, monkeypatch
):
    monkeypatch.setattr(preflight, "available_memory", lambda: 100)
    outcome = execute(run, train.runs_dir, program_for=pytest.fail)
    assert "the replay buffer needs about 1 MB of memory" in outcome.message


def test_f16_a_bad_reward_that_was_never_drawn_is_not_saved(train, run):
    program = FakeProgram(run)
    advance = program.advance

    def poisoned(num_steps):
        chunk = advance(num_steps)
        if program.step >= 35:
            rows = program.state()["replay/rows"].numpy()
            rows[0] = float("nan")
            program.state()["replay/rows"].assign(rows)
        return chunk

    program.advance = poisoned
    outcome = train(run, program=program)
    assert outcome.status == "diverged"
    assert "replay/rows is not finite at step 40; last checkpoint: step 20" in outcome.message


def test_f16_a_divergence_names_what_is_not_finite(train, run):
    program = FakeProgram(run, diverges_at=47)
    advance = program.advance

    def poisoned(num_steps):
        chunk = advance(num_steps)
        if program.step >= 47:
            program.state()["agent/weights/w"].assign([[float("inf")] * 3] * 2)
        return chunk

    program.advance = poisoned
    reason = train(run, program=program).message
    assert reason == ("the loss is not finite at step 47; agent/weights/w is not finite; "
                      "last checkpoint: step 40")


def refuse(token):
    raise AssertionError(f"JSON holds {token}")


def test_f16_json_never_holds_nan(train, run):
    program = FakeProgram(run)
    program.evaluate = lambda *_, **__: (np.array([np.nan, np.inf]), np.array([1, 2]))
    assert train(run, program=program).status == "complete"
    paths = train.paths(run)
    assert "nan" in paths.evaluations.read_text()
    files = [paths.run_json, *paths.checkpoints.glob("*/manifest.json")]
    assert len(files) >= 3
    for file in files:
        json.loads(file.read_text(), parse_constant=refuse)


def test_f18_an_environment_that_leaves_is_a_failure_of_its_run(train, run):
    outcome = train(run, program=FakeProgram(run, raises_at=33, error=SystemExit("goodbye")))
    assert (outcome.status, outcome.message) == ("failed", "SystemExit: goodbye")


def test_f18_a_run_above_its_memory_limit_ends_with_a_checkpoint_and_goes_on(tmp_path, run):
    polls = iter(range(10))

    def too_large():
        return StopReason("memory_limit", message="9 GB") if next(polls) == 3 else None

    session = Session(tmp_path / "runs")
    outcome = execute(run, tmp_path / "runs", program_for=FakeProgram, should_stop=too_large)
    assert outcome.status == "failed"
    assert outcome.message.startswith("9 GB")
    assert step_of(list_checkpoints(session.paths(run))[0]) == outcome.step > 0
    assert session(run).status == "complete"


def test_f22_a_clock_set_back_a_day_changes_no_duration_and_no_order(
    train, run, undisturbed, monkeypatch
):
    train(run, stop_after=4)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 86400)
    assert train(run).status == "complete"
    paths = train.paths(run)
    assert result(paths)["progress"] == undisturbed["progress"]
    seconds = read_table(paths.progress).columns["wall_seconds"]
    assert list(seconds) == sorted(seconds)
    assert seconds[-1] < 60
    assert step_of(list_checkpoints(paths)[0]) == 60


def test_f22_the_newest_checkpoint_is_the_one_of_the_highest_step(train, run, undisturbed):
    train(run, program=FakeProgram(run, raises_at=55))
    paths = train.paths(run)
    os.utime(paths.checkpoint(20), (2**32, 2**32))  # in the future
    os.utime(paths.checkpoint(40), (0, 0))
    train(run)
    assert "resumed from step 40" in train.said[0]
    assert result(paths)["progress"] == undisturbed["progress"]
