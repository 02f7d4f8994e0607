"""Short forms of the soaks in benchmarks/, which run for as long as one likes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from erlctl.launch.process import worker_environment

pytestmark = pytest.mark.slow


def soak(repository, tmp_path, script, *options):
    return subprocess.run(
        [sys.executable, str(repository / "benchmarks" / script), *options], cwd=repository,
        env={**worker_environment(), "TMPDIR": str(tmp_path)}, text=True, capture_output=True,
        check=False, timeout=900,
    )


def test_f1_a_short_soak_of_two_workers_ends_with_the_undisturbed_bytes(repository, tmp_path):
    done = soak(repository, tmp_path, "soak.py", "--kills", "3", "--minutes", "10")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing damaged, every byte as in the batch that was left alone" in done.stdout
    # A process that is killed leaves the files that TensorFlow's AutoGraph removes at its end.
    assert [path for path in tmp_path.iterdir() if not path.name.startswith("__autograph")] == []


def test_f35_memory_files_and_threads_stay_flat(repository, tmp_path):
    done = soak(repository, tmp_path, "flat.py", "--steps", "100000", "--checkpoints", "40")
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"checkpoints": 40' in done.stdout
