"""What the README says exists."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from erlctl import registry
from erlctl.cli import group

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "experiments" / "README.md", ROOT / "benchmarks" / "README.md"]


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", read(ROOT / "Makefile"), flags=re.MULTILINE))


def shell_lines(text: str) -> list[str]:
    fence = r"^```(?:sh)?\n(.*?)^```"
    blocks = re.findall(fence, text, flags=re.MULTILINE | re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]


def erlctl_lines() -> list[str]:
    lines = [line for page in PAGES for line in shell_lines(read(page))]
    return [line for line in lines if line.startswith("erlctl ")]


def test_the_first_two_commands_are_make_targets():
    commands = [line for line in shell_lines(read(ROOT / "README.md")) if line.startswith("make ")]
    assert [shlex.split(line, comments=True) for line in commands[:2]] == [
        ["make", "quickstart"], ["make", "test"],
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_make_target_that_is_named_exists(page):
    named = set(re.findall(r"`make ([a-z-]+)", read(page)))
    named |= {shlex.split(x)[1] for x in shell_lines(read(page)) if x.startswith("make ")}
    assert named <= make_targets()


@pytest.mark.parametrize("name", group.list_commands(click.Context(group)))
def test_every_command_is_in_the_readme(name):
    assert f"erlctl {name}" in read(ROOT / "README.md")


@pytest.mark.parametrize("name", registry.all_of("algorithm"))
def test_every_algorithm_is_in_the_readme(name):
    assert f"`{name}`" in read(ROOT / "README.md")


@pytest.mark.parametrize("line", erlctl_lines())
def test_every_command_line_uses_options_that_exist(line):
    name, *words = shlex.split(line.removeprefix("erlctl "), comments=True)
    if name.startswith("-"):
        return
    context = click.Context(group)
    command = group.get_command(context, name)
    assert command is not None, f"there is no `erlctl {name}`"
    options = {flag for option in command.params for flag in option.opts + option.secondary_opts}
    used = {word.split("=")[0] for word in words if word.startswith("-")}
    assert used <= options | {"--help"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_local_links_resolve(page):
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", read(page))
    missing = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert not missing


def test_the_algorithm_of_the_readme_trains_as_it_stands(tmp_path, monkeypatch):
    """The snippet in a plain file, with `--trust`."""
    blocks = re.findall(r"^```python\n(.*?)^```", read(ROOT / "README.md"), re.M | re.S)
    (snippet,) = [block for block in blocks if "@register" in block]
    (tmp_path / "mine.py").write_text(snippet)
    (tmp_path / "spec.yaml").write_text(
        "name: mine\nenvironment: {id: GridWorld}\nagent: {algorithm: soft_gap}\n"
        "network: {type: linear}\nseeds: 1\n"
        "training: {steps: 100, learning_starts: 10, batch_size: 4, replay_capacity: 50}\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    line = [sys.executable, "-m", "erlctl", "train", "spec.yaml", "--trust", "mine.py"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "complete" in done.stdout
