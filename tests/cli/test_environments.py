"""`erlctl environments` lists what the registry holds and measures what it says."""

import importlib.util
import json
import subprocess
import sys

import pytest

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
                  "discrete 3: no-op, left, right", "arXiv:1903.03176", "over 3 episodes"):
        assert words in text
    lines = [line.split() for line in text.splitlines()]
    assert ["sticky_action_probability", "0.1", "number", "in", "[0,", "1]", "Chance"] in [
        line[:7] for line in lines]


def test_nothing_is_measured_when_not_asked():
    assert "random_policy" not in document("Garnet", "--episodes", "0")


def test_other_ids_are_looked_up_in_gym():
    result = document("MountainCarContinuous-v0", "--episodes", "2")
    assert result["backend"] == "gym"
    assert result["observation"].startswith("float32 [2], from Box(")
    assert result["action"] == "float32 [1], from Box(-1.0, 1.0, (1,), float32)"
    assert (result["time_limit"], result["threshold"]) == (999, 90.0)
    assert result["random_policy"]["episodes"] == 2


def test_an_unknown_id_is_a_usage_error():
    result = run("environments", "Cartpole-v1")
    assert result.code == 2
    assert "did you mean 'CartPole-v1'" in result.err


@pytest.mark.parametrize("backend", ["gymnasium", "envpool"])
def test_every_installed_backend_is_asked(backend):
    pytest.importorskip(backend)
    result = document("CartPole-v1", "--backend", backend, "--episodes", "60")
    assert (result["backend"], result["time_limit"]) == (backend, 500)
    assert result["observation"].startswith("float32 [4], from Box(")
    assert 15 < result["random_policy"]["mean"] < 30


def test_frames_of_atari_are_explained_as_they_are_played():
    pytest.importorskip("envpool")
    result = document("Pong-v5", "--episodes", "0")
    assert result["backend"] == "envpool"
    assert result["observation"].startswith("uint8 [84, 84, 1], 4 stacked, from Box(")
    assert result["action"] == "discrete 6, from Discrete(6)"


def test_a_home_made_environment_is_explained_when_it_is_trusted():
    made = "tests.environments.host.fakes:Counter"
    refused = run("environments", made)
    assert (refused.code, "--backend python" in refused.err) == (1, True)
    refused = run("environments", made, "--backend", "python")
    assert (refused.code, "--trust tests.environments.host.fakes" in refused.err) == (1, True)
    result = document(made, "--backend", "python", "--trust", "tests", "--episodes", "3")
    assert result["random_policy"]["mean"] == 15.0  # 1 + 2 + 3 + 4 + 5


def test_a_compiled_environment_is_not_looked_for_elsewhere():
    result = run("environments", "Chain", "--backend", "gym")
    assert result.code == 2
    assert "unknown gym environment 'Chain'" in result.err
