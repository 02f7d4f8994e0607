"""`erlctl environments` lists what the registry holds and measures what it says."""

import importlib.util
import json
import subprocess
import sys

from erlctl.environments import registry
from tests.cli.helpers import erlctl as run


def document(*args):
    return json.loads(run("environments", *args, "--format", "json").out)


def test_every_environment_has_one_line_and_so_has_every_backend():
    compiled, backends = run("environments").out.split("\n\n")
    assert [line.split()[0] for line in compiled.splitlines()[1:]] == list(registry.COMPILED)
    names = [line.split()[0] for line in backends.splitlines()[1:]]
    assert names == ["gym", "gymnasium", "envpool"]


def test_backends_are_reported_as_installed_or_not():
    for row in document()["backends"]:
        assert row["installed"] == (importlib.util.find_spec(row["backend"]) is not None)


def test_the_list_imports_no_tensorflow():
    code = ("import sys; from tests.cli.helpers import erlctl; erlctl('environments'); "
            "sys.exit('tensorflow' in sys.modules or 'gym' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_one_environment_is_explained_and_measured():
    result = document("CartPole-v1", "--episodes", "50")
    assert (result["time_limit"], result["threshold"]) == (500, 475.0)
    assert result["random_policy"]["episodes"] == 50
    assert 15 < result["random_policy"]["mean"] < 30
    assert result["arguments"][0]["argument"] == "time_limit"


def test_the_explanation_reads_well():
    text = run("environments", "Breakout-MinAtar", "--episodes", "3").out
    for words in ("MinAtar/Breakout-v1: bounce a ball", "Time limit:       10000",
                  "discrete 3: no-op, left, right", "arXiv:1903.03176", "over 3 episodes",
                  "sticky_action_probability      0.1"):
        assert words in text


def test_nothing_is_measured_when_not_asked():
    assert "random_policy" not in document("Garnet", "--episodes", "0")


def test_other_ids_are_looked_up_in_gym():
    result = document("MountainCarContinuous-v0", "--episodes", "2")
    assert result["backend"] == "gym"
    assert result["observation"].startswith("Box(")
    assert result["random_policy"]["episodes"] == 2


def test_an_unknown_id_is_a_usage_error():
    result = run("environments", "Cartpole-v1")
    assert result.code == 2
    assert "did you mean 'CartPole-v1'" in result.err
