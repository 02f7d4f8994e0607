"""What the documentation says exists; what it generates holds everything."""

from __future__ import annotations

import configparser
import itertools
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import click
import pytest

import erlctl
from erlctl import registry, spec
from erlctl.cli import COMMANDS, EPILOG, group
from erlctl.environments.registry import COMPILED
from erlctl.experiment import presets
from erlctl.experiment.fields import rows
from erlctl.spec.schema import RunSpec
from tests.docs.pages import ROOT, WRITTEN, blocks, commands, generator, read

IDS = [str(path.relative_to(ROOT)) for path in WRITTEN]
SECTIONS = "environment|agent|network|optimizer|training|evaluation|checkpoint|logging"


@pytest.mark.parametrize("page", WRITTEN, ids=IDS)
def test_command_lines_use_commands_and_options_that_exist(page):
    prose = re.sub(r"```.*?```", "", read(page), flags=re.DOTALL)
    for line in [*commands(page), *re.findall(r"`(erlctl [^`]+)`", prose)]:
        words = list(itertools.takewhile(
            lambda word: word not in ("|", ">", "&&", "&"), shlex.split(line, comments=True)))
        if words[:1] != ["erlctl"] or words[1].startswith("-"):
            continue
        command = group.get_command(click.Context(group), words[1])
        assert command is not None, line
        known = {flag for option in command.params for flag in option.opts + option.secondary_opts}
        assert {word.split("=")[0] for word in words if word.startswith("-")} <= known, line


@pytest.mark.parametrize("page", WRITTEN, ids=IDS)
def test_make_targets_exist(page):
    targets = set(re.findall(r"^([a-z-]+):", read(ROOT / "Makefile"), flags=re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)", read(page)))
    named |= {line.split()[1] for line in commands(page) if line.startswith("make ")}
    assert named <= targets


@pytest.mark.parametrize("page", WRITTEN, ids=IDS)
def test_fields_that_are_named_exist(page):
    prose = re.sub(r"```.*?```", "", read(page), flags=re.DOTALL)
    for path in re.findall(rf"`((?:{SECTIONS})\.[a-z_.]+)[:`]", prose):
        assert rows(path), path


@pytest.mark.parametrize("page", WRITTEN, ids=IDS)
def test_specs_that_are_shown_are_read(page, tmp_path):
    (tmp_path / "cartpole.yaml").write_text("name: base\nenvironment: {id: CartPole-v1}\n"
                                            "agent: {algorithm: munchausen_dqn}\nseeds: 1\n")
    shown = [block for block in blocks(page) if block.language == "yaml"
             and re.search("^(environment|extends):", block.text, flags=re.MULTILINE)]
    for index, block in enumerate(shown):
        path = tmp_path / f"{index}.yaml"
        head = "" if re.search("^name:", block.text, flags=re.MULTILINE) else (
            "name: x\nagent: {algorithm: dqn}\nseeds: 1\n")
        path.write_text(head + block.text)
        assert spec.load(path).runs


@pytest.mark.parametrize("page", WRITTEN, ids=IDS)
def test_links_lead_somewhere(page):
    made = generator()
    known = {*made.pages(), *(f"figures/{name}" for name in made.FIGURES)}
    prose = re.sub(r"```.*?```", "", read(page), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", prose):
        if "://" not in target and target not in known:
            assert (page.parent / target).exists(), target


def test_extras_that_are_named_exist():
    extras = configparser.ConfigParser()
    extras.read(ROOT / "setup.cfg", encoding="utf-8")
    presets_read = [preset.source for preset in presets.all_presets()]
    texts = [read(page) for page in (ROOT / "README.md", *WRITTEN)] + presets_read
    named = {name for text in texts for name in re.findall(r"erlctl\[(\w+)\]", text)}
    assert "mujoco" in named
    assert named <= set(extras["options.extras_require"])


def test_the_version_to_cite_is_this_one():
    assert f"version = {{{erlctl.__version__}}}" in read(ROOT / "docs" / "cite.md")


def test_figures_of_the_generator_exist():
    for name in generator().FIGURES:
        assert (ROOT / "experiments" / "figures" / name).exists()


def test_every_page_is_in_the_navigation_or_added_to_it():
    config = generator().on_config(
        SimpleNamespace(nav=[{"Start": "index.md"}], docs_dir=str(ROOT / "docs")))
    assert "faq.md" in config.nav[-1]["More"]
    listed = set(re.findall(r": ([\w/]+\.md)$", read(ROOT / "mkdocs.yml"), flags=re.MULTILINE))
    assert set(generator().pages()) <= listed
    for path in listed - set(generator().pages()):
        assert (ROOT / "docs" / path).exists()


def headings(name: str) -> list[str]:
    return re.findall(r"^## (.+)$", generator().pages()[name], flags=re.MULTILINE)


def test_every_command_and_option_is_in_the_reference():
    assert headings("reference/commands.md") == [f"erlctl {name}" for name in COMMANDS]
    page = generator().pages()["reference/commands.md"]
    for name in COMMANDS:
        command = group.get_command(click.Context(group), name)
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.opts[-1] in page


def test_every_field_is_in_the_reference():
    page = generator().pages()["reference/fields.md"]
    for row in [*rows(), *rows("agent.collect_policy")]:
        name = row.path.rpartition(".")[2]
        section = page.partition(f"\n## {row.path.rpartition('.')[0] or 'Top level'}\n")[2]
        assert f"| `{name}` |" in section.partition("\n## ")[0], row.path


@pytest.mark.parametrize(("page", "names"), [
    ("reference/algorithms.md", registry.all_of("algorithm")),
    ("reference/presets.md", [preset.name for preset in presets.all_presets()]),
])
def test_everything_registered_is_in_the_reference(page, names):
    assert headings(page) == list(names)


def test_every_environment_is_in_the_reference():
    page = generator().pages()["reference/environments.md"]
    assert all(f"| `{name}` |" in page for name in COMPILED)


def test_exit_codes_are_those_of_the_help():
    codes = re.findall(r"^\| (\d+) \|", read(ROOT / "docs" / "run_directory.md"), re.MULTILINE)
    assert set(codes) == set(re.findall(r"\b(\d+) +[a-zA-Z]", EPILOG))


def test_files_of_a_run_are_those_of_the_layout():
    from erlctl.runs.layout import RunPaths

    paths = RunPaths(Path("run"))
    named = re.findall(r"^\| `([\w./]+)` \|", read(ROOT / "docs" / "run_directory.md"),
                       flags=re.MULTILINE)
    known = {getattr(paths, name).name for name in dir(paths)
             if isinstance(getattr(paths, name), Path)}
    assert {name.rstrip("/") for name in named} <= known


def test_the_generator_needs_no_tensorflow():
    code = ("import sys; from tests.docs.pages import generator; generator().pages(); "
            "print(*(m for m in ('tensorflow', 'gym', 'matplotlib', 'scipy') if m in sys.modules))")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True,
                          check=True)
    assert done.stdout.split() == []


def test_the_sections_that_pages_are_searched_for_are_those_of_a_run():
    own = {"schema", "name", "variant", "seed"}
    assert set(SECTIONS.split("|")) == set(RunSpec.__dataclass_fields__) - own
