"""`erlctl new` writes specs that say everything and start as they are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from erlctl import registry, spec
from erlctl.algorithms.dqn import Dqn
from erlctl.environments.host import backends
from erlctl.environments.registry import COMPILED
from erlctl.experiment import load_all, presets, template
from erlctl.experiment.fit import UNREAD
from erlctl.experiment.json_schema import schema
from erlctl.spec.schema import RunSpec
from tests.cli.helpers import erlctl as run
from tests.cli.test_start_up import imported

PRESETS = [
    pytest.param(preset, environment, algorithm, id=f"{environment}-{algorithm}")
    for preset in presets.all_presets() for environment in preset.environments[:2]
    for algorithm in preset.settings
]


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def written(*arguments: str) -> Path:
    result = run("new", "mine", *arguments)
    assert result.code == 0, result.err
    assert result.out == "mine.yaml\n"
    return Path("mine.yaml")


def run_of(path: Path) -> RunSpec:
    (experiment,) = load_all([str(path)])
    assert [run.seed for run in experiment.runs] == [0, 1, 2]
    return experiment.runs[0]


def test_a_preset_gives_its_settings_and_says_what_is_known_of_them():
    path = written("--env", "CartPole-v1", "--algorithm", "dqn")
    made = run_of(path)
    assert (made.name, made.agent.registered_name) == ("mine", "dqn")
    assert (made.training.target_update_polyak, made.network.activation) == (0.5, "tanh")
    head = " ".join(path.read_text().replace("\n#", "").split())
    assert head.startswith("# yaml-language-server: $schema=erlctl-schema.json")
    assert "Measured with dqn: mean return 500 after 200,000 steps on CartPole-v1" in head


# What Stable-Baselines3's users write, and what it is called here.
ELSEWHERE = [("ALE/Pong-v5", "Pong-v5"), ("PongNoFrameskip-v4", "Pong-v5"),
             ("Hopper-v4", "Hopper-v4"), ("LunarLander-v3", "LunarLander-v3")]


@pytest.mark.skipif(backends.is_installed("envpool"), reason="envpool is installed")
@pytest.mark.parametrize(("environment", "name"), ELSEWHERE)
def test_new_says_what_to_install_for_an_environment_that_is_not_here(environment, name):
    result = run("new", "mine", "--env", environment)
    assert result.code == 2
    assert "pip install 'erlctl[envpool]'" in result.err
    assert name in result.err or environment == name


@pytest.mark.skipif(backends.is_installed("envpool") or backends.is_installed("gymnasium"),
                    reason="another backend than gym is installed")
@pytest.mark.parametrize(("environment", "name"), ELSEWHERE)
def test_a_spec_with_an_environment_that_is_not_here_says_where_it_is(environment, name):
    Path("spec.yaml").write_text(
        f"name: x\nenvironment: {{id: {environment}}}\nagent: {{algorithm: dqn}}\n")
    assert (f"envpool (pip install 'erlctl[envpool]') has {name}: "
            f"write `id: {name}, backend: envpool`") in run("validate", "spec.yaml").err


def test_an_environment_that_no_preset_knows_is_led_nowhere():
    assert presets.elsewhere("Nothing-v1") == presets.elsewhere("CartPole-v1") == ""


@pytest.mark.parametrize(("environment", "has_planners"), [
    ("CartPole-v1", False), ("FrozenLake-v1", False), ("Garnet", True),
])
def test_other_algorithms_are_those_that_would_start(environment, has_planners):
    said = run("new", "mine", "--env", environment).err
    assert "dual_averaging_vi" in said
    assert ("value_iteration" in said) == has_planners


@pytest.mark.parametrize("name", list(COMPILED))
def test_every_compiled_environment_gets_an_algorithm_that_fits(name):
    made = run_of(written("--env", name))
    assert made.environment.id == name
    spaces = COMPILED[name].spaces()
    assert made.agent.action_kind == spaces.action_kind
    expected = "conv" if len(spaces.observation.shape) == 3 else "mlp"
    assert made.network.registered_name == expected


@pytest.mark.parametrize("algorithm", registry.all_of("algorithm"))
def test_every_algorithm_gets_a_spec(algorithm):
    kind = registry.get("algorithm", algorithm).action_kind
    made = run_of(written(
        "--env", {"continuous": "Pendulum-v1", "multi_discrete": "Reacher"}.get(kind, "Chain"),
        "--algorithm", algorithm))
    assert made.agent.registered_name == algorithm


@pytest.mark.parametrize(("environment", "algorithm"), [
    ("Garnet", "tabular_cvi"), ("CartPole-v1", "kernel_dpp"),
])
def test_what_an_algorithm_does_not_read_is_left_out(environment, algorithm):
    path = written("--env", environment, "--algorithm", algorithm)
    names = set(re.findall(r"^ *#?(\w+):", path.read_text(), flags=re.MULTILINE))
    unread = {name.rpartition(".")[2] for name in UNREAD[run_of(path).agent.base]}
    assert "optimizer" in unread
    assert not names & unread


def test_a_planner_begins_with_iterations_not_environment_steps():
    made = run_of(written("--env", "Garnet", "--algorithm", "tabular_cvi"))
    assert made.training.steps == 1000
    assert made.evaluation.every < made.checkpoint.every < made.training.steps


@pytest.mark.parametrize(("environment", "algorithm"), [
    ("CartPole-v1", "munchausen_dqn"), ("Pendulum-v1", "munchausen_sac"), ("Garnet", "iqn"),
    ("MinAtar/Breakout-v1", "mirror_descent_vi"), ("FrozenLake-v1", "cvi"),
])
def test_what_stands_behind_a_hash_is_the_default(environment, algorithm):
    path = written("--env", environment, "--algorithm", algorithm)
    before = path.read_text()
    after = re.sub(r"^( *)#(?!sweep)(?=\w+:)", r"\1", before, flags=re.MULTILINE)
    assert after.count("\n") == before.count("\n")
    assert len(before) - len(after) >= 15
    Path("after.yaml").write_text(after)
    assert run_of(Path("after.yaml")) == run_of(path)


def test_the_sweep_behind_a_hash_is_one():
    path = written("--env", "CartPole-v1")
    path.write_text(path.read_text().replace("#sweep:", "sweep:"))
    assert len({run.variant for run in spec.load(path).runs}) == 2


def test_every_field_of_the_run_is_named():
    text = written("--env", "FrozenLake-v1").read_text()
    made = spec.plain(run_of(Path("mine.yaml")))
    for section in ("environment", "agent", "network", "optimizer", "training", "evaluation",
                    "checkpoint", "logging"):
        block = re.search(rf"^{section}:\n((?:  .*\n)+)", text, flags=re.MULTILINE).group(1)
        assert set(re.findall(r"^  #?(\w+):", block, flags=re.MULTILINE)) == set(made[section])


def test_an_editor_finds_nothing_wrong():
    jsonschema = pytest.importorskip("jsonschema")
    path = written("--env", "CartPole-v1")
    from tests.experiment.test_fields import mistakes

    assert mistakes(jsonschema.Draft202012Validator(schema()), path.read_bytes()) == []


def test_nothing_is_ever_overwritten():
    Path("mine.yaml").write_text("precious")
    result = run("new", "mine", "--env", "CartPole-v1")
    assert (result.code, result.out) == (1, "")
    assert "mine.yaml exists already" in result.err
    assert Path("mine.yaml").read_text() == "precious"


@pytest.mark.parametrize(("arguments", "code", "said"), [
    (("mine", "--env", "CartPol-v1"), 2, "did you mean 'CartPole-v1'?"),
    (("mine", "--env", "CartPole-v1", "--algorithm", "dqm"), 2, "did you mean 'dqn'?"),
    (("mine", "--env", "Pendulum-v1", "--algorithm", "dqn"), 2, "sac"),
    (("my run", "--env", "CartPole-v1"), 2, "NAME must be a folder name"),
    (("mine", "--env", "CartPole-v1", "-o", "nowhere/x.yaml"), 1, "cannot write nowhere/x.yaml"),
    (("mine", "--env", "a:b", "--backend", "python"), 2, "add --trust a"),
    (("mine", "--env", "CartPole-v1", "--backend", "envpool"), 2, "pip install 'erlctl[envpool]'")
    if not backends.is_installed("envpool") else
    (("mine", "--env", "Nothing-v1", "--backend", "envpool"), 1, "Nothing-v1"),
])
def test_what_cannot_be_is_refused_and_nothing_is_written(arguments, code, said):
    result = run("new", *arguments)
    assert (result.code, result.out) == (code, "")
    assert said in result.err
    assert not list(Path().iterdir())


def test_the_spec_can_go_to_stdout():
    result = run("--quiet", "new", "mine", "--env", "Pendulum-v1", "-o", "-")
    assert (result.code, result.err) == (0, "")
    Path("spec.yaml").write_text(result.out)
    assert run_of(Path("spec.yaml")).agent.registered_name == "sac"


def test_pictures_get_the_filters_that_fit_their_size():
    from erlctl.environments.space import Space, Spaces

    def filters(*shape: int) -> list[int]:
        spaces = Spaces(observation=Space(shape, "uint8"), action=Space.discrete(count=3),
                        time_limit=None)
        return presets.fitting(spaces, Dqn)["network"]["filters"]

    assert (filters(10, 10, 4), filters(84, 84, 4)) == ([16], [32, 64, 64])


@pytest.mark.parametrize(("preset", "environment", "algorithm"), PRESETS)
def test_every_preset_is_a_spec(preset, environment, algorithm):
    """As far as structure goes where the environment is not here, else as `train` would see it."""
    jsonschema = pytest.importorskip("jsonschema")
    settings = presets.merged(
        {"environment": {"id": environment}, "agent": {"algorithm": algorithm}},
        preset.settings[algorithm])
    if preset.backends:
        settings["environment"]["backend"] = preset.backends[0]
    text = template.write(settings, "mine", ("about",), ())
    Path("mine.yaml").write_text(text)
    from tests.experiment.test_fields import mistakes

    assert mistakes(jsonschema.Draft202012Validator(schema()), text) == []
    experiment = spec.load("mine.yaml")
    assert not experiment.warnings
    if not preset.backends or backends.is_installed(preset.backends[0]):
        (experiment,) = load_all(["mine.yaml"])
        assert not experiment.warnings
    made = spec.plain(experiment.runs[0])
    for section, fields in preset.settings[algorithm].items():
        for field in fields:
            assert field in made[section]


def test_no_two_presets_are_for_one_environment_and_each_has_a_source():
    names = [name for preset in presets.all_presets() for name in preset.environments]
    assert len(set(names)) == len(names)
    for preset in presets.all_presets():
        assert preset.source
        assert {m.algorithm for m in preset.measured} <= set(preset.settings)
        assert {m.environment for m in preset.measured} <= set(preset.environments)


def test_measured_returns_stand_in_the_index_of_experiments(repository):
    index = (repository / "experiments" / "README.md").read_text()
    for preset in presets.all_presets():
        for m in preset.measured:
            assert re.search(rf"`{m.algorithm}` \| {m.mean:.1f} ", index), m


def test_presets_are_listed_with_what_was_measured():
    result = run("new", "--presets")
    assert result.code == 0
    assert re.search(r"cartpole .*CartPole-v1.* dqn +mean return 500 ", result.out)
    assert re.search(r"atari .*and \d+ more +dqn +no return measured here", result.out)


def test_it_is_a_light_command():
    heavy = ("tensorflow", "tf_agents", "keras", "gym", "numpy")
    assert imported("new", "mine", "--env", "CartPole-v1", "-o", "-", heavy=heavy) == []


def test_the_schema_named_in_the_first_line_is_what_schema_prints():
    first = written("--env", "CartPole-v1").read_text().splitlines()[0]
    name = first.rpartition("=")[2]
    Path(name).write_text(run("schema").out)
    assert json.loads(Path(name).read_text()) == schema()
