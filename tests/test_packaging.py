"""The package says who it is in one place, and what is installed is complete."""

import configparser
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import erlctl


@pytest.fixture(scope="module")
def setup_cfg(repository):
    parser = configparser.ConfigParser()
    parser.read(repository / "setup.cfg", encoding="utf-8")
    return parser


PYTHONS = ("3.10", "3.11", "3.12", "3.13")


def requirements(path: Path, python: str, system: str = "linux") -> dict[str, Requirement]:
    """Return what a lock holds for one Python, by canonical name; each at most once."""
    environment = {"python_version": python, "python_full_version": f"{python}.0",
                   "sys_platform": system}
    entries = [Requirement(line.rstrip(" \\")) for line in path.read_text("utf-8").splitlines()
               if line and line[0] not in "# "]
    held = [entry for entry in entries if not entry.marker or entry.marker.evaluate(environment)]
    names = {canonicalize_name(entry.name): entry for entry in held}
    assert len(names) == len(held)
    return names


def version(requirement: Requirement) -> str:
    (specifier,) = requirement.specifier
    assert specifier.operator == "=="
    return specifier.version


def declared(setup_cfg, *extras: str) -> list[Requirement]:
    text = [setup_cfg["options"]["install_requires"]]
    text += [setup_cfg["options.extras_require"][extra] for extra in extras]
    return [Requirement(line) for line in "\n".join(text).splitlines()
            if line and not line.startswith("#")]


def test_version_has_one_place(setup_cfg):
    assert setup_cfg["metadata"]["version"] == "attr: erlctl.__version__"
    assert re.fullmatch(r"\d+\.\d+\.\d+", erlctl.__version__)


def test_installed_version_is_the_source_version():
    assert metadata.version("erlctl") == erlctl.__version__


def test_pyproject_holds_only_what_setup_cfg_cannot(repository):
    text = (repository / "pyproject.toml").read_text(encoding="utf-8")
    tables = re.findall(r"^\[([^\]]+)\]", text, flags=re.MULTILINE)
    assert {table for table in tables if not table.startswith("tool.ruff")} == {"build-system"}


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("system", ["linux", "darwin"])
def test_the_lock_pins_every_dependency_within_its_range(setup_cfg, repository, python, system):
    locked = requirements(repository / "locks" / "erlctl.txt", python, system)
    for requirement in declared(setup_cfg, "test"):
        name = canonicalize_name(requirement.name)
        assert requirement.specifier.contains(version(locked[name])), f"{requirement} is not"


@pytest.mark.parametrize("python", PYTHONS)
def test_shared_pins_of_both_environments_agree(repository, python):
    main, tools = (requirements(repository / "locks" / name, python)
                   for name in ("erlctl.txt", "tools.txt"))
    # mypy reads the NumPy whose types are written for the oldest Python.
    shared = (tools.keys() & main.keys()) - {"numpy"}
    assert {name: tools[name].specifier for name in shared} == {
        name: main[name].specifier for name in shared
    }


def test_every_locked_release_has_hashes(repository):
    for name in ("erlctl.txt", "tools.txt"):
        text = (repository / "locks" / name).read_text(encoding="utf-8")
        for entry in re.split(r"\n(?=\S)", text.strip()):
            assert "--hash=sha256:" in entry, entry


@pytest.fixture(scope="module")
def uv(tmp_path_factory) -> str:
    found = shutil.which("uv")
    if found is None:
        home = tmp_path_factory.mktemp("uv")
        venv.create(home, with_pip=True)
        found = str(home / "bin" / "uv")
        install = [home / "bin" / "python", "-m", "pip", "install", "--quiet", "uv"]
        done = subprocess.run(install, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"uv cannot be installed: {done.stderr.strip().splitlines()[-1]}")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(
    "extra", ["gymnasium", "mujoco", "envpool", "video", "tune", "ray", "slurm", "cuda", "wandb",
              "mlflow", "jupyter"])
def test_an_extra_resolves_beside_the_lock(repository, tmp_path, uv, extra, python):
    """Resolution only: nothing is downloaded but metadata. "jupyter" is a recipe, no extra."""
    lock = repository / "locks" / "erlctl.txt"
    command = [uv, "pip", "compile", "--quiet", "--python-version", python, "--constraint", lock,
               "--override", lock.with_name("overrides.txt"), "-o", tmp_path / "resolved.txt"]
    recipe = tmp_path / "recipe.in"
    recipe.write_text("jupyterlab\npandas\n" if extra == "jupyter" else "")
    extras = [] if extra == "jupyter" else ["--extra", extra]
    done = subprocess.run([*command, *extras, repository / "setup.cfg", recipe],
                          capture_output=True, text=True, check=False)
    if "Failed to fetch" in done.stderr or "error sending request" in done.stderr:
        pytest.skip(f"the index is not reachable: {done.stderr.strip().splitlines()[0]}")
    assert done.returncode == 0, done.stderr


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


def test_the_dockerfile_names_what_is_there(repository):
    """It cannot be built everywhere; its lines can be read."""
    text = (repository / "Dockerfile").read_text(encoding="utf-8")
    (python,) = re.findall(r"^FROM python:(\d+\.\d+)-slim$", text, flags=re.MULTILINE)
    assert python in PYTHONS
    ignored = (repository / ".dockerignore").read_text(encoding="utf-8").split()
    assert ".git" not in ignored  # where provenance finds the commit
    for source in re.findall(r"^COPY (\S+) ", text, flags=re.MULTILINE):
        assert (repository / source).exists()
        assert source.split("/")[0] not in ignored
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    for words in re.findall(r"^RUN pip install --no-cache-dir (.*)$", text, flags=re.MULTILINE):
        assert words in makefile


def test_lint_covers_every_folder_with_python(repository):
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    sources = re.search("^SOURCES := (.+)$", makefile, flags=re.MULTILINE)[1].split()
    made = {"build", "dist"}
    with_python = {path.parent.name for path in repository.glob("*/*.py")
                   if not path.parent.name.startswith(".")} - made
    assert with_python == set(sources)
