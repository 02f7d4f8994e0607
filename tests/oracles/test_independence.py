"""The oracles are worth something only as long as they share no code with what they check."""

import ast
from pathlib import Path

import pytest

ORACLES = sorted(
    path for path in Path(__file__).parent.glob("*.py") if not path.name.startswith("test_")
)


@pytest.mark.parametrize("path", ORACLES, ids=lambda path: path.stem)
def test_oracles_import_neither_erlctl_nor_what_it_computes_with(path):
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module)
    packages = {str(module).split(".")[0] for module in modules}
    assert not packages & {"erlctl", "tensorflow", "tensorflow_probability", "tf_agents", "keras"}
    ours = {str(module) for module in modules if str(module).startswith("tests")}
    assert all(module.startswith("tests.oracles") for module in ours), ours
