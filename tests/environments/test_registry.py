import dataclasses
import importlib
import inspect
import subprocess
import sys

import pytest

from erlctl.environments import registry
from erlctl.environments.compiled.tables import BUILDERS
from erlctl.errors import UnknownNameError


def test_listing_needs_no_tensorflow():
    code = "import sys; from erlctl.environments import registry; registry.find('CartPole-v1'); "
    code += "sys.exit('tensorflow' in sys.modules or 'gym' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", registry.COMPILED)
def test_an_entry_says_what_its_class_accepts(name):
    entry = registry.COMPILED[name]
    maker = getattr(importlib.import_module(entry.module), entry.class_name)
    accepted = set(inspect.signature(maker).parameters) - {"num_envs", "generator", "kwargs"}
    if entry.class_name == "build":
        accepted |= set(inspect.signature(BUILDERS[entry.fixed["builder"]]).parameters)
    declared = dataclasses.fields(entry.keywords)
    assert {*(field.name for field in declared), *entry.fixed} == accepted
    assert all(field.metadata["doc"] for field in declared)


@pytest.mark.parametrize(("name", "given"), [
    *((name, {}) for name in registry.COMPILED),
    *((name, {"observation": "index"}) for name in ("Chain", "Garnet", "GridWorld")),
    ("Chain", {"num_states": 7, "time_limit": None}), ("GridWorld", {"size": 3}),
    ("CombinationLock", {"length": 4, "num_actions": 3}), ("Bandit", {"num_actions": 3}),
    ("Garnet", {"num_states": 9, "num_actions": 2}), ("Reacher", {"num_joints": 7}),
    ("Reacher", {"num_joints": 3, "actions": "joint"}), ("Tanks", {"actions": "joint"}),
])
def test_declared_spaces_are_those_of_the_environment(name, given):
    import tensorflow as tf

    entry = registry.COMPILED[name]
    environment = registry.make(name, 1, tf.random.Generator.from_seed(0, alg="philox"), **given)
    spaces = entry.spaces(registry.keywords_of(entry, given))
    observation, action = environment.observation, environment.action_spec()
    assert spaces.observation.shape == tuple(observation.shape)
    assert spaces.observation.dtype == observation.dtype.name
    assert spaces.observation.num_bytes == observation.dtype.size * observation.shape.num_elements()
    assert (spaces.action.shape, spaces.action.dtype) == (tuple(action.shape), action.dtype.name)
    is_discrete = action.dtype.is_integer and not action.shape.rank
    factors = tuple(action.maximum + 1) if action.dtype.is_integer and action.shape.rank else ()
    assert spaces.action.factors == factors
    assert spaces.action.num_actions == (int(action.maximum) + 1 if is_discrete else 0)
    assert spaces.time_limit == environment.time_limit


def test_an_alias_is_the_same_environment():
    assert registry.find("Breakout-MinAtar") is registry.COMPILED["MinAtar/Breakout-v1"]
    assert registry.find("MinAtar-Breakout-v0") is registry.COMPILED["MinAtar/Breakout-v0"]


def test_an_unknown_id_names_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'CartPole-v1'"):
        registry.find("Cartpole-v1")


def test_an_unknown_keyword_names_the_right_ones():
    entry = registry.find("MinAtar/Breakout-v1")
    with pytest.raises(UnknownNameError, match="did you mean 'time_limit'") as error:
        registry.keywords_of(entry, {"time_limits": 3})
    assert "difficulty_ramping, sticky_action_probability, time_limit" in str(error.value)


def test_given_arguments_replace_defaults():
    keywords = registry.keywords_of(registry.find("MinAtar/Breakout-v0"), {"time_limit": 7})
    assert (keywords.time_limit, keywords.sticky_action_probability) == (7, 0.1)
