"""`erlctl fields` and `erlctl schema` say what the reader does."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys

import pytest

from erlctl import registry
from erlctl.environments.registry import COMPILED
from erlctl.experiment import fields
from erlctl.experiment.json_schema import schema
from erlctl.spec.nodes import ListNode, MapNode, Node
from erlctl.spec.parser import parse
from tests.cli.helpers import erlctl
from tests.cli.test_start_up import imported, processor_seconds
from tests.spec.broken_specs import BASE, BROKEN, environment


def listed(path):
    return {(row.path, row.entries): row.facts for row in fields.rows(path)}


def test_a_section_is_listed_with_everything_that_is_known_of_it():
    assert listed("agent.munchausen_dqn.temperature") == {
        ("agent.temperature", "munchausen_dqn"): {
            "field": "temperature", "default": 0.03, "type": "number", "domain": "greater than 0",
            "letter": "tau", "unit": "units of return",
            "meaning": "Temperature of the policy softmax(q / t).",
        },
    }


def test_every_field_of_every_entry_is_reachable():
    for kind, section in (
        ("algorithm", "agent"), ("network", "network"), ("optimizer", "optimizer"),
        ("policy", "evaluation.policy"),
    ):
        for name, cls in registry.all_of(kind).items():
            for field in dataclasses.fields(cls):
                assert listed(f"{section}.{name}.{field.name}")
    for name, entry in COMPILED.items():
        found = listed(f"environment.kwargs.{name}")
        assert {path.rpartition(".")[2] for path, _ in found} == {
            field.name for field in dataclasses.fields(entry.keywords)}


def test_an_environments_own_defaults_are_shown():
    for name, limit in (("CartPole-v0", 200), ("CartPole-v1", 500)):
        ((_, facts),) = listed(f"environment.kwargs.{name}").items()
        assert facts["default"] == limit


def test_policies_of_algorithms_are_shown_where_they_are_asked_for():
    epsilon = ("agent.collect_policy.epsilon", "dqn, epsilon_greedy")
    assert epsilon not in listed("agent.dqn")
    assert ("agent.collect_policy.type", "dqn") in listed("agent.dqn")
    assert epsilon in listed("agent.dqn.collect_policy")
    assert epsilon in listed("agent.collect_policy")


def paths_in(shape, definitions, path=""):
    """Yield the path of every property that a JSON Schema describes; schedules are values."""
    properties = shape.get("properties", {})
    if set(properties) == {"start", "end", "steps"}:
        return
    same = [*shape.get("anyOf", ()), *shape.get("allOf", ())]
    same += [shape["then"]] if "then" in shape else []
    same += [definitions[shape["$ref"].rpartition("/")[2]]] if "$ref" in shape else []
    for part in same:
        yield from paths_in(part, definitions, path)
    below = [(f"{path}.{name}".strip("."), part) for name, part in properties.items()]
    if "properties" in (others := shape.get("additionalProperties") or {}):
        below.append((f"{path}.PATH", others))
    for name, part in below:
        yield name
        if isinstance(part, dict):
            yield from paths_in(part, definitions, name)


def test_fields_and_schema_know_the_same_paths():
    document = schema()
    known = set(paths_in(document, document["$defs"]))
    assert {"search.trials", "search.space.PATH.low", "agent.collect_policy.epsilon"} <= known
    assert {row.path for row in fields.rows()} <= known
    for path in known:
        assert fields.rows(path)


def test_what_a_search_may_hold_is_listed():
    assert listed("search.trials")["search.trials", ""]["default"] == 30
    assert ("search.space.PATH.log", "") in listed("search.space")
    assert "search.sampler" in erlctl("fields").out


@pytest.mark.parametrize(("path", "guess"), [
    ("trainin", "training"), ("training.step", "training.steps"), ("agent.gama", "agent.gamma"),
])
def test_an_unknown_path_names_the_nearest(path, guess):
    result = erlctl("fields", path)
    assert (result.code, result.out) == (2, "")
    assert f"unknown field {path!r}; did you mean {guess!r}?" in result.err


def test_equal_fields_of_several_entries_are_one_line():
    rows = json.loads(erlctl("fields", "agent.gamma", "--format", "json").out)["rows"]
    known = registry.all_of("algorithm").items()
    # A planner's discount is less than 1.
    assert [row["of"] for row in rows] == [
        [name for name, cls in known if (cls.base == "planner") is is_planner]
        for is_planner in (False, True)
    ]
    line, _ = erlctl("fields", "agent.gamma").out.splitlines()[1:]
    more = str(len(rows[0]["of"]) - 2)
    assert line.split()[:5] == ["agent.gamma", "advantage_learning,", "cvi,", more, "more"]


def test_a_list_says_in_full_who_has_a_field_and_fits_a_terminal():
    lines = erlctl("fields", "agent.gamma", "--format", "list").out.splitlines()
    known = registry.all_of("algorithm").items()
    agents = ", ".join(name for name, cls in known if cls.base != "planner")
    assert lines[:3] == ["agent.gamma", "    Discount factor.",
                         "    number; in [0, 1]; the papers' gamma; default: 0.99"]
    assert f"of: {agents} agent.gamma Discount" in " ".join(" ".join(lines).split())
    assert max(map(len, lines)) <= 80


def test_a_table_of_all_fields_is_not_padded_to_its_longest_cell():
    lines = erlctl("fields").out.splitlines()
    assert sorted(map(len, lines))[len(lines) // 2] < max(map(len, lines)) / 2


def test_null_is_shown_as_such():
    (line,) = erlctl("fields", "environment.wrappers.time_limit").out.splitlines()[1:]
    assert "null" in line.split()


@pytest.mark.parametrize("args", [("fields",), ("schema",)])
def test_they_start_quickly(args):
    assert imported(*args, heavy=("tensorflow", "tf_agents", "keras", "gym", "numpy")) == []
    assert processor_seconds(*args) < 0.5  # 0.3 on a machine that does nothing else


jsonschema = pytest.importorskip("jsonschema")


@pytest.fixture(scope="module")
def validator():
    document = json.loads(erlctl("schema").out)
    jsonschema.Draft202012Validator.check_schema(document)
    return jsonschema.Draft202012Validator(document)


def value_of(node: Node) -> object:
    if isinstance(node, MapNode):
        return {key.text: value_of(child) for key, child in node.entries}
    return list(map(value_of, node.items)) if isinstance(node, ListNode) else node.value


def mistakes(validator, text: str | bytes) -> list[str]:
    data = text if isinstance(text, bytes) else text.encode()
    return [error.message for error in validator.iter_errors(value_of(parse(data, "x", [])))]


def test_the_schema_accepts_every_experiment(validator, repository):
    paths = sorted((repository / "experiments").rglob("*.yaml"))
    assert paths
    assert {path.name: mistakes(validator, path.read_bytes()) for path in paths} == {
        path.name: [] for path in paths}


@pytest.mark.parametrize(
    "broken", [broken for broken in BROKEN if broken.in_schema], ids=lambda broken: broken.name)
def test_the_schema_refuses_what_is_broken_by_structure(validator, broken):
    assert mistakes(validator, broken.text)


@pytest.mark.parametrize("text", [
    BASE, f"{BASE}training: {{steps: 1e6}}\n", f"{BASE}seeds: 0-4\n", f"{BASE}seeds: [0, 7-9]\n",
    f"{BASE}network: {{hidden: []}}\n", f"{BASE}evaluation: {{policy: {{type: greedy}}}}\n",
    f"{BASE}sweep: {{agent.algorithm: [dqn, munchausen_dqn], agent.gamma: [0.9]}}\n",
    "name: x\nenvironment: {id: CartPole-v1}\nvariants: {a: {agent: {algorithm: dqn}}}\n",
    environment("id: Breakout-MinAtar, kwargs: {time_limit: null}"),
    environment("id: CartPole-v1, backend: gym, kwargs: {whatever: 3}"),
])
def test_the_schema_accepts_what_the_reader_accepts(validator, text):
    assert mistakes(validator, text) == []


def test_the_schema_is_the_same_file_every_time():
    texts = {
        subprocess.run([sys.executable, "-m", "erlctl", "schema"], capture_output=True, check=True,
                       env={**os.environ, "PYTHONHASHSEED": seed}).stdout
        for seed in ("1", "2", "3")
    }
    assert len(texts) == 1


def test_the_schema_explains_each_field():
    training = schema()["properties"]["training"]["properties"]
    assert training["steps"] == {
        "type": "integer", "minimum": 1,
        "description": "Environment steps of the run; iterations of a planner.",
        "default": 50_000,
    }
