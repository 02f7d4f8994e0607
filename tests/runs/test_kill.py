"""Processes killed by SIGKILL at random instants; the same line is run again until it is done."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time

import pytest

from erlctl import spec
from erlctl.runs import fsck
from erlctl.runs.execute import execute
from erlctl.runs.layout import RunPaths, read_run_json
from tests.runs import fake_program
from tests.runs.fake_program import FakeProgram
from tests.runs.observe import result


def start(spec_yaml, runs_dir, repository, seconds):
    return subprocess.Popen(
        [sys.executable, fake_program.__file__, spec_yaml, runs_dir, str(seconds)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "PYTHONPATH": str(repository)},
    )


@pytest.mark.slow
def test_f1_a_run_killed_at_random_instants_ends_with_the_undisturbed_bytes(
    tmp_path, run, repository
):
    execute(run, tmp_path / "undisturbed", program_for=FakeProgram)
    expected = result(RunPaths.of(tmp_path / "undisturbed", run))
    spec_yaml = tmp_path / "run.yaml"
    spec_yaml.write_text(spec.dump(run))
    paths = RunPaths.of(tmp_path / "runs", run)
    rng = random.Random(0)
    for _ in range(4):
        process = start(spec_yaml, tmp_path / "runs", repository, 0.05)
        with process:
            for line in process.stdout:
                if line.strip() == "started":
                    break
            time.sleep(rng.uniform(0, 0.6))
            process.kill()
        assert read_run_json(paths)["status"] in ("interrupted", "complete")
        assert not any(finding.is_damage for finding in fsck.check(paths))
    outcome = execute(run, tmp_path / "runs", program_for=FakeProgram)
    assert outcome.status in ("complete", "skipped")
    assert result(paths) == expected


@pytest.mark.slow
def test_f20_of_two_starts_at_once_one_runs_and_the_other_says_who(tmp_path, run, repository):
    spec_yaml = tmp_path / "run.yaml"
    spec_yaml.write_text(spec.dump(run))
    first = start(spec_yaml, tmp_path / "runs", repository, 0.3)
    with first:
        for line in first.stdout:
            if line.strip() == "started":
                break
        assert read_run_json(RunPaths.of(tmp_path / "runs", run))["status"] == "running"
        with pytest.raises(Exception, match=f"pid {first.pid}"):
            execute(run, tmp_path / "runs", program_for=FakeProgram)
        first.kill()
