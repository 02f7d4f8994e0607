"""`erlctl fsck`: damage is found and named, leftovers are no damage, nothing is changed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from erlctl import registry, spec
from erlctl.runs.execute import execute
from erlctl.runs.layout import RunPaths
from erlctl.spec.schema import (
    CheckpointSection,
    EnvironmentSection,
    EvaluationSection,
    LoggingSection,
    RunSpec,
    TrainingSection,
)
from tests.cli.helpers import erlctl
from tests.runs.fake_program import FakeProgram


def a_run(seed: int) -> spec.RunSpec:
    return RunSpec(
        name="study", variant="dqn", seed=seed, environment=EnvironmentSection(id="CartPole-v1"),
        agent=registry.get("algorithm", "dqn")(),
        training=TrainingSection(steps=60, learning_starts=5, batch_size=2, replay_capacity=50),
        evaluation=EvaluationSection(every=20, episodes=2), checkpoint=CheckpointSection(every=20),
        logging=LoggingSection(every=20, tensorboard=False),
    )


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    """Return a runs directory of two finished runs."""
    for seed in (0, 1):
        run = a_run(seed)
        assert execute(run, tmp_path / "runs", program_for=FakeProgram).status == "complete"
    return tmp_path / "runs"


def content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_sound_runs_are_0_without_a_table(runs_dir):
    result = erlctl("fsck", runs_dir)
    assert (result.code, result.out) == (0, "")
    assert result.err == "2 runs checked, 0 cases of damage\n"


@pytest.mark.parametrize("name", [
    "seed-0/checkpoints/000000060/state.index", "seed-0/checkpoints/000000060/manifest.json",
    "seed-0/checkpoints/000000060/state.data-00000-of-00001", "seed-0/run.json",
    "seed-0/spec.yaml",
])
def test_f5_a_file_that_was_cut_is_5_and_says_what_to_do(runs_dir, name):
    path = runs_dir / "study" / "dqn" / name
    os.truncate(path, path.stat().st_size - 3)
    before = content(runs_dir)
    result = erlctl("fsck", runs_dir, "--format", "json")
    assert result.code == 5
    (row,) = json.loads(result.out)["rows"]
    assert row["path"] in (str(path), str(path.parent))
    assert row["damage"] is True
    assert "rerun" in row["fix"] or "restore" in row["fix"]
    assert "nothing was changed" in result.err
    assert content(runs_dir) == before


def test_f5_one_flipped_bit_anywhere_in_a_checkpoint_is_found(runs_dir):
    folder = RunPaths.of(runs_dir, a_run(0)).checkpoint(60)
    for name in ("state.data-00000-of-00001", "state.index"):
        data = (folder / name).read_bytes()
        for position in range(0, len(data), max(len(data) // 16, 1)):
            flipped = bytearray(data)
            flipped[position] ^= 1
            (folder / name).write_bytes(flipped)
            assert erlctl("fsck", runs_dir).code == 5, f"{name} byte {position}"
        (folder / name).write_bytes(data)
    assert erlctl("fsck", runs_dir).code == 0


def test_f8_leftovers_are_listed_and_no_damage(runs_dir):
    (RunPaths.of(runs_dir, a_run(1)).checkpoints / ".tmp-1-abc").mkdir()
    result = erlctl("fsck", runs_dir)
    assert result.code == 0
    assert ".tmp-1-abc" in result.out
    assert "the next start removes it" in result.out


def test_one_run_of_several_can_be_named(runs_dir):
    (RunPaths.of(runs_dir, a_run(0)).run_json).write_text("{")
    assert erlctl("fsck", RunPaths.of(runs_dir, a_run(1)).root).code == 0
    assert erlctl("fsck", f"{runs_dir}/study/dqn/seed-*").code == 5


def test_f14_a_hostile_folder_is_damage_and_never_a_traceback(runs_dir):
    paths = RunPaths.of(runs_dir, a_run(0))
    paths.progress.unlink()
    paths.progress.symlink_to("/etc/passwd")
    manifest = paths.checkpoint(60) / "manifest.json"
    facts = json.loads(manifest.read_text())
    facts["files"] = {"../../../../victim": {"bytes": 1, "sha256": "x"}}
    manifest.write_text(json.dumps(facts))
    with paths.run_json.open("wb") as file:
        file.truncate(2**40)  # sparse
    result = erlctl("fsck", runs_dir)
    assert result.code == 5
    assert "root:" not in result.out


def test_no_run_is_an_error_with_a_remedy(tmp_path):
    result = erlctl("fsck", tmp_path / "nothing")
    assert result.code == 1
    assert "name a run or a runs directory" in result.err
