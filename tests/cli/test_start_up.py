"""Commands that only read start quickly, because they never import TensorFlow."""

import resource
import subprocess
import sys

import pytest

from erlctl import cli
from tests.spec.conftest import BASE

HEAVY = ("tensorflow", "tf_agents", "keras", "gym", "matplotlib", "scipy")
PROBE = """
import sys
from erlctl import cli
try:
    cli.main(sys.argv[1:])
finally:
    found = [name for name in {heavy!r} if name in sys.modules]
    print("imported:", *found, file=sys.stderr)
"""


def imported(*args: str, heavy=HEAVY) -> list[str]:
    """Return which heavy packages a command line imports."""
    result = subprocess.run(
        [sys.executable, "-c", PROBE.format(heavy=heavy), *args],
        capture_output=True, text=True, check=False)
    assert result.returncode in (0, 2), result.stderr
    return result.stderr.splitlines()[-1].split()[1:]


@pytest.fixture
def spec_file(tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text(BASE)
    return str(path)


def test_help_imports_neither_tensorflow_nor_rich_nor_numpy():
    assert imported("--help", heavy=(*HEAVY, "numpy", "rich", "yaml", "erlctl.cli.train")) == []


@pytest.mark.parametrize("args", [
    ("validate", "SPEC"), ("validate", "SPEC", "--set", "agent.gamma=3"), ("algorithms",),
    ("algorithms", "munchausen_dqn"), ("trian",), ("--version",),
    *((name, "--help") for name in cli.COMMANDS),
])
def test_a_reading_command_leaves_tensorflow_out(args, spec_file):
    assert imported(*(spec_file if arg == "SPEC" else arg for arg in args)) == []


def processor_seconds(*args: str) -> float:
    """Return the processor time of the fastest of some runs: others use this machine too."""
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "erlctl", *args], capture_output=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(seconds)


@pytest.mark.parametrize(("command", "bar"), [("--help", 0.3), ("fields", 0.5), ("schema", 0.5)])
def test_what_asks_for_no_run_starts_at_once(command, bar):
    """On a quiet core all take less than 0.3 s; a busy one counts more for the same work."""
    assert processor_seconds(command) < bar


def test_validate_takes_less_than_a_second(spec_file):
    assert processor_seconds("validate", spec_file) < 1
