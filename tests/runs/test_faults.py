"""Runs that die at any file operation, and what the same line makes of them afterwards."""

from __future__ import annotations

import functools
import shutil

import pytest

from erlctl.errors import ErlctlError
from erlctl.runs import fsck
from erlctl.runs.execute import execute
from erlctl.runs.layout import STATUSES, RunPaths, read_run_json
from erlctl.runs.tables import read_table
from erlctl.spec.schema import (
    CheckpointSection,
    EvaluationSection,
    LoggingSection,
    TrainingSection,
)
from tests.runs.fake_program import FakeProgram
from tests.runs.faults import Killed, count_operations, dying_at
from tests.runs.observe import result


@pytest.fixture
def run(make_run):
    """Return a run of two checkpoints and three evaluations."""
    return make_run(
        training=TrainingSection(steps=30, learning_starts=5, batch_size=2, replay_capacity=50),
        evaluation=EvaluationSection(every=10, episodes=2),
        checkpoint=CheckpointSection(every=15), logging=LoggingSection(every=10),
    )


@pytest.fixture
def go(tmp_path, run):
    """Return a function that executes the run from a warm program."""
    program = FakeProgram(run)

    def start(run):
        program.start(run)
        return program

    def execute_in(runs_dir):
        return execute(run, runs_dir, program_for=start)

    return execute_in


def reason_of(action):
    """Return why a run was not completed, "" if it was."""
    try:
        return action().message
    except (ErlctlError, OSError) as error:
        return str(error)


def check_invariants(paths):
    assert read_run_json(paths)["status"] in STATUSES
    assert read_run_json(paths)["status"] != "running"
    assert [finding for finding in fsck.check(paths) if finding.is_damage] == []
    for path in (paths.progress, paths.evaluations):
        steps = read_table(path).columns.get("step", [])
        assert list(steps) == sorted(steps)


@pytest.mark.slow
def test_f2_a_run_killed_at_any_file_operation_resumes_to_the_same_bytes(tmp_path, run, go):
    assert go(tmp_path / "undisturbed").message == ""
    expected = result(RunPaths.of(tmp_path / "undisturbed", run))
    total = count_operations(lambda: go(tmp_path / "counted"))
    assert total > 50
    for nth in range(1, total + 1):
        runs_dir = tmp_path / "runs"
        paths = RunPaths.of(runs_dir, run)
        with dying_at(nth), pytest.raises(Killed):
            go(runs_dir)
        if paths.root.exists():
            check_invariants(paths)
        assert go(runs_dir).status in ("complete", "skipped"), f"operation {nth}"
        assert result(paths) == expected, f"operation {nth}"
        shutil.rmtree(runs_dir)


@pytest.mark.slow
def test_f2_a_run_killed_again_and_again_gets_to_the_same_bytes(tmp_path, run, go):
    assert go(tmp_path / "undisturbed").message == ""
    expected = result(RunPaths.of(tmp_path / "undisturbed", run))
    paths = RunPaths.of(tmp_path / "runs", run)
    attempts = 0
    for nth in range(20, 200, 6):  # the first ones do not get to a checkpoint
        attempts += 1
        try:
            with dying_at(nth):
                go(tmp_path / "runs")
            break
        except Killed:
            check_invariants(paths)
    assert attempts > 3
    assert result(paths) == expected


@pytest.mark.slow
@pytest.mark.parametrize("code", [28, 5])
def test_f2_an_operation_that_fails_is_named_and_the_same_line_mends_it(tmp_path, run, go, code):
    assert go(tmp_path / "undisturbed").message == ""
    expected = result(RunPaths.of(tmp_path / "undisturbed", run))
    total = count_operations(lambda: go(tmp_path / "counted"))
    for nth in range(1, total + 1, 3):
        runs_dir = tmp_path / "runs"
        with dying_at(nth, error=OSError(code, "injected")):
            said = reason_of(functools.partial(go, runs_dir))
        assert said == "" or "injected" in said or "the disk is full" in said, f"operation {nth}"
        assert go(runs_dir).status in ("complete", "skipped"), f"operation {nth}"
        found = result(RunPaths.of(runs_dir, run))
        assert found["progress"] == expected["progress"], f"operation {nth}"
        assert found["states"]["000000030"] == expected["states"]["000000030"]
        shutil.rmtree(runs_dir)
