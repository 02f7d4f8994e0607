from __future__ import annotations

import re
import subprocess
import sys
import time

import pytest

from erlctl.runs import provenance


def test_only_listed_environment_variables_are_recorded():
    variables = {
        "OMP_NUM_THREADS": "1", "SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "0",
        "TF_NUM_INTRAOP_THREADS": "1", "XLA_FLAGS": "--x", "AWS_SECRET_ACCESS_KEY": "s",
        "SLURM_JWT": "s", "TF_SECRET": "s", "CUDA_TOKEN": "s", "OMP_NUM_THREADS_X": "s",
        "X_OMP_NUM_THREADS": "s", "HOME": "/root",
    }
    assert set(provenance.environment(variables)) == {
        "OMP_NUM_THREADS", "SLURM_JOB_ID", "CUDA_VISIBLE_DEVICES", "TF_NUM_INTRAOP_THREADS",
        "XLA_FLAGS",
    }


def test_times_are_utc_in_rfc_3339():
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", provenance.utc_now())


def test_versions_name_what_decides_results():
    versions = provenance.versions()
    assert set(versions) == {"erlctl", "python", "tensorflow", "tf_agents", "gym", "numpy"}
    assert versions["tensorflow"].startswith("2.2")


def git(folder, *arguments):
    subprocess.run(["git", "-c", "user.name=n", "-c", "user.email=e", *arguments], cwd=folder,
                   check=True, capture_output=True)


def test_f40_git_state_or_the_reason_why_there_is_none(tmp_path, monkeypatch):
    assert "not a git repository" in provenance.git_state(tmp_path)["reason"]
    git(tmp_path, "init")
    assert provenance.git_state(tmp_path)["commit"] is None  # no commit yet
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-m", "one")
    state = provenance.git_state(tmp_path)
    assert re.fullmatch("[0-9a-f]{40}", state["commit"])
    assert (state["dirty"], state["reason"]) == (False, None)
    (tmp_path / "a").write_text("2")
    assert provenance.git_state(tmp_path)["dirty"]
    monkeypatch.setenv("PATH", "/nowhere")
    assert provenance.git_state(tmp_path)["reason"] == "git is not installed"


def test_f40_a_slow_git_holds_nothing_up(tmp_path, monkeypatch):
    slow = tmp_path / "git"
    slow.write_text("#!/bin/sh\nexec sleep 30\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    started = time.monotonic()
    assert "longer than" in provenance.git_state(tmp_path)["reason"]
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(("before", "now", "expected"), [
    ({"numpy": "1"}, {"numpy": "2"}, ["numpy 1 -> 2"]),
    ({"numpy": "1"}, {"numpy": "1", "new": "1"}, []),
])
def test_differences_between_attempts_are_sentences(before, now, expected):
    assert provenance.differences(before, now) == expected


@pytest.mark.parametrize("name", ["/usr/bin/erlctl", "/site-packages/erlctl/__main__.py"])
def test_the_command_is_erlctl_however_it_was_started(monkeypatch, name):
    monkeypatch.setattr(sys, "argv", [name, "train", "spec.yaml"])
    assert provenance.command_line() == ["erlctl", "train", "spec.yaml"]
