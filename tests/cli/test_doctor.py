"""`erlctl doctor`: every known trap has a line and a command that mends it."""

from __future__ import annotations

import json
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

from erlctl.doctor import checks
from tests.cli.helpers import erlctl

HEALTHY = {
    "xla": {"seconds": 0.1}, "device": {"version": "CPU"}, "keras": {"version": "2.21.0"},
    "tf_agents": {"version": "0.19.0"},
}


@pytest.fixture(autouse=True)
def probe(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Stand in for the process that imports TensorFlow."""
    report: dict[str, object] = dict(HEALTHY)
    monkeypatch.setattr(checks, "run_probe", lambda: report)
    return report


def report_of(runs_dir: Path) -> dict[str, dict[str, str]]:
    result = erlctl("doctor", "--runs-dir", runs_dir, "--format", "json")
    return {row["name"]: row for row in json.loads(result.out)["rows"]}


def test_this_installation_has_no_problem(runs_dir):
    result = erlctl("doctor", "--runs-dir", runs_dir)
    assert result.code == 0, result.out
    assert "0 problems" in result.err


@pytest.mark.parametrize(
    ("distribution", "version", "fix"),
    [
        ("tensorflow", "2.15.1", "'tensorflow<2.22,>=2.20'"),
        ("tf_keras", "2.15.0", "'tf_keras<2.22,>=2.20'"),
        ("setuptools", "82.0.0", "'setuptools<81'"),
        ("gym", "0.26.2", "gym==0.23.0"),
        ("tf-agents", "0.17.0", "tf-agents==0.19.0"),
        ("tensorflow-probability", "0.25.0", "tensorflow-probability"),
    ],
)
def test_a_wrong_version_is_a_problem_with_its_command(
    runs_dir, monkeypatch, distribution, version, fix
):
    real = metadata.version
    monkeypatch.setattr(
        checks.metadata, "version", lambda name: version if name == distribution else real(name))
    line = report_of(runs_dir)[distribution]
    assert line["status"] == "problem"
    assert line["found"].startswith(version)
    assert fix.strip("'") in line["fix"]
    assert line["fix"].startswith(sys.executable)
    assert erlctl("doctor", "--runs-dir", runs_dir).code == 1


def test_a_missing_package_is_a_problem(runs_dir, monkeypatch):
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(checks.metadata, "version", missing)
    assert report_of(runs_dir)["tf-agents"]["found"] == "not installed"


def test_what_a_package_needs_of_another_is_checked(runs_dir, monkeypatch):
    real = metadata.version
    monkeypatch.setattr(
        checks.metadata, "version", lambda name: "1.0" if name == "protobuf" else real(name))
    line = report_of(runs_dir)["tensorflow"]
    assert line["status"] == "problem"
    assert "needs protobuf" in line["found"]
    assert "protobuf" in line["fix"]


def test_a_python_that_is_too_new_is_a_problem(runs_dir, monkeypatch):
    monkeypatch.setattr(checks.platform, "python_version", lambda: "3.14.0")
    assert "3.14.0; erlctl needs" in report_of(runs_dir)["python"]["found"]


@pytest.mark.parametrize(("free", "status"), [(10**8, "problem"), (10**9, "warning"),
                                              (10**12, "ok")])
def test_little_disk_is_said(runs_dir, monkeypatch, free, status):
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    assert report_of(runs_dir)["disk"]["status"] == status


def test_little_memory_names_the_number_of_jobs(runs_dir, monkeypatch):
    monkeypatch.setattr(checks.machine, "usable_cores", lambda: 8)
    monkeypatch.setattr(checks, "available_memory", lambda: 3 * checks.GIGABYTE)
    line = report_of(runs_dir)["memory"]
    assert (line["status"], line["fix"]) == ("warning", "erlctl train ... --jobs 3")


def test_a_runs_directory_that_cannot_be_written_is_a_problem(runs_dir, monkeypatch):
    monkeypatch.setattr(checks.os, "access", lambda path, mode: False)
    assert report_of(runs_dir)["runs directory"]["status"] == "problem"


def test_what_the_probe_finds_is_reported(runs_dir, probe):
    probe["xla"] = {"error": "InternalError: no compiler"}
    line = report_of(runs_dir)["XLA on this machine"]
    assert (line["status"], line["found"]) == ("problem", "InternalError: no compiler")
    assert "compile: graph" in line["fix"]


def test_a_probe_that_dies_is_reported_with_its_last_words(runs_dir, monkeypatch):
    monkeypatch.undo()
    script = "import sys; print('Illegal instruction', file=sys.stderr); sys.exit(132)"
    report = checks.run_probe((sys.executable, "-c", script))
    assert report == {"error": "ended with code 132: Illegal instruction"}
