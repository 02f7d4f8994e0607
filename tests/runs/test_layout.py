from __future__ import annotations

import json
import os
import time

import pytest

from erlctl.runs import layout, lock
from erlctl.runs.layout import RunPaths, find_runs, read_run_json


def make(root, *names, status="complete"):
    for name in names:
        folder = root / name
        folder.mkdir(parents=True)
        (folder / "spec.yaml").write_text("schema: 1\n")
        (folder / "run.json").write_text(json.dumps({"status": status}))


def names(found, root):
    return [os.path.relpath(run.root, root) for run in found.runs]


def test_a_run_is_found_from_every_level_above_it(tmp_path):
    make(tmp_path, "exp/dqn/seed-0", "exp/dqn/seed-1", "exp/dpp/seed-0", "other/dqn/seed-0")
    assert len(find_runs([tmp_path]).runs) == 4
    assert len(find_runs([tmp_path / "exp"]).runs) == 3
    assert len(find_runs([tmp_path / "exp/dqn"]).runs) == 2
    assert len(find_runs([tmp_path / "exp/dqn/seed-1"]).runs) == 1
    assert len(find_runs([f"{tmp_path}/*/dqn"]).runs) == 3
    assert find_runs([tmp_path]).skipped == []


def test_seeds_are_in_the_order_of_their_numbers(tmp_path):
    make(tmp_path, *(f"exp/dqn/seed-{n}" for n in (10, 2, 1)))
    assert names(find_runs([tmp_path]), tmp_path) == [
        "exp/dqn/seed-1", "exp/dqn/seed-2", "exp/dqn/seed-10"
    ]


def test_a_run_that_several_paths_lead_to_is_listed_once(tmp_path):
    make(tmp_path, "exp/dqn/seed-0")
    paths = [tmp_path, tmp_path / "exp", tmp_path / "exp/dqn/seed-0", f"{tmp_path}/e*"]
    assert len(find_runs(paths).runs) == 1


def test_what_is_no_run_is_reported_and_not_fatal(tmp_path):
    make(tmp_path, "exp/dqn/seed-0")
    (tmp_path / "exp/dqn/seed-1").mkdir()
    (tmp_path / "exp/figures/png").mkdir(parents=True)
    make(tmp_path, "exp/dqn/seed-0.20260101T000000Z")
    (tmp_path / "exp/notes.txt").write_text("hello")
    found = find_runs([tmp_path, tmp_path / "nowhere", f"{tmp_path}/x*"])
    assert names(found, tmp_path) == ["exp/dqn/seed-0"]
    skipped = {path.name: reason for path, reason in found.skipped}
    assert skipped == {
        "seed-1": "neither run.json nor spec.yaml",
        "figures": "no run directory here",
        "seed-0.20260101T000000Z": "moved aside by --fresh",
        "nowhere": "no such file or directory",
        "x*": "nothing matches",
    }


def test_links_below_a_path_are_not_followed(tmp_path):
    make(tmp_path, "elsewhere/dqn/seed-0", "runs/exp/dqn/seed-0")
    (tmp_path / "runs/loop").symlink_to(tmp_path / "runs")
    (tmp_path / "runs/out").symlink_to(tmp_path / "elsewhere")
    found = find_runs([tmp_path / "runs"])
    assert len(found.runs) == 1
    assert {path.name for path, _ in found.skipped} == {"loop", "out"}
    assert len(find_runs([tmp_path / "runs/out"]).runs) == 1  # named by the user


def test_a_renamed_run_is_found_when_it_is_named(tmp_path):
    make(tmp_path, "my-best-run")
    assert len(find_runs([tmp_path / "my-best-run"]).runs) == 1


def test_a_thousand_runs_are_found_and_read_quickly(tmp_path):
    make(tmp_path, *(f"exp/v{v}/seed-{s}" for v in range(20) for s in range(50)))
    started = time.perf_counter()
    found = find_runs([tmp_path])
    facts = [read_run_json(run) for run in found.runs]
    assert time.perf_counter() - started < 1  # measured: 0.06
    assert len(facts) == 1000


def test_a_run_without_run_json_is_pending_and_named_by_its_folders(tmp_path):
    (tmp_path / "exp/dqn/seed-7").mkdir(parents=True)
    facts = read_run_json(RunPaths(tmp_path / "exp/dqn/seed-7"))
    assert facts["status"] == "pending"
    assert (facts["name"], facts["variant"], facts["seed"]) == ("exp", "dqn", 7)


@pytest.mark.parametrize("content", [
    b"", b"{", b"[1]", b"null", b'{"status": "wonderful"}', b"{}", b"\xff\xfe", b"\0" * 50,
    b'{"status": ["running"]}', b"[" * 100_000,
])
def test_a_damaged_run_json_is_said_and_not_fatal(tmp_path, content):
    make(tmp_path, "exp/dqn/seed-0")
    paths = RunPaths(tmp_path / "exp/dqn/seed-0")
    paths.run_json.write_bytes(content)
    facts = read_run_json(paths)
    assert facts["status"] in layout.STATUSES
    assert "run.json" in facts["problem"]


def test_running_means_that_the_lock_is_held(tmp_path):
    make(tmp_path, "exp/dqn/seed-0", status="running")
    paths = RunPaths(tmp_path / "exp/dqn/seed-0")
    assert read_run_json(paths)["status"] == "interrupted"
    with lock.hold(paths.lock):
        assert read_run_json(paths)["status"] == "running"
    assert read_run_json(paths)["status"] == "interrupted"
