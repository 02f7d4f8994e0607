"""The tutorial and the other pages' command lines are run, in order."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from erlctl import spec
from tests.cli.helpers import erlctl
from tests.docs.pages import ROOT, blocks, commands

TUTORIAL = ROOT / "docs" / "tutorial.md"
LIGHT = {"new", "validate", "fields", "algorithms", "schema"}
SHORT = ["--set", "training.steps=1200", "--set", "evaluation.every=400", "--seeds", "2"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for block in blocks(TUTORIAL):
        if block.title.endswith(".yaml"):
            (tmp_path / block.title).write_text(block.text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def words_of(line: str) -> tuple[list[str], str | None]:
    """Return the words after `erlctl` and the file that standard output goes into."""
    words, _, target = line.partition(" > ")
    return shlex.split(words)[1:], target or None


def test_light_lines_do_what_they_say(folder):
    lines = [line for line in commands(TUTORIAL) if line.split()[1] in LIGHT]
    assert len(lines) >= 6
    for line in lines:
        words, _ = words_of(line)
        result = erlctl(*words)
        assert result.code == 0, (line, result.err)
        assert result.out
    (run, *_) = spec.load("temperature.yaml").runs
    assert (run.name, run.network.hidden) == ("cartpole-temperature", (128, 128))


@pytest.mark.slow
def test_every_line_works_in_order(folder):
    for line in commands(TUTORIAL):
        words, target = words_of(line)
        if words[0] == "train":
            words += SHORT[:-2] if "--seeds" in words else SHORT
        done = subprocess.run([sys.executable, "-m", "erlctl", *words], capture_output=True,
                              text=True, check=False, env=_environment())
        assert done.returncode == 0, (line, done.stderr)
        if target:
            Path(target).write_text(done.stdout)
    for name in ("table.tex", "curves.pdf", "temperature.pdf", "cartpole.gif", "report.html",
                 "tables/evaluations.csv", "erlctl-schema.json"):
        assert (folder / name).stat().st_size, name


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(ROOT)}


def test_lines_about_clusters_work(monkeypatch):
    monkeypatch.chdir(ROOT)
    lines = [line for line in commands(ROOT / "docs" / "run_directory.md")
             if line.startswith("erlctl train")]
    assert lines
    for line in lines:
        words, _ = words_of(line)
        result = erlctl(*words, "--runs-dir", "build/none")
        assert result.code == 0, result.err
        assert "quickstart" in result.out
    assert not Path("build/none").exists()
