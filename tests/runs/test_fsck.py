from __future__ import annotations

import os

import pytest

from erlctl.runs import fsck
from erlctl.runs.execute import execute
from erlctl.runs.layout import RunPaths
from tests.runs.fake_program import FakeProgram


@pytest.fixture
def finished(tmp_path, run):
    execute(run, tmp_path / "runs", program_for=FakeProgram)
    return RunPaths.of(tmp_path / "runs", run)


def names(findings):
    return [finding.path.name for finding in findings]


def test_a_run_as_it_was_written_is_sound(finished):
    assert fsck.check(finished) == []


@pytest.mark.parametrize(("path", "content"), [
    ("spec.yaml", b"nonsense: ["), ("run.json", b"{"), ("progress.csv", b"step,loss\nx,y\n"),
    ("evaluations.csv", b"step,return\n20,1\n10,1\n"),
])
def test_a_damaged_file_is_found_with_a_way_out(finished, path, content):
    (finished.root / path).write_bytes(content)
    findings = fsck.check(finished)
    assert names(findings) == [path]
    assert findings[0].is_damage
    assert findings[0].fix


def test_a_damaged_checkpoint_is_found_and_nothing_is_changed(finished):
    os.truncate(finished.checkpoint(40) / "state.index", 5)
    findings = fsck.check(finished)
    assert names(findings) == ["000000040"]
    assert "5 of" in findings[0].message
    assert "sets this one aside" in findings[0].fix
    os.truncate(finished.checkpoint(60) / "state.index", 5)
    assert all("--fresh" in finding.fix for finding in fsck.check(finished))
    assert finished.checkpoint(60).is_dir()


def test_leftovers_and_torn_last_lines_are_no_damage(finished):
    (finished.checkpoints / ".tmp-1-abc").mkdir()
    with finished.progress.open("a") as file:
        file.write("70,")
    findings = fsck.check(finished)
    assert sorted(names(findings)) == [".tmp-1-abc", "progress.csv"]
    assert not any(finding.is_damage for finding in findings)
