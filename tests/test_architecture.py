"""Rules for the code as a whole that no linter of ours can express."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "erlctl"
MAX_FUNCTION_LINES = 40
# Modules that must stay free of TensorFlow, also indirectly, each with everything below it.
LIGHT = (
    "errors", "fields", "registry", "options", "algorithms", "spec", "analysis", "cli",
    "runs.layout", "runs.tables", "environments.registry", "planning",
)
HEAVY = ("tensorflow", "tf_agents", "tensorflow_probability", "keras", "gym")
FORBIDDEN_IMPORTS = {"pickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_ATTRIBUTES = {"yaml.load", "yaml.unsafe_load", "yaml.full_load", "os.system"}


def modules(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def where(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"


def imported_names(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node, f"{node.module}.{alias.name}") for alias in node.names)


def light_modules() -> list[str]:
    names = []
    for light in LIGHT:
        path = PACKAGE / light.replace(".", "/")
        files = modules(path) if path.is_dir() else [path.with_suffix(".py")]
        names += [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files]
    return [name.removesuffix(".__init__") for name in names]


def is_documentation(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


@pytest.mark.parametrize("folder", ["erlctl", "benchmarks"])
def test_functions_are_short(folder):
    """Counted from `def` to the last line, without the docstring: documentation is free."""
    long = []
    for path in modules(ROOT / folder):
        for node in ast.walk(tree_of(path)):
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            first = node.body[0]
            doc = first.end_lineno - first.lineno + 1 if is_documentation(first) else 0
            lines = node.end_lineno - node.lineno + 1 - doc
            if lines > MAX_FUNCTION_LINES:
                long.append(f"{where(path, node)}: {node.name} has {lines}")
    assert not long, f"more than {MAX_FUNCTION_LINES} lines"


def test_nothing_reads_code_from_data():
    found = []
    for path in modules(PACKAGE):
        tree = tree_of(path)
        found += [
            where(path, node) for node, name in imported_names(tree)
            if name.split(".")[0] in FORBIDDEN_IMPORTS
        ]
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            called = node.func
            if isinstance(called, ast.Name) and called.id in FORBIDDEN_CALLS:
                found.append(where(path, node))
            if isinstance(called, ast.Attribute) and ast.unparse(called) in FORBIDDEN_ATTRIBUTES:
                found.append(where(path, node))
    assert not found


def test_numpy_arrays_are_never_unpickled():
    found = [
        where(path, node)
        for path in modules(PACKAGE)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle"
        and not (isinstance(node.value, ast.Constant) and node.value.value is False)
    ]
    assert not found


def test_no_error_is_swallowed():
    """An `except` that names no exception, or Exception with an empty body, hides mistakes."""
    found = []
    for path in modules(PACKAGE):
        for node in ast.walk(tree_of(path)):
            if not isinstance(node, ast.ExceptHandler):
                continue
            is_broad = node.type is None or (
                isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}
            )
            is_empty = all(isinstance(statement, ast.Pass) for statement in node.body)
            if node.type is None or (is_broad and is_empty):
                found.append(where(path, node))
    assert not found


def test_randomness_has_no_hidden_state():
    """`tf.random.uniform` and `np.random.seed` draw from state that no checkpoint holds."""
    allowed = {
        "Generator", "default_rng", "SeedSequence", "PCG64", "Philox", "create_rng_state",
    }
    found = []
    for path in modules(PACKAGE):
        for node in ast.walk(tree_of(path)):
            is_random = (
                isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute)
                and node.value.attr == "random" and isinstance(node.value.value, ast.Name)
                and node.value.value.id in {"tf", "np", "numpy"}
            )
            if is_random and node.attr not in allowed and not node.attr.startswith("stateless_"):
                found.append(f"{where(path, node)}: {ast.unparse(node)}")
    assert not found


def test_every_public_function_and_class_is_documented():
    found = []
    for path in modules(PACKAGE):
        tree = tree_of(path)
        if not ast.get_docstring(tree):
            found.append(f"{path.relative_to(ROOT)}: module")
        for node in tree.body:
            is_definition = isinstance(node, (ast.FunctionDef, ast.ClassDef))
            if is_definition and not node.name.startswith("_") and not ast.get_docstring(node):
                found.append(f"{where(path, node)}: {node.name}")
    assert not found


def test_oracles_know_nothing_of_the_package():
    """An oracle that shares code with what it checks would share its mistakes."""
    found = [
        f"{where(path, node)}: {name}"
        for path in modules(ROOT / "tests" / "oracles")
        for node, name in imported_names(tree_of(path))
        if name.split(".")[0] in {"erlctl", "tf_agents", "tensorflow"}
    ]
    assert not found


def test_every_test_module_mirrors_the_package():
    """tests/<folder> exists only for a folder of the package or a kind of test."""
    kinds = {"oracles", "contract", "docs", "__pycache__", "golden"}
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()}
    package = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    assert folders <= package | kinds


def run_python(program: str) -> subprocess.CompletedProcess[str]:
    """Run in a fresh interpreter, because this one has loaded everything long ago."""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_light_modules_do_not_load_tensorflow():
    done = run_python(f"""
import importlib, sys
for name in {light_modules()!r}:
    importlib.import_module(name)
    heavy = [each for each in {HEAVY!r} if each in sys.modules]
    assert not heavy, f"{{name}} loads {{heavy}}"
""")
    assert done.returncode == 0, done.stderr


def test_help_of_every_command_loads_no_heavy_module():
    done = run_python(f"""
import sys
import click
from click.testing import CliRunner
from erlctl.cli import group
names = group.list_commands(click.Context(group))
assert names
for name in names:
    done = CliRunner().invoke(group, [name, "--help"])
    assert done.exit_code == 0, (name, done.output)
    heavy = [each for each in {(*HEAVY, "matplotlib", "scipy")!r} if each in sys.modules]
    assert not heavy, f"{{name}} --help loads {{heavy}}"
""")
    assert done.returncode == 0, done.stderr
