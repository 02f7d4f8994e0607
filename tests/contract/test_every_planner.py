"""What every registered planner promises as a run; a new one is covered without test code."""

import numpy as np
import pytest

from erlctl import registry
from erlctl.options.errors import SampledStates
from erlctl.options.policies import Boltzmann, Greedy
from erlctl.runs import catalogue, checkpoints
from erlctl.runs.layout import RunPaths
from erlctl.spec.schema import EnvironmentSection, EvaluationSection, RunSpec
from erlctl.training.factory import make_program
from tests.training.seeded import seeded

PLANNERS = {
    name: cls for name, cls in registry.all_of("algorithm").items() if cls.base == "planner"
}
GARNET = {"num_states": 6, "num_actions": 3, "branching": 2}


def make(name, *, seed=0, policy=None):
    return make_program(RunSpec(
        name="contract", variant="small", seed=seed, agent=PLANNERS[name](errors=SampledStates()),
        environment=EnvironmentSection(id="Garnet", kwargs=GARNET),
        evaluation=EvaluationSection(episodes=3, policy=policy or Greedy()),
    ))


def values(program):
    return {name: value.copy() for name, value in program.state().items()}


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


@pytest.mark.parametrize("name", PLANNERS)
def test_a_checkpoint_goes_on_bit_exactly_wherever_chunks_are_cut(name, tmp_path):
    whole, first, second = make(name), make(name), make(name)
    whole.advance(60)
    first.advance(7)
    first.advance(16)
    paths = RunPaths(tmp_path)
    checkpoints.save(first.state(), paths, step=23, fingerprint="a" * 64,
                     state_format=checkpoints.format_of(first.state()))
    folder, manifest = catalogue.newest_good(paths, "a" * 64, pytest.fail)
    second.advance(40)  # has done something else
    checkpoints.restore(folder, manifest, second.state())
    assert second.step == 23
    np.testing.assert_array_equal(second.evaluate(5)[0], first.evaluate(5)[0])
    second.advance(1)
    second.advance(36)
    assert_same(values(whole), values(second))
    assert whole.interval_metrics() == second.interval_metrics()


@pytest.mark.parametrize("name", PLANNERS)
def test_rows_hold_the_columns_and_looking_changes_nothing(name):
    policy = Boltzmann() if PLANNERS[name]().policy_temperature else Greedy()
    program = make(name, policy=policy)
    program.advance(30)
    before = values(program)
    program.take_diagnostics()
    figures = program.interval_metrics()
    assert set(program.metric_names) - set(figures) <= {"bound"}
    assert set(figures) <= set(program.metric_names)
    # KL to a greedy policy that had chosen another action is infinite.
    assert all(np.isfinite(value) for key, value in figures.items() if key != "kl")
    assert figures["suboptimality_sup"] <= figures.get("bound", np.inf)
    returns, lengths = program.evaluate(4)
    np.testing.assert_array_equal(program.evaluate(4)[0], returns)
    assert returns.shape == lengths.shape == (4,)
    assert (program.evaluate(4, seed=1)[0] != returns).any()
    assert_same(before, values(program))


@pytest.mark.parametrize("name", PLANNERS)
def test_another_seed_has_other_errors_and_a_start_forgets(name):
    program = make(name)
    program.advance(20)
    of_zero = values(program)
    program.start(seeded(program.run, 1))
    program.advance(20)
    assert (program.state()["agent/q"] != of_zero["agent/q"]).any()
    program.start(seeded(program.run, 0))
    program.advance(20)
    assert_same(of_zero, values(program))


@pytest.mark.parametrize("name", PLANNERS)
def test_the_exported_table_is_the_evaluation_policy(name, tmp_path):
    program = make(name)
    program.advance(50)
    program.export_policy(str(tmp_path))
    with np.load(tmp_path / "policy.npz") as saved:
        np.testing.assert_allclose(saved["policy"].sum(-1), 1.0)
        best = saved["preferences"] == saved["preferences"].max(-1, keepdims=True)
        np.testing.assert_array_equal(saved["policy"] > 0, best)


@pytest.mark.parametrize("name", PLANNERS)
def test_it_names_a_registered_agent_that_does_the_same(name):
    deep = registry.get("algorithm", PLANNERS[name].deep)
    assert deep.base != "planner"
