import inspect
import subprocess
import sys

import pytest

from erlctl.environments import registry
from erlctl.errors import UnknownNameError


def test_listing_needs_no_tensorflow():
    code = "import sys; from erlctl.environments import registry; registry.find('CartPole-v1'); "
    code += "sys.exit('tensorflow' in sys.modules or 'gym' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", registry.COMPILED)
def test_an_entry_says_what_its_class_accepts_and_does(name):
    import tensorflow as tf

    entry = registry.COMPILED[name]
    environment = registry.make(name, 1, tf.random.Generator.from_seed(0, alg="philox"))
    assert environment.time_limit == entry.time_limit
    maker = getattr(sys.modules[entry.module], entry.class_name)
    if entry.class_name != "build":
        accepted = set(inspect.signature(maker).parameters) - {"num_envs", "generator"}
        assert {*entry.keywords, *entry.fixed} == accepted
    if "discrete" in entry.action and entry.action.split()[1].rstrip(":").isdigit():
        assert int(environment.action_spec().maximum) + 1 == int(
            entry.action.split()[1].rstrip(":"))
    for keyword in entry.keywords.values():
        assert keyword.doc


def test_an_alias_is_the_same_environment():
    assert registry.find("Breakout-MinAtar") is registry.COMPILED["MinAtar/Breakout-v1"]
    assert registry.find("MinAtar-Breakout-v0") is registry.COMPILED["MinAtar/Breakout-v0"]


def test_an_unknown_id_names_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'CartPole-v1'"):
        registry.find("Cartpole-v1")


def test_an_unknown_keyword_names_the_right_ones():
    entry = registry.find("MinAtar/Breakout-v1")
    with pytest.raises(registry.UnknownKeywordError) as error:
        registry.keyword_arguments(entry, {"sticky": 0.1})
    assert "difficulty_ramping, sticky_action_probability, time_limit" in str(error.value)
    with pytest.raises(registry.UnknownKeywordError, match="write 'time_limit' instead"):
        registry.keyword_arguments(entry, {"time_limits": 3})


def test_given_arguments_replace_defaults_but_not_what_the_id_decides():
    entry = registry.find("MinAtar/Breakout-v0")
    arguments = registry.keyword_arguments(entry, {"time_limit": 7})
    assert arguments["time_limit"] == 7
    assert arguments["sticky_action_probability"] == 0.1
    assert arguments["minimal_action_set"] is False
