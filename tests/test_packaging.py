"""The package says who it is in one place, and what is installed is complete."""

import configparser
import re
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import erlctl


@pytest.fixture(scope="module")
def setup_cfg(repository):
    parser = configparser.ConfigParser()
    parser.read(repository / "setup.cfg", encoding="utf-8")
    return parser


def requirement_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def pins(path: Path) -> dict[str, str]:
    entries = requirement_lines(path.read_text(encoding="utf-8"))
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!]+", entry) for entry in entries)
    return dict(entry.lower().replace("_", "-").split("==") for entry in entries)


def test_version_has_one_place(setup_cfg):
    assert setup_cfg["metadata"]["version"] == "attr: erlctl.__version__"
    assert re.fullmatch(r"\d+\.\d+\.\d+", erlctl.__version__)


def test_installed_version_is_the_source_version():
    assert metadata.version("erlctl") == erlctl.__version__


def test_pyproject_holds_only_what_setup_cfg_cannot(repository):
    text = (repository / "pyproject.toml").read_text(encoding="utf-8")
    tables = re.findall(r"^\[([^\]]+)\]", text, flags=re.MULTILINE)
    assert {table for table in tables if not table.startswith("tool.ruff")} == {"build-system"}


def test_constraints_pin_every_dependency_within_its_range(setup_cfg, repository):
    from packaging.requirements import Requirement

    pinned = pins(repository / "constraints.txt")
    extras = setup_cfg["options.extras_require"]
    lines = setup_cfg["options"]["install_requires"].splitlines()
    for extra in extras:
        lines += extras[extra].splitlines()
    for line in filter(None, lines):
        if line.startswith("#"):
            continue
        requirement = Requirement(line)
        name = requirement.name.lower()
        assert name in pinned, f"constraints.txt does not pin {name}"
        assert requirement.specifier.contains(pinned[name]), f"{line} excludes {pinned[name]}"


@pytest.mark.parametrize("path", ["constraints.txt", "constraints-tools.txt"])
def test_constraints_are_plain_pins_and_pinned_once(repository, path):
    entries = requirement_lines((repository / path).read_text(encoding="utf-8"))
    assert len(pins(repository / path)) == len(entries)


def test_shared_pins_of_both_environments_agree(repository):
    main = pins(repository / "constraints.txt")
    tools = pins(repository / "constraints-tools.txt")
    assert {name: tools[name] for name in tools.keys() & main} == {
        name: main[name] for name in tools.keys() & main
    }


def test_every_folder_of_the_package_is_a_package(repository):
    folders = {module.parent for module in (repository / "erlctl").rglob("*.py")}
    missing = [folder for folder in folders if not (folder / "__init__.py").exists()]
    assert not missing, "setuptools would leave these out of the wheel"


def test_licence_changelog_and_type_marker_are_there(repository):
    assert "Apache License" in (repository / "LICENSE").read_text(encoding="utf-8")
    assert "## [Unreleased]" in (repository / "CHANGELOG.md").read_text(encoding="utf-8")
    assert (repository / "erlctl" / "py.typed").exists()


@pytest.mark.parametrize(
    "command", [[sys.executable, "-m", "erlctl"], [str(Path(sys.executable).parent / "erlctl")]]
)
def test_module_and_entry_point_print_the_version(command):
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert erlctl.__version__ in done.stdout


@pytest.mark.slow
def test_wheel_holds_every_file_of_the_package_and_nothing_else(repository, tmp_path):
    # A copy, because a `build` folder of an earlier day would add modules that are long gone.
    source = tmp_path / "source"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(repository / "erlctl", source / "erlctl", ignore=ignored)
    files = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(repository / name, source)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path]
    subprocess.run([*build, source], check=True)
    (wheel,) = tmp_path.glob("erlctl-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == files
