"""Every line of every page is run: as it stands where it only reads, as a dry run where it trains.

What submits to a cluster is read as far as nothing leaves this machine: the real parser, the
launcher's own options, the spec and the plan. Lines of other programs are counted, not run.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from erlctl.cli import group
from erlctl.launch import launcher
from erlctl.registry import get
from tests.analysis import synthetic
from tests.cli.helpers import Result, erlctl
from tests.docs.pages import ROOT, WRITTEN, blocks, commands, read

PAGES = (ROOT / "README.md", ROOT / "experiments" / "README.md",
         *(page for page in WRITTEN if page.name != "tutorial.md"))  # test_tutorial.py runs that
IDS = [str(page.relative_to(ROOT)) for page in PAGES]
# What needs another machine, a network or minutes; `make` targets are checked by test_pages.py.
OTHERS = {"make", "pip", ".venv/bin/pip", "ssh", "tmux", "ray", "source", "python3"}
SHARED = re.compile(r"/(?:data|shared|mnt/volume)/")  # file systems of other machines
ALGORITHMS = ("dqn", "munchausen_dqn")


@functools.cache
def spec_text() -> str:
    return erlctl("new", "cartpole", "--env", "CartPole-v1", "--algorithm", "dqn", "-o", "-").out


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with everything that the pages speak of."""
    monkeypatch.chdir(tmp_path)
    for block in blocks(ROOT / "CONTRIBUTING.md"):
        if block.language == "python":  # recipes, each with its file's name in the first line
            Path(block.text.partition("\n")[0].removeprefix("# ")).write_text(block.text)
    for name in ("cartpole", "sweep", "spec", "search"):
        Path(f"{name}.yaml").write_text(spec_text())
    shutil.copytree(ROOT / "experiments", "experiments", ignore=shutil.ignore_patterns("*.png"))
    for name in ("quickstart", "cartpole"):
        for variant, seed in itertools.product(ALGORITHMS, range(2)):
            synthetic.write_run(tmp_path / "runs", name=name, variant=variant, seed=seed)
    return tmp_path


def words_of(line: str) -> list[str]:
    """Return the words after `erlctl`, up to a pipe or redirection."""
    found = shlex.split(line, comments=True)
    return list(itertools.takewhile(lambda word: word not in ("|", ">", "&&", "&"), found))[1:]


def lines_of(page: Path) -> list[str]:
    return [line for line in commands(page) if line.startswith("erlctl ")]


def own_process(*words: str) -> Result:
    """Run a line where what it registers stays."""
    done = subprocess.run([sys.executable, "-m", "erlctl", *words], capture_output=True, text=True,
                          check=False, env={**os.environ, "PYTHONPATH": str(ROOT)})
    return Result(done.returncode, done.stdout, done.stderr)


def read_by_the_parser(words: list[str]) -> None:
    """Read a line as `erlctl` would, without running it."""
    context = click.Context(group)
    command = group.get_command(context, words[0])
    assert command is not None, words
    command.make_context(words[0], words[1:], parent=context).close()


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_line_of_a_block_is_run(page, folder):
    for line in lines_of(page):
        words = words_of(SHARED.sub("", line))
        if words[0] == "train":
            words += ["--dry-run", "--runs-dir", "new"]  # the runs that are there are of no spec
        elif words[0] == "new":
            Path(f"{words[1]}.yaml").unlink(missing_ok=True)
        words = [word for word in words if word != "--watch"]  # shows until Ctrl-C
        if words[0] == "tune":  # trains at once: its options are `train`'s, read and made here
            read_by_the_parser(words)
            given = [b for a, b in itertools.pairwise(words) if a == "--launcher-option"]
            launcher.make(words[words.index("--launcher") + 1], given)
            continue
        result = (own_process if "--trust" in words else erlctl)(*words)
        assert result.code == 0, (line, result.err)
        assert result.out, line


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_lines_of_other_programs_are_known_ones(page):
    firsts = {shlex.split(line, comments=True)[0] for line in commands(page)
              if shlex.split(line, comments=True) and not line.startswith("erlctl ")}
    assert firsts <= OTHERS


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_lines_in_the_text_are_read_by_the_parser(page):
    """These may leave out what the sentence does not speak of: the spec, the run."""
    prose = re.sub(r"```.*?```", "", read(page), flags=re.DOTALL)
    for line in re.findall(r"`erlctl ([a-z][^`]*)`", prose):
        try:
            read_by_the_parser(shlex.split(line))
        except click.MissingParameter:
            continue


@pytest.mark.parametrize("line", [
    "train sweep.yaml --launcher slurm --launcher-option partitions=short",
    "train sweep.yaml --lanucher ray", "train sweep.yaml --launcher ray --launcher-option sink=1",
    "trian sweep.yaml", "ls --sort oldest", "train sweep.yaml --jobs none",
])
def test_a_page_with_such_a_line_would_be_refused(line, folder):
    """So that the tests above can fail."""
    assert erlctl(*line.split(), *(["--dry-run"] if "train" in line else [])).code == 2


def test_lines_for_a_cluster_reach_their_launchers(folder, monkeypatch):
    made = []
    monkeypatch.setattr("erlctl.cli.train.make", lambda *given: made.append(given) or (
        launcher.make(*given)))
    test_every_line_of_a_block_is_run(ROOT / "docs" / "clusters.md", folder)
    assert {name for name, *_ in made} == {"local", "ray", "slurm"}
    options = {option.partition("=")[0] for _, given, _ in made for option in given}
    assert options >= {"partition", "time", "sync", "ship"}


@pytest.mark.skipif(not importlib.util.find_spec("ray"), reason="Ray is not installed")
def test_lines_of_ray_are_read_by_its_own_parser():
    from ray.scripts.scripts import cli

    lines = [line for page in PAGES for line in commands(page) if line.startswith("ray ")]
    assert len(lines) >= 3
    for line in lines:
        name, *words = shlex.split(line, comments=True)[1:]
        known = {flag for option in cli.commands[name].params for flag in option.opts}
        assert {word.split("=")[0] for word in words if word.startswith("--")} <= known, line


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_settings_in_the_text_are_taken(page, folder):
    """`section.field: value`, as one would write it into a spec; VALUE stands for any."""
    for path, value in re.findall(r"`([a-z_]+\.[a-z_.]+): ([^`]+)`", read(page)):
        algorithm = next((name for name in ("munchausen_dqn", "dpp")
                          if path.removeprefix("agent.") in vars_of(name)), "dqn")
        setting = f"{path}={value}"
        if "RUN" in value:  # names a run that is not there, which is all that is wrong
            result = erlctl("validate", "cartpole.yaml", "--set", setting)
            assert "there is no run RUN" in result.err
            continue
        result = erlctl("validate", "cartpole.yaml", "--set", f"agent.algorithm={algorithm}",
                        "--set", setting)
        assert result.code == 0, (setting, result.err)


def vars_of(algorithm: str) -> set[str]:
    return {field.name for field in dataclasses.fields(get("algorithm", algorithm))}


@pytest.mark.parametrize("name", ["ray", "slurm"])
def test_options_of_a_launcher_have_the_defaults_that_the_page_says(name):
    page = read(ROOT / "docs" / "clusters.md")
    table = page.partition(f"| option of `{name}` |")[2].partition("\n\n")[0]
    said = dict(re.findall(r"^\| `(\w+)` \| *`?([^|`]*?)`? *\|", table, flags=re.MULTILINE))
    declared = get("launcher", name)()
    assert set(said) == {field.name for field in dataclasses.fields(declared)}
    for option, text in said.items():
        value = getattr(declared, option)
        if isinstance(value, bool):
            assert text == str(value).lower(), option
        elif isinstance(value, (int, float, str)):
            assert text == f"{value:g}" if not isinstance(value, str) else value, option


def test_the_file_of_launcher_options_is_read_as_the_page_writes_it(tmp_path):
    (text,) = re.findall(r"`(ray: \{[^`]*\})`", read(ROOT / "docs" / "clusters.md"))
    path = tmp_path / "launchers.yaml"
    path.write_text(text + "\n")
    assert launcher.make("ray", (), path).sync


def test_what_is_to_be_cited_is_bibtex():
    (entries,) = [block.text for block in blocks(ROOT / "docs" / "cite.md")
                  if block.language == "bibtex" and "TFAgents" in block.text]
    (own,) = [block.text for block in blocks(ROOT / "docs" / "cite.md")
              if block.language == "bibtex" and "TFAgents" not in block.text]
    found = re.findall(r"^@(\w+)\{(\w+),\n((?:  \w+ +=  ?\{.*\},?\n)+)\}$", own + entries,
                       flags=re.MULTILINE)
    assert len(found) == (own + entries).count("@") == 4
    assert len({key for _, key, _ in found}) == 4
    for kind, key, fields in found:
        names = re.findall(r"^  (\w+)", fields, flags=re.MULTILINE)
        assert "title" in names
        assert fields.count("{") == fields.count("}"), key
        assert ("version" if kind == "software" else "year") in names


TRAINED = """\
name: cartpole
environment: {id: CartPole-v1}
agent: {algorithm: dqn}
network: {type: mlp, hidden: [8]}
training: {steps: 120, learning_starts: 20, batch_size: 8, replay_capacity: 100}
evaluation: {every: 100, episodes: 2}
logging: {every: 100, tensorboard: false}
seeds: 1
"""


@pytest.mark.slow
def test_python_of_readme_and_pages_runs(tmp_path):
    """In the order of the pages: the first trains what the second acts with."""
    (tmp_path / "spec.yaml").write_text(TRAINED)
    for page, mark in ((ROOT / "README.md", "erlctl.train("),
                       (ROOT / "docs" / "run_directory.md", "saved_model.load(")):
        (block,) = [block.text for block in blocks(page)
                    if block.language == "python" and mark in block.text]
        done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True,
                              text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)})
        assert done.returncode == 0, done.stderr

