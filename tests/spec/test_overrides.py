"""`--set PATH=VALUE` follows the file's rules and names itself in errors."""

import pytest


def only(experiment):
    (run,) = experiment.runs
    return run


def test_an_override_replaces_the_file_and_the_default(specs):
    run = only(specs.add("training: {steps: 100}\n", "training.steps=200", "agent.gamma=0.5"))
    assert (run.training.steps, run.agent.gamma) == (200, 0.5)


@pytest.mark.parametrize(("text", "value"), [
    ("network.hidden=[8, 4]", (8, 4)), ("network.hidden=[]", ()),
    ("network={type: mlp, hidden: [3]}", (3,)), (" network.hidden =[ 2 ]", (2,)),
])
def test_an_override_takes_lists_and_mappings(specs, text, value):
    assert only(specs.add("", text)).network.hidden == value


@pytest.mark.parametrize(("text", "value"), [
    ("environment.kwargs.a=b=c", "b=c"), ("environment.kwargs.a=on", "on"),
    ("environment.kwargs.a=1e-3", 1e-3), ("environment.kwargs.a=", None),
    ("environment.kwargs.a='#'", "#"), ("environment.kwargs.a=ä", "ä"),
])
def test_an_override_follows_the_scalar_rules_of_the_file(specs, text, value):
    assert only(specs.add("", text)).environment.kwargs == {"a": value}


@pytest.mark.parametrize(("texts", "expected"), [
    (["agent.gamma=1.5"], "--set[1]: agent.gamma: must be in [0, 1], got 1.5 (discount factor)"),
    (["seeds=2", "agent.gama=1"], "--set[2]: agent.gama: unknown key 'gama'; did you mean 'gam"),
    (["agent.gamma"], "--set[1]: expected PATH=VALUE such as agent.gamma=0.95, got 'agent.gamma'"),
    (["=1"], "--set[1]: expected PATH=VALUE"),
    (["agent..gamma=1"], "--set[1]: expected PATH=VALUE"),
    (["network.hidden=[1"], "--set[1]: network.hidden: this '[' is not closed"),
    (["agent.gamma=*a"], "--set[1]: agent.gamma: the alias *a is not allowed"),
    (["name=1\n---\n2"], "--set[1]: name: a second document starts here"),
    (["environment.id.x=1"], "--set[1]: environment.id.x: environment.id is the text 'CartPole"),
    (["agent.gamma=0.1", "agent.gamma=0.2"], "--set[2]: agent.gamma: already set by --set[1]"),
    (["agent.gamma=0.1", "agent={algorithm: dqn}"], "--set[2]: agent: already set by --set[1]"),
    (["training.steps=50000", "environment.num_envs=3"],
     "--set[1]: training.steps: must be a multiple of environment.num_envs (3), for example 50001"),
    (["seed=3"], "--set[1]: seed: unknown key 'seed'; did you mean 'seeds'?"),
    (["name=\udce9"], "--set[1]: name: character U+DCE9 is not allowed"),
    (["environment.kwargs={a: 1, a: 2}"], "--set[1]: environment.kwargs.a: duplicate key"),
])
def test_a_wrong_override_is_refused_by_its_number(specs, texts, expected):
    assert specs.refuse_added("", *texts)[0].startswith(expected)


def test_an_override_reaches_into_sweep_and_variants(specs):
    swept = specs.add("sweep: {agent.gamma: [0.1, 0.2]}\n", "sweep.agent.gamma=[0.3, 0.4, 0.5]")
    assert [run.agent.gamma for run in swept.runs] == [0.3, 0.4, 0.5]
    labelled = specs.add("variants: {a: {agent.gamma: 0.1}}\n", "variants.a.agent.gamma=0.7")
    assert [run.agent.gamma for run in labelled.runs] == [0.7]
    assert [run.variant for run in specs.add("", "variants.b.agent.gamma=0.7").runs] == ["b"]


@pytest.mark.parametrize(("text", "remedy"), [
    ("sweep: {agent.gamma: [0.1, 0.2]}\n", "sweep.agent.gamma"),
    ("variants: {a: {agent.gamma: 0.1}}\n", "variants.a.agent.gamma"),
    ("variants: {a: {agent: {gamma: 0.1}}}\n", "variants.a.agent.gamma"),
])
def test_an_override_that_a_variant_would_undo_is_refused(specs, text, remedy):
    assert specs.refuse_added(text, "agent.gamma=0.5") == [
        "--set[1]: agent.gamma: has no effect, the spec varies it; "
        f"write --set {remedy}=... instead"
    ]


def test_overrides_and_the_file_are_reported_together(specs):
    found = specs.refuse_added("trainig: {}\n", "agent.gamma=2", "name=..")
    assert [message.partition(": ")[0] for message in found] == [
        "--set[1]", "--set[2]", "spec.yaml:4:1",
    ]
