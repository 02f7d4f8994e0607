"""A spec or a run directory that names code is refused until the user vouches for its module."""

from __future__ import annotations

import pytest

from erlctl.cli import trust
from erlctl.errors import ErlctlError
from erlctl.spec.schema import EnvironmentSection
from tests.cli.helpers import erlctl

HOSTILE = """\
name: hostile
environment: {{id: "{id}", backend: {backend}, kwargs: {{cmd: "touch {victim}"}}}}
agent: {{algorithm: dqn}}
training: {{steps: 1000}}
"""


@pytest.fixture(params=[("subprocess:getoutput", "python"), ("antigravity:X-v0", "gym")])
def hostile(request, tmp_path):
    """Return (spec file, file that the spec's code would make, module)."""
    victim = tmp_path / "victim"
    path = tmp_path / "hostile.yaml"
    path.write_text(
        HOSTILE.format(id=request.param[0], backend=request.param[1], victim=victim))
    return path, victim, request.param[0].partition(":")[0]


def test_f13_code_that_a_spec_names_is_not_run_unasked(hostile, tmp_path):
    path, victim, module = hostile
    result = erlctl("train", path, "--runs-dir", tmp_path / "runs")
    assert result.code == 1
    assert f"--trust {module}" in result.err
    assert not victim.exists()


def test_f14_code_that_a_run_directory_names_is_not_run_unasked(hostile, tmp_path):
    path, victim, module = hostile
    root = tmp_path / "runs" / "hostile" / "dqn" / "seed-0"
    root.mkdir(parents=True)
    (root / "spec.yaml").write_text(path.read_text() + "variant: dqn\nseed: 0\n")
    result = erlctl("eval", tmp_path / "runs")
    assert result.code == 1
    assert f"--trust {module}" in result.err
    assert not victim.exists()


def test_looking_at_such_a_spec_needs_no_trust(hostile):
    path, victim, _ = hostile
    assert erlctl("train", path, "--dry-run").code == 0
    assert erlctl("train", path, "--print-commands").code == 0
    assert not victim.exists()


@pytest.mark.parametrize(("name", "trusted", "is_allowed"), [
    ("CartPole-v1", (), True), ("mine:Pole", (), False), ("mine:Pole", ("mine",), True),
    ("mine.envs:Pole", ("mine",), True), ("mine.envs:Pole", ("mine.envs",), True),
    ("mine:Pole", ("mine.envs",), False), ("miner:Pole", ("mine",), False),
])
def test_a_module_stands_for_its_submodules_and_for_no_other(name, trusted, is_allowed):
    environment = EnvironmentSection(id=name)
    if is_allowed:
        trust.require([environment], trusted)
    else:
        with pytest.raises(ErlctlError, match="--trust"):
            trust.require([environment], trusted)


def test_the_word_is_kept_in_printed_commands(tmp_path):
    path = tmp_path / "own.yaml"
    module = "tests.experiment.environments"
    path.write_text(
        f"name: own\nenvironment: {{id: '{module}:Row', backend: python}}\n"
        "agent: {algorithm: dqn}\n")
    out = erlctl("train", path, "--trust", module, "--print-commands").out
    assert f"--trust {module}" in out
