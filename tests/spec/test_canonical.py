"""The canonical text is a run: it reads back equal, here and in any YAML reader."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from erlctl import registry, spec
from erlctl.fields import DomainError, Schedule
from erlctl.spec.canonical import flow_text, scalar_text
from erlctl.spec.nodes import resolve
from erlctl.spec.schema import (
    CheckpointSection,
    EnvironmentSection,
    EvaluationSection,
    LoggingSection,
    RunSpec,
    TrainingSection,
)

GOLDEN = """\
schema: 1
name: test
variant: dqn
seed: 0
environment:
  id: CartPole-v1
  backend: auto
  num_envs: 1
  kwargs: {}
  wrappers:
    action_repeat: 1
    sticky_actions: 0.0
    time_limit: null
    frame_stack: null
    normalise_observations: false
    reward_scale: 1.0
    reward_clip: null
  vectorise: inline
  step_timeout: 60.0
agent:
  algorithm: dqn
  gamma: 0.99
  collect_policy:
    type: epsilon_greedy
    epsilon:
      start: 1.0
      end: 0.01
      steps: 10000
  n_step: 1
  loss: huber
  gradient_clip_norm: null
network:
  type: mlp
  hidden: [64, 64]
  activation: relu
  dueling: null
optimizer:
  type: adam
  learning_rate: 0.001
  final_learning_rate: null
  beta_1: 0.9
  beta_2: 0.999
  epsilon: 1.0e-07
training:
  steps: 50000
  learning_starts: 1000
"""

texts = st.text(st.characters(codec="utf-8"), max_size=20)
scalars = st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.floats() | texts
fractions = st.floats(0, 1, exclude_min=True, exclude_max=True)
schedules = st.builds(Schedule, fractions, fractions, st.integers(1, 10**6))
BY_NAME: dict[str, st.SearchStrategy[Any]] = {
    "gamma": fractions, "collect_policy": st.builds(
        registry.get("policy", "epsilon_boltzmann"), epsilon=schedules,
        temperature=st.none() | schedules),
}


@st.composite
def chosen(draw: st.DrawFn, kind: str) -> Any:
    """Draw any entry of a registry, with some of its fields drawn too."""
    # Planners stand together with few settings of the other sections.
    entries = [cls for cls in registry.all_of(kind).values()
               if getattr(cls, "base", "") != "planner"]
    cls = draw(st.sampled_from(entries))
    names = [field.name for field in dataclasses.fields(cls) if field.name in BY_NAME]
    values = {name: draw(BY_NAME[name]) for name in names if draw(st.booleans())}
    try:
        return cls(**values)
    except DomainError:  # some algorithms allow less than others
        return cls()


runs = st.builds(
    RunSpec,
    name=st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,79}\Z"),
    variant=st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._=,+-]{0,30}\Z"),
    seed=st.integers(0, 2**63 - 1),
    environment=st.builds(
        EnvironmentSection, id=st.sampled_from(["CartPole-v1", "ALE/Pong-v5", "1e3", "on", "#x"]),
        kwargs=st.dictionaries(
            st.text("abc_1é:-# '\"", min_size=1, max_size=5),
            scalars.filter(lambda value: value == value), max_size=3),
    ),
    agent=chosen("algorithm"), network=chosen("network"), optimizer=chosen("optimizer"),
    training=st.builds(
        TrainingSection, steps=st.integers(1, 10**12), target_update_polyak=fractions),
    # A policy without a temperature of its own needs an algorithm that has one.
    evaluation=st.builds(EvaluationSection, policy=chosen("policy").filter(
        lambda policy: getattr(policy, "temperature", 1.0) is not None)),
    checkpoint=st.builds(CheckpointSection, replay=st.booleans()),
    logging=st.builds(LoggingSection, tensorboard=st.booleans()),
)


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("canonical") / "spec.yaml"


@given(run=runs)
def test_the_text_of_a_run_reads_back_as_the_run(path, run):
    path.write_text(spec.dump(run))
    again = spec.load_run(path)
    assert again == run
    assert spec.dump(again) == spec.dump(run)
    assert spec.load(path).runs == (run,)


@given(run=runs)
def test_any_yaml_reader_finds_the_same_values(run):
    assert yaml.safe_load(spec.dump(run)) == spec.plain(run)


@given(scalars)
def test_a_scalar_reads_back_as_itself(value):
    text = scalar_text(value)
    if text.startswith('"'):
        assert yaml.safe_load(text) == value
    else:
        assert repr(resolve(text)) == repr(value)


def test_the_text_is_stable(specs):
    text = spec.dump(specs.add("").runs[0])
    assert text.startswith(GOLDEN)
    assert text.endswith("logging:\n  every: 1000\n  tensorboard: true\n")


def test_every_registered_algorithm_reads_back(path, specs):
    for name in registry.all_of("algorithm"):
        (run,) = specs.add("", f"agent={{algorithm: {name}}}").runs
        path.write_text(spec.dump(run))
        assert spec.load_run(path) == run


def test_a_constant_schedule_is_a_number_and_a_moving_one_a_mapping(specs):
    (run,) = specs.add("", "agent.collect_policy={epsilon: 0.1}").runs
    assert "    epsilon: 0.1\n" in spec.dump(run)
    schedule = "{start: 0.1, end: 0.1, steps: 7}"
    (run,) = specs.add("", f"agent.collect_policy={{epsilon: {schedule}}}").runs
    assert flow_text(spec.plain(run)["agent"]["collect_policy"]["epsilon"]) == schedule


def test_a_whole_number_in_a_float_field_has_the_fingerprint_of_the_float(specs):
    (run,) = specs.add("", "agent.gamma=1.0").runs
    other = dataclasses.replace(run, agent=dataclasses.replace(run.agent, gamma=1))
    assert spec.fingerprint(other) == spec.fingerprint(run)


def test_the_fingerprint_changes_with_every_field(specs):
    experiment = specs.add(
        "seeds: 2\nsweep: {agent.gamma: [0.1, 0.2], environment.kwargs.a: [1, 1.0, '1', null]}\n")
    prints = [spec.fingerprint(run) for run in experiment.runs]
    assert len(set(prints)) == len(prints) == 16
    assert all(len(text) == 64 for text in prints)


def test_the_order_of_an_environments_arguments_does_not_matter(specs):
    (a,) = specs.add("", "environment.kwargs={x: 1, y: 2}").runs
    (b,) = specs.add("", "environment.kwargs={y: 2, x: 1}").runs
    assert spec.fingerprint(a) == spec.fingerprint(b)


def test_runs_that_differ_in_name_variant_and_seed_share_a_program(specs):
    runs = specs.add("seeds: 3\nvariants: {a: {agent.gamma: 0.5}, b: {agent.gamma: 0.5}}\n").runs
    other = specs.add("", "name=other", "agent.gamma=0.5").runs
    assert len({spec.program_key(run) for run in (*runs, *other)}) == 1


@pytest.mark.parametrize("change", [
    "agent.gamma=0.5", "optimizer.learning_rate=0.1", "training.steps=123", "checkpoint.every=7",
    "logging.every=7", "evaluation.every=7",
    "agent.collect_policy={type: epsilon_greedy, epsilon: {start: 1.0, end: 0.5, steps: 9}}",
])
def test_numbers_that_a_program_reads_when_it_runs_do_not_part_programs(specs, change):
    (run,), (other,) = specs.add("").runs, specs.add("", change).runs
    assert spec.fingerprint(run) != spec.fingerprint(other)
    assert spec.program_key(run) == spec.program_key(other)


@pytest.mark.parametrize("change", [
    "agent.gamma=1.0", "agent.gamma=0.0", "agent.gradient_clip_norm=1.0", "agent.loss=squared",
    "agent.collect_policy={type: epsilon_greedy, epsilon: 0.5}", "agent.n_step=2",
    "evaluation.episodes=7", "evaluation.policy={type: epsilon_greedy}", "optimizer.beta_1=0.8",
    "optimizer.final_learning_rate=0.0001", "training.batch_size=7", "training.learning_starts=7",
    "training.target_update_polyak=0.5", "network.hidden=[8]", "environment.num_envs=2",
])
def test_what_is_compiled_in_parts_programs(specs, change):
    (run,), (other,) = specs.add("").runs, specs.add("", change).runs
    assert spec.program_key(run) != spec.program_key(other)


@pytest.mark.parametrize("path", ["agent", "agent.collect_policy", "evaluation.policy"])
def test_classes_of_one_name_in_two_packages_part_programs(specs, path):
    (run,) = specs.add("").runs
    *above, last = path.split(".")
    holder = getattr(run, above[0]) if above else run
    ours = getattr(holder, last)
    cls = type(ours)
    theirs = type(cls.__name__, (cls,), {
        "__qualname__": cls.__qualname__, "registered_name": "of_another_package"})
    other = dataclasses.replace(holder, **{last: theirs(**vars(ours))})
    if above:
        other = dataclasses.replace(run, **{above[0]: other})
    assert repr(other) == repr(run)
    assert spec.program_key(other) != spec.program_key(run)


def test_numbers_that_an_algorithm_derives_part_programs_where_their_kind_differs(specs):
    """CVI's weight of the gap is 0 without a KL term: another program than with one."""
    cvi = "agent={algorithm: cvi, kl_coefficient: %s, entropy_coefficient: %s}"
    keys = {
        pair: spec.program_key(specs.add("", cvi % pair).runs[0])
        for pair in (("0.1", "0.2"), ("0.3", "0.4"), ("0.0", "0.2"), ("0.6", "0.7"))
    }
    assert keys["0.1", "0.2"] == keys["0.3", "0.4"]
    # 0.6 + 0.7 is a temperature above 1, where the other sums are below.
    assert len({*keys.values()}) == 3


def test_the_difference_shows_what_changed(specs):
    (a,) = specs.add("").runs
    (b,) = specs.add("", "agent.gamma=0.5").runs
    assert spec.diff(a, a) == ""
    assert spec.diff(a, b, "old", "new").splitlines() == [
        "--- old", "+++ new", "@@ -21,3 +21,3 @@", "   algorithm: dqn", "-  gamma: 0.99",
        "+  gamma: 0.5", "   collect_policy:",
    ]


@pytest.mark.parametrize(
    "path", ["optimizer.learning_rate", "agent.companion_learning_rate", "training.steps"])
def test_rates_of_another_packages_optimiser_are_compiled_in(specs, path):
    """It builds itself from a number and may do with it what it likes."""
    (run,) = specs.add("", "agent={algorithm: momentum_dqn, companion_learning_rate: 0.1}").runs

    class Theirs(type(run.optimizer)):
        def build(self, learning_rate, *, xla):
            raise NotImplementedError

    theirs = dataclasses.replace(run, optimizer=Theirs(learning_rate=0.1))
    section, _, field = path.partition(".")
    keys = set()
    for value in (run.training.steps, 2 * run.training.steps) if "steps" in path else (0.1, 0.2):
        part = dataclasses.replace(getattr(theirs, section), **{field: value})
        keys.add(spec.program_key(dataclasses.replace(theirs, **{section: part})))
    assert len(keys) == 2
