"""A file, standard input or nothing at all: runs, or every mistake at once."""

import io
import os
import sys
import time
from pathlib import Path

import pytest

from erlctl import spec
from erlctl.errors import SpecError
from tests.spec.conftest import BASE

DESIGN = """\
schema: 1
name: cartpole-family
environment: {id: CartPole-v1, backend: auto, num_envs: 1}
agent:
  algorithm: munchausen_dqn
  temperature: 0.03
  alpha: 0.9
  log_policy_clip: -1.0
  gamma: 0.99
  collect_policy: {type: epsilon_greedy, epsilon: {start: 1.0, end: 0.01, steps: 10000}}
network: {type: mlp, hidden: [64, 64]}
optimizer: {type: adam, learning_rate: 1e-3}
training: {steps: 50000, learning_starts: 1000, train_every: 1, updates: 1, batch_size: 64,
           replay_capacity: 50000, target_update_every: 100}
evaluation: {every: 5000, episodes: 20}
checkpoint: {every: 10000, keep: 2, replay: true}
logging: {every: 1000}
seeds: 10
"""


def test_the_documented_spec_loads(specs):
    experiment = specs.load(DESIGN)
    assert (experiment.name, experiment.source) == ("cartpole-family", "spec.yaml")
    assert [run.seed for run in experiment.runs] == list(range(10))
    assert {run.variant for run in experiment.runs} == {"munchausen_dqn"}
    assert experiment.warnings == ()


def test_the_documented_spec_says_only_what_the_defaults_are(specs):
    (short,) = specs.load(BASE.replace("dqn", "munchausen_dqn")).runs
    long = specs.load(DESIGN).runs[0]
    assert spec.program_key(short) == spec.program_key(long)


@pytest.mark.parametrize(
    "name", ["a/b", "../a", "..", ".hidden", "-rf", "a b", "é", "a" * 81, "''"])
def test_a_name_that_is_no_safe_folder_is_refused(specs, name):
    (problem,) = specs.refuse(BASE.replace("name: test", f"name: {name}"))
    assert problem.startswith("spec.yaml:1:7: name: must be a folder name of 1 to 80 letters")


def test_mistakes_of_all_sections_are_reported_sorted_by_position(specs):
    found = specs.refuse("""\
        schema: 2
        environment: {id: CartPole-v1, backend: gim}
        agent: {algorithm: dqn, gamma: 1.5, alpha: 0.9}
        optimizer: {learning_rate: -1}
        training: {batch_size: 100, replay_capacity: 50}
        loging: {every: 3}
        seeds: 0
        """)
    assert [message.split(": ")[0:2] for message in found] == [
        ["spec.yaml:1:1", "missing key 'name' (Folder below the runs directory)"],
        ["spec.yaml:1:9", "schema"], ["spec.yaml:2:41", "environment.backend"],
        ["spec.yaml:3:32", "agent.gamma"], ["spec.yaml:3:37", "agent.alpha"],
        ["spec.yaml:4:28", "optimizer.learning_rate"], ["spec.yaml:5:24", "training.batch_size"],
        ["spec.yaml:6:1", "loging"], ["spec.yaml:7:8", "seeds"],
    ]


def test_a_conflict_between_sections_stands_at_the_field_concerned(specs):
    assert specs.refuse("""\
        name: x
        environment: {id: CartPole-v1, num_envs: 3}
        agent: {algorithm: dqn}
        training: {replay_capacity: 2, batch_size: 1, steps: 100}
        """) == [
        "spec.yaml:4:29: training.replay_capacity: must be at least environment.num_envs (3), "
        "got 2",
        "spec.yaml:4:54: training.steps: must be a multiple of environment.num_envs (3), for "
        "example 99, got 100",
    ]


def test_a_conflict_with_a_default_stands_at_the_nearest_section(specs):
    (problem,) = specs.refuse("""\
        name: x
        environment: {id: CartPole-v1, num_envs: 3}
        agent: {algorithm: dqn}
        """)
    assert problem.startswith("spec.yaml:1:1: training.steps: must be a multiple")


def test_keys_of_one_run_are_unknown_in_an_experiment(specs):
    (problem,) = specs.refuse_added("seed: 3\n")
    assert "unknown key 'seed'; did you mean 'seeds'?" in problem


def test_settings_that_are_probably_not_meant_are_warnings(specs):
    experiment = specs.add("training: {steps: 500}\n")
    assert experiment.warnings == (
        "training.learning_starts (1000) is more than training.steps (500): nothing is ever "
        "learned",
        "evaluation.every (5000) is more than training.steps (500): it is evaluated only at the "
        "end",
    )


def test_many_warnings_are_cut_short(specs):
    warnings = specs.add(f"sweep: {{training.steps: {list(range(1, 100))}}}\n").warnings
    assert len(warnings) == 21
    assert warnings[-1] == "and 178 more like these"


def test_too_many_runs_are_refused(specs):
    (problem,) = specs.refuse_added("seeds: 6000\nsweep: {agent.gamma: [0.1, 0.2]}\n")
    assert problem == "spec.yaml:1:1: 12000 runs are too many: at most 10000"


def test_checks_of_other_layers_get_a_place(specs):
    Path("spec.yaml").write_text(BASE + "sweep: {agent.gamma: [0.5, 0.9]}\n")
    draft = spec.Draft("spec.yaml")
    assert [run.agent.gamma for run in draft.read()] == [0.5, 0.9]
    draft.check("environment", lambda section: [("environment.id", f"no {section.id}")])
    draft.check("", lambda run: [("agent.gamma", "odd")] if run.agent.gamma == 0.5 else [])
    assert specs.problems(draft.finish) == [
        "spec.yaml:2:19: environment.id: no CartPole-v1", "spec.yaml:4:23: agent.gamma: odd",
    ]


def test_a_section_is_there_for_checks_though_others_could_not_be_read(specs):
    Path("spec.yaml").write_text(BASE.replace("dqn", "dqm"))
    draft = spec.Draft("spec.yaml")
    assert [section.id for section in draft.read("environment")] == ["CartPole-v1"]
    assert list(draft.read("agent")) == list(draft.read()) == []


def test_a_hyphen_reads_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BASE.encode())))
    experiment = spec.load("-")
    assert (experiment.source, len(experiment.runs)) == ("<stdin>", 1)


def test_a_pipe_is_read(tmp_path):
    read_end, write_end = os.pipe()
    os.write(write_end, BASE.encode())
    os.close(write_end)
    try:
        assert len(spec.load(f"/dev/fd/{read_end}").runs) == 1
    finally:
        os.close(read_end)


@pytest.mark.parametrize(("path", "words"), [
    ("spce.yaml", "spce.yaml: no such file; did you mean spec.yaml?"),
    ("other/spec.yaml", "other/spec.yaml: no such file"),
    (".", ".: this is a folder, not a spec file; did you mean spec.yaml?"),
    ("spec.yaml/x", "spec.yaml/x: cannot be read: Not a directory"),
    ("a\0b", "cannot be read"),
    ("x" * 300, "cannot be read: File name too long"),
])
def test_a_file_that_cannot_be_read_is_a_spec_error(specs, path, words):
    specs.add("")
    (problem,) = specs.problems(lambda: spec.load(path))
    assert words in problem


def test_a_file_of_100_megabytes_is_refused_unread(tmp_path):
    path = tmp_path / "big.yaml"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    start = time.perf_counter()
    with pytest.raises(SpecError, match="larger than 1 MiB"):
        spec.load(path)
    assert time.perf_counter() - start < 1


def test_a_resolved_run_is_an_experiment_of_one_run(specs):
    run = specs.add("seeds: [3]\nvariants: {a: {agent.gamma: 0.5}}\n").runs[0]
    assert specs.load(spec.dump(run)).runs == (run,)
    changed = specs.load(spec.dump(run), "agent.gamma=0.25", seeds="7,8").runs
    assert [(r.variant, r.seed, r.agent.gamma) for r in changed] == [
        ("a", 7, 0.25), ("a", 8, 0.25),
    ]


def test_a_resolved_run_takes_no_sweep(specs):
    text = spec.dump(specs.add("").runs[0])
    (problem,) = specs.refuse(text + "sweep: {agent.gamma: [0.1]}\n")
    assert "unknown key 'sweep'" in problem


def test_load_run_refuses_what_is_no_resolved_run(specs):
    specs.add("")
    assert specs.problems(lambda: spec.load_run("spec.yaml")) == [
        "spec.yaml:1:1: missing key 'seed' (Seed of the run)",
        "spec.yaml:1:1: missing key 'variant' (Folder below the name)",
    ]
