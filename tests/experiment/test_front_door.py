"""One front door: what one command refuses every command refuses, in the same words."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from erlctl import spec
from erlctl.environments.host import probe
from erlctl.environments.space import Space
from erlctl.errors import SpecError
from erlctl.experiment import load_all, resolve
from erlctl.runs import estimate
from erlctl.spec.schema import EnvironmentSection
from tests.cli.helpers import erlctl
from tests.spec.broken_specs import BASE, BROKEN, CARTPOLE, DQN, HEAD, environment

COMMANDS = (("validate",), ("train", "--dry-run"), ("train", "--print-commands"), ("train",))
FAKES = "tests.experiment.environments"


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def load(text, *overrides, trusted=(), seeds=None):
    Path("spec.yaml").write_text(text)
    return load_all(["spec.yaml"], overrides, seeds, trusted)[0]


def refusals(text, *overrides, trusted=()):
    with pytest.raises(SpecError) as caught:
        load(text, *overrides, trusted=trusted)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
def test_every_command_refuses_a_broken_spec_in_the_same_words(broken):
    Path("spec.yaml").write_text(broken.text)
    told = set()
    for command, *flags in COMMANDS:
        result = erlctl(command, "spec.yaml", *flags)
        assert (result.code, result.out) == (2, ""), (command, flags, result.err)
        told.add(result.err)
        assert [path.name for path in Path().iterdir()] == ["spec.yaml"]
    (text,) = told
    assert text.startswith(f"spec.yaml:{broken.says}")
    assert text.endswith("\n1 problem, nothing was started.\n")


def test_mistakes_of_all_kinds_are_reported_at_once():
    assert [line.split(": ")[:2] for line in refusals("""\
name: many
environment: {id: CartPole-v1, num_envs: 3, kwargs: {time_limt: 3}}
agent: {algorithm: dqnn, gamma: 1.5, gama: 2}
network: {type: conv, filters: [32, 64], kernels: [3, 3]}
""")] == [
        ["spec.yaml:2:65", "environment.kwargs.time_limt"], ["spec.yaml:3:20", "agent.algorithm"],
        ["spec.yaml:3:33", "agent.gamma"], ["spec.yaml:3:38", "agent.gama"],
        ["spec.yaml:4:10", "network.strides"],
    ]


TUNED = f"{BASE}seeds: 2\ntraining: {{initial_checkpoint: old/run@7, compile: graph}}\n"
THERE_IS_NONE = "spec.yaml:5:32: training.initial_checkpoint: there is no run old/run"


def test_a_missing_initial_checkpoint_is_told_beside_other_mistakes():
    spoilt = TUNED.replace("CartPole-v1", "CartPole-v1, kwargs: {time_limt: 3}")
    Path("spec.yaml").write_text(spoilt + "sweep: {agent.gamma: [0.5, 1.5]}\n")
    (text,) = {erlctl(command, "spec.yaml", *flags).err for command, *flags in COMMANDS}
    for words in ("agent.gamma: must be in [0, 1], got 1.5", "environment.kwargs.time_limt",
                  THERE_IS_NONE, "3 problems, nothing was started"):
        assert words in text
    Path("old/run/checkpoints/000000003").mkdir(parents=True)
    Path("spec.yaml").write_text(TUNED)
    assert "there is no checkpoint 7; there are: 3\n" in erlctl("validate", "spec.yaml").err


def test_a_run_that_goes_on_needs_its_initial_checkpoint_no_more():
    Path("spec.yaml").write_text(TUNED)
    train = functools.partial(erlctl, "train", "spec.yaml", "--print-commands")
    for seed in (0, 1):  # what one seed has does not help the other
        assert train().err.startswith(THERE_IS_NONE)
        Path(f"runs/broken/dqn/seed-{seed}/checkpoints").mkdir(parents=True)
    assert train().code == 0
    assert train("--fresh").err.startswith(THERE_IS_NONE)
    assert erlctl("validate", "spec.yaml").err.startswith(THERE_IS_NONE)


def test_mistakes_of_some_variants_name_them():
    (problem,) = refusals(CARTPOLE + "sweep: {agent.algorithm: [dqn, sac]}\n")
    assert problem.startswith("spec.yaml:3:32: agent.algorithm: sac needs continuous actions")


def test_all_files_are_checked():
    for name in "ab":
        Path(f"{name}.yaml").write_text(f"name: {name}\nagent: {{algorithm: dqn}}\n")
    with pytest.raises(SpecError) as caught:
        load_all(["a.yaml", "missing.yaml", "b.yaml"])
    assert [problem.source for problem in caught.value.problems] == [
        "a.yaml", "b.yaml", "missing.yaml"]


def test_two_files_of_one_name_are_refused():
    for name in "ab":
        Path(f"{name}.yaml").write_text(BASE)
    with pytest.raises(SpecError, match=r"b\.yaml: name: 'broken' is the name of a\.yaml as well"):
        load_all(["a.yaml", "b.yaml"])


@pytest.mark.parametrize(("setting", "path", "value"), [
    ("training.steps=1e6", "training.steps", 1_000_000),
    ("training.steps=2.0e+3", "training.steps", 2000),
    ("network.hidden=[1e2, 64]", "network.hidden", (100, 64)),
    ("environment.kwargs.time_limit=1e3", "environment.kwargs", {"time_limit": 1000}),
])
def test_a_whole_number_may_be_written_with_an_exponent(setting, path, value):
    run = load(BASE, setting).runs[0]
    for name in path.split("."):
        run = getattr(run, name)
    assert run == value
    assert all(type(number) is int for number in (run.values() if isinstance(run, dict) else ()))


@pytest.mark.parametrize(("text", "backend", "compiled_as"), [
    (BASE, "compiled", "xla"),
    (environment("id: CartPole-v1, backend: gym"), "gym", "xla"),
    (environment("id: MinAtar/Breakout-v1") + "network: {type: conv}\n", "compiled", "xla"),
    (BASE + "training: {compile: graph}\n", "compiled", "graph"),
])
def test_nothing_is_left_to_be_decided(text, backend, compiled_as):
    run = load(text).runs[0]
    assert (run.environment.backend, run.training.compile) == (backend, compiled_as)
    assert "auto" not in spec.dump(run)
    assert resolve(run) == run


def test_a_run_that_was_stored_with_auto_means_the_same():
    old = spec.parse_run(
        f"{BASE}variant: dqn\nseed: 0\nenvironment: {{id: CartPole-v1, backend: auto}}\n".replace(
            CARTPOLE, HEAD).encode(), "spec.yaml")
    assert old.environment.backend == "auto"
    assert resolve(old) == load(BASE).runs[0]


@pytest.mark.parametrize(("name", "kwargs", "num_bytes"), [
    ("MinAtar/Breakout-v1", {}, 400), ("Breakout-MinAtar", {}, 400), ("CartPole-v1", {}, 16),
    ("GridWorld", {"size": 3}, 36), ("GridWorld", {"size": 3, "observation": "index"}, 4),
    ("Garnet", {"num_states": 7}, 28),
])
def test_the_replay_is_estimated_from_the_declared_space(name, kwargs, num_bytes):
    arguments = ", ".join(f"{key}: {value}" for key, value in kwargs.items())
    run = load(environment(f"id: {name}, kwargs: {{{arguments}}}")).runs[0]
    assert estimate.replay_bytes(run) == 50_000 * (2 * num_bytes + 25)


def test_a_network_that_is_absurd_for_the_picture_draws_a_warning():
    text = f"{HEAD}environment: {{id: '{FAKES}:Picture', backend: python}}\n{DQN}"
    heavy = load(f"{text}network: {{type: conv}}\n", trusted=["tests"])
    assert ["13.8 million weights" in warning for warning in heavy.warnings] == [True]
    light = ("network: {type: conv, filters: [32, 64, 64], kernels: [8, 4, 3], "
             "strides: [4, 2, 1], hidden: [512]}\n")
    assert load(text + light, trusted=["tests"]).warnings == ()


def test_pictures_of_bytes_are_not_normalised():
    fields = f"id: '{FAKES}:Picture', backend: python, wrappers: {{normalise_observations: true}}"
    (problem,) = refusals(environment(fields), trusted=["tests"])
    assert problem.startswith(
        "spec.yaml:2:112: environment.wrappers.normalise_observations: "
        f"{FAKES}:Picture has pictures of bytes")


def test_code_is_not_run_unasked_and_that_is_said():
    text = environment(f"id: '{FAKES}:Row', backend: python")
    assert load(text).warnings == (
        f"whether {FAKES}:Row fits was not looked at, because making it runs code of {FAKES}: "
        "add --trust",)
    assert load(text, trusted=["tests"]).warnings == ()


@pytest.mark.parametrize(("factory", "words"), [
    ("dies", "environment {}:dies cannot be made: the process that tried was killed by SIGKILL"),
    ("leaves", "environment {}:leaves cannot be made: the process that tried ended with code 7"),
    ("Roww", "environment {}:Roww: module '{}' has no attribute 'Roww'"),
])
def test_an_environment_that_ends_its_process_is_named(factory, words):
    (problem,) = refusals(
        environment(f"id: '{FAKES}:{factory}', backend: python"), trusted=["tests"])
    assert problem.startswith(f"spec.yaml:2:19: environment.id: {words.format(FAKES, FAKES)}")


def section(name, backend="python"):
    return EnvironmentSection(id=name if backend == "gym" else f"{FAKES}:{name}", backend=backend)


def test_one_that_hangs_or_dies_costs_the_others_nothing():
    begin = time.monotonic()
    hung, dead, good = probe.ask([section("hangs"), section("dies"), section("Row")], 4.0)
    assert hung == f"environment {FAKES}:hangs was not made within 4 s"
    assert "SIGKILL" in dead
    assert good.action == Space((), "int32", 3)
    assert time.monotonic() - begin < 20


def test_no_process_is_left_behind(tmp_path):
    """What an environment has started ends with the process that made it."""
    (answer,) = probe.ask([EnvironmentSection(
        id=f"{FAKES}:parent", backend="python", kwargs={"note": str(tmp_path / "pid")})])
    assert not isinstance(answer, str), answer
    pid = int((tmp_path / "pid").read_text())
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":  # nobody waits for it
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the child is still there")


def test_an_id_that_another_installed_backend_has_is_answered_with_it(tmp_path, monkeypatch):
    packages = tmp_path / "packages"
    packages.mkdir()
    (packages / "envpool.py").write_text("def list_all_envs():\n    return ['Tower-v7']\n")
    monkeypatch.setenv("PYTHONPATH", str(packages))
    for backend in ("auto", "gym"):
        assert refusals(environment(f"id: Tower-v7, backend: {backend}")) == [
            "spec.yaml:2:19: environment.id: gym has no environment 'Tower-v7', envpool has it; "
            "write `backend: envpool`"
        ]


def test_asking_a_host_environment_imports_no_tensorflow():
    code = (
        "import sys; from erlctl.environments.host import probe; "
        "from erlctl.spec.schema import EnvironmentSection; "
        "print(probe._made(EnvironmentSection(id='CartPole-v1', backend='gym'))['time_limit']); "
        "sys.exit('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "500\n"), done.stderr


PLAN = "name: plan\nenvironment: {id: Garnet}\nagent: {algorithm: munchausen_vi}\n"


def test_a_planner_needs_a_table_and_the_nearest_agent_is_named():
    (text,) = refusals(PLAN.replace("Garnet", "CartPole-v1"))
    assert text.startswith("spec.yaml:3:20: agent.algorithm: munchausen_vi plans on the table")
    assert text.endswith("the nearest agent is munchausen_dqn")


@pytest.mark.parametrize(("given", "path"), [
    ("network: {type: mlp, hidden: [8]}", "network"),
    ("optimizer: {type: adam, learning_rate: 0.1}", "optimizer"),
    ("training: {batch_size: 8}", "training.batch_size"),
    ("training: {compile: xla}", "training.compile"),
    ("checkpoint: {replay: false}", "checkpoint.replay"),
])
def test_what_means_nothing_for_a_planner_is_refused_where_it_is_given(given, path):
    (text,) = refusals(PLAN + given)
    assert text.startswith("spec.yaml:4:")
    assert f" {path}: munchausen_vi is a planner" in text


@pytest.mark.parametrize(("change", "says"), [
    ("agent.gamma=1", "agent.gamma: must be in [0, 1)"),
    ("agent.collect_policy.type=greedy", "agent.collect_policy"),
    ("evaluation.policy.type=epsilon_greedy", "evaluation.policy: must be greedy, or boltzmann"),
    ("agent.errors.type=gausian", "gaussian"),
])
def test_a_planners_own_settings_are_checked(change, says):
    (text,) = refusals(PLAN, change)
    assert says in text


def test_a_planners_spec_stays_what_it_is():
    (run,) = load(PLAN + "training: {steps: 100}").runs
    assert run.training.compile == "auto"
    assert spec.parse_run(spec.dump(run).encode(), "again") == run
    assert estimate.replay_bytes(run) == 0


def test_the_schema_knows_the_errors_of_planners():
    from erlctl.experiment import json_schema

    definitions = json_schema.schema()["$defs"]
    assert "standard_deviation" in definitions["error.gaussian"]["properties"]
    assert "collect_policy" not in definitions["algorithm.md_vi"]["properties"]
