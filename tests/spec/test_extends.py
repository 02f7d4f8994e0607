"""`extends`: what differs from another file, with the places of both."""

from pathlib import Path

import pytest

from erlctl import spec
from tests.spec.conftest import BASE


@pytest.fixture
def base(specs):
    Path("family").mkdir()
    Path("family/base.yaml").write_text(
        BASE + "training: {steps: 2000, batch_size: 32}\nseeds: 3\n"
        "sweep: {agent.gamma: [0.5, 0.9]}\n")
    return specs


def test_sections_are_merged_key_by_key_and_the_result_is_recorded(base):
    runs = base.load("""\
        extends: family/base.yaml
        name: longer
        training: {steps: 9000}
        seeds: [7]
        """).runs
    assert [(run.agent.gamma, run.seed) for run in runs] == [(0.5, 7), (0.9, 7)]
    assert {(run.name, run.training.steps, run.training.batch_size) for run in runs} == {
        ("longer", 9000, 32)}
    assert "extends" not in spec.dump(runs[0])
    assert spec.parse_run(spec.dump(runs[0]).encode(), "x") == runs[0]


def test_only_one_level_is_merged(base):
    Path("family/base.yaml").write_text(
        BASE + "evaluation: {policy: {type: epsilon_greedy, epsilon: 0.2}}\n")
    (run,) = base.load("""\
        extends: family/base.yaml
        evaluation: {policy: {type: greedy}, episodes: 3}
        """).runs
    assert run.evaluation.policy.registered_name == "greedy"


def test_paths_are_relative_to_the_file_that_holds_them(base):
    Path("family/child.yaml").write_text("extends: base.yaml\ntraining: {steps: 3000}\n")
    runs = base.load("extends: family/child.yaml\nname: grandchild\n").runs
    assert {run.training.steps for run in runs} == {3000}


def test_mistakes_are_named_where_they_stand(base):
    Path("family/base.yaml").write_text(BASE + "training: {steps: 0, batch_sise: 3}\n")
    assert [line.split(": ")[:2] for line in base.refuse(
        "extends: family/base.yaml\ntraining: {updates: 0}\n")] == [
        ["family/base.yaml:4:19", "training.steps"],
        ["family/base.yaml:4:22", "training.batch_sise"],
        ["spec.yaml:2:21", "training.updates"],
    ]


def test_what_is_set_on_the_command_line_comes_last(base):
    runs = base.load("extends: family/base.yaml\n", "training.steps=4000", seeds="5-5").runs
    assert {(run.training.steps, run.seed) for run in runs} == {(4000, 5)}


@pytest.mark.parametrize(("text", "problem"), [
    ("extends: spec.yaml\n", "spec.yaml:1:10: extends: spec.yaml extends this file itself"),
    ("extends: family/loop.yaml\n",
     "family/loop.yaml:1:10: extends: ../spec.yaml extends this file itself"),
    ("extends: family/bas.yaml\n",
     "family/bas.yaml: no such file; did you mean family/base.yaml?"),
    ("extends: 3\n", "spec.yaml:1:10: extends: expected a spec's path, got the number 3"),
    ("extends: [a]\n", "spec.yaml:1:10: extends: expected a spec's path, got a list of 1 value"),
])
def test_what_cannot_be_extended_is_refused(base, text, problem):
    Path("family/loop.yaml").write_text("extends: ../spec.yaml\n")
    assert base.refuse(text) == [problem]


def test_a_long_chain_is_refused(specs):
    Path("0.yaml").write_text(BASE)
    for index in range(1, 8):
        Path(f"{index}.yaml").write_text(f"extends: {index - 1}.yaml\n")
    assert [run.name for run in specs.load("extends: 3.yaml\n").runs] == ["test"]
    (problem,) = specs.refuse("extends: 4.yaml\n")
    assert problem.startswith("1.yaml:1:10: extends: more than 5 files extend one another")
