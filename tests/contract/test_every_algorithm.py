"""What every registered algorithm promises; a new one is covered without test code of its own.

Each is built and compiled by XLA once; the tests of one algorithm share that program.
"""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.trajectories import time_step as ts

from erlctl import registry
from erlctl.training.factory import make_program
from erlctl.training.program import CompiledProgram
from tests.agents.cases import EVERY_ALGORITHM
from tests.contract.cases import small_run
from tests.training.seeded import seeded

STEPS = 200
# Besides the losses; those that only some algorithms have are below.
DIAGNOSTICS = {"q_mean", "preference_max", "entropy", "clipped_fraction", "gradient_norm"}
OF_BASE = {
    "regularised_dqn": {"loss", "action_gap", "kl_to_target"},
    "kernel": {"loss", "action_gap", "kl_to_target"},
    "factorial": {"loss", "action_gap", "kl_to_target"},
    "quantile": {"loss", "action_gap", "kl_to_target"},
    "companion": {"loss", "companion_loss", "action_gap", "kl_to_target"},
    "actor_critic_discrete": {
        "loss", "actor_loss", "action_gap", "kl_to_target", "temperature",
    },
    "sac": {"loss", "actor_loss", "temperature_loss", "temperature"},
}


@dataclasses.dataclass
class Trained:
    """A program after `STEPS` steps from seed 0, and its state then."""

    program: CompiledProgram
    chunk: object
    state: dict


def values(program):
    return {name: variable.numpy() for name, variable in program.state().items()}


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


@pytest.fixture(scope="module", params=EVERY_ALGORITHM)
def trained(request):
    program = make_program(small_run(EVERY_ALGORITHM[request.param]))
    chunk = program.advance(STEPS)
    return Trained(program, chunk, values(program))


def restore(program, state):
    for name, variable in program.state().items():
        variable.assign(state[name])


@pytest.fixture
def program(trained):
    """Return the program put back to `STEPS`, so that tests may run in any order."""
    restore(trained.program, trained.state)
    return trained.program


def test_it_compiles_with_xla_and_its_updates_are_finite(trained):
    assert trained.program.run.training.compile == "xla"
    assert trained.chunk.step == STEPS
    assert trained.chunk.updates == STEPS - 20
    assert trained.chunk.diverged_at is None
    for name, value in trained.state.items():
        if value.dtype.kind == "f":
            assert np.isfinite(value).all(), name


def test_learning_moves_every_trained_network(trained, program):
    program.start(program.run)
    fresh = values(program)
    groups = {name.rsplit("/", 1)[0] for name in fresh if name.startswith("agent/")}
    networks = {
        group for group in groups
        if "optimizer" not in group and any(
            fresh[name].ndim == 2 for name in fresh if name.startswith(group + "/")
        )
    }
    assert len(networks) >= 2
    for group in networks:
        names = [name for name in fresh if name.startswith(group + "/")]
        assert any((fresh[n] != trained.state[n]).any() for n in names), group


def test_a_saved_state_goes_on_bit_exactly(program, trained):
    """Into a program that has done another run since, with other weights and another clock."""
    program.advance(60)
    expected = values(program)
    program.start(seeded(program.run, 5))
    program.advance(40)
    restore(program, trained.state)
    program.advance(60)
    assert_same(expected, values(program))


def test_metrics_hold_the_documented_diagnostics(program):
    program.take_diagnostics()
    figures = program.interval_metrics()
    expected = DIAGNOSTICS | OF_BASE[program.run.agent.base]
    assert expected <= set(figures)
    agent = program.agent
    assert expected == {*agent.loss_names, *agent.diagnostic_names}
    assert set(program.diagnose()) == set(agent.diagnostic_names)
    assert {"episodes", "return_mean", "return_std", "length_mean"} <= set(figures)
    assert all(isinstance(x, (int, float)) and np.isfinite(x) for x in figures.values())
    assert figures["entropy"] >= -1e-6 or program.run.agent.action_kind == "continuous"
    assert 0 <= figures["clipped_fraction"] <= 1
    assert figures["gradient_norm"] > 0


def test_looking_does_not_change_what_is_learned(program, trained):
    """Metrics and evaluations leave the training state alone but for their own accumulators."""
    program.interval_metrics()
    returns, lengths = program.evaluate(3)
    assert returns.shape == lengths.shape == (3,)
    assert np.isfinite(returns).all()
    own = {
        "counters/loss_sums", "counters/loss_count", "counters/episodes", "generators/diagnostics",
    }
    now = values(program)
    for name in set(now) - own:
        np.testing.assert_array_equal(now[name], trained.state[name], err_msg=name)
    np.testing.assert_array_equal(program.evaluate(3)[0], returns)


def test_the_exported_policy_acts_like_the_greedy_one(program, tmp_path):
    rng = np.random.default_rng(1)  # weights under which not all observations look alike
    for name in sorted(program.weights_names):
        weight = program.state()[name]
        if weight.dtype.is_floating:
            weight.assign(rng.standard_normal(weight.shape) * (weight.shape.rank > 1))
    program.export_policy(str(tmp_path / "policy"))
    loaded = tf.saved_model.load(str(tmp_path / "policy"))
    spec = program.agent.time_step_spec.observation
    observation = tf.constant(
        np.random.default_rng(0).standard_normal((256, *spec.shape)), tf.float32
    )
    step = ts.restart(observation, 256)
    policy = program.agent.acting_policy(program.run.evaluation.policy, None, random_steps=0)
    expected = policy.action(step).action
    np.testing.assert_array_equal(loaded.action(step).action, expected)
    assert len(np.unique(expected)) > 1


@pytest.mark.parametrize("name", registry.all_of("algorithm"))
def test_it_is_documented(name):
    cls = registry.get("algorithm", name)
    assert cls.summary
    assert cls.equation
    assert cls.source
    assert cls.__doc__
    for field in dataclasses.fields(cls):
        assert field.metadata["doc"], field.name


@pytest.mark.slow
@pytest.mark.parametrize("label", EVERY_ALGORITHM)
def test_a_saved_state_goes_on_bit_exactly_in_another_program(label):
    """As after a crash: nothing but the named variables is carried over."""
    first = make_program(small_run(EVERY_ALGORITHM[label]))
    first.advance(150)
    saved = values(first)
    first.advance(100)
    second = make_program(small_run(EVERY_ALGORITHM[label], seed=9))
    restore(second, saved)
    second.advance(100)
    assert_same(values(first), values(second))


@pytest.mark.slow
@pytest.mark.parametrize("label", EVERY_ALGORITHM)
def test_it_runs_in_graph_mode_on_several_environments(label):
    program = make_program(small_run(EVERY_ALGORITHM[label], mode="graph", num_envs=4))
    chunk = program.advance(STEPS)
    assert not program._learner.is_xla
    assert (chunk.step, chunk.diverged_at) == (STEPS, None)
    assert chunk.updates > 0
