"""A program that is given another run's numbers computes what that run's own program does."""

import dataclasses

import numpy as np
import pytest

from erlctl import spec
from erlctl.fields import Schedule, change_numbers
from erlctl.options.policies import EpsilonBoltzmann, EpsilonGreedy
from erlctl.training.factory import make_program
from tests.agents.cases import EVERY_ALGORITHM
from tests.contract.cases import small_run

# One of each class of agents is quick enough for every day.
QUICK = ("munchausen_dqn", "cvi", "munchausen_iqn", "dual_averaging_vi", "munchausen_ac",
         "munchausen_sac", "factorial_dpp", "kernel_dpp")
STEPS = 150


def nudged(number):
    """Return another number of the same kind."""
    if number in (0, 1):
        return number
    return number * (0.8 if 0 < number < 1 else 1.25 if number != 10_000 else 0.002)


def first_run(algorithm):
    """Return a run in which whatever may be a number is one, and schedules move."""
    moving = Schedule(0.9, 0.1, 200)
    policy = EpsilonBoltzmann(epsilon=moving, temperature=Schedule(0.5, 0.2, 100))
    fields = {"collect_policy": policy, "gradient_clip_norm": 5.0, "companion_learning_rate": 2e-3,
              "actor_learning_rate": 3e-3, "n_step": 1, "kl_coefficient": None}
    known = {field.name for field in dataclasses.fields(algorithm)}
    if algorithm.registered_name == "cvi":
        fields |= {"kl_coefficient": 0.3, "entropy_coefficient": 0.1}
    given = {name: value for name, value in fields.items() if name in known and value is not None}
    run = small_run(dataclasses.replace(algorithm, **given), mode="graph", steps=600)
    evaluation = dataclasses.replace(
        run.evaluation, policy=EpsilonGreedy(epsilon=Schedule(0.3, 0.1, 300)))
    optimizer = dataclasses.replace(run.optimizer, final_learning_rate=1e-4)
    return dataclasses.replace(run, evaluation=evaluation, optimizer=optimizer)


def other_run(run):
    """Return `run` with another seed, length and numbers of all kinds."""
    optimizer = dataclasses.replace(
        run.optimizer, learning_rate=2e-3,
        final_learning_rate=run.optimizer.final_learning_rate and 5e-4)
    return dataclasses.replace(
        run, seed=7, agent=change_numbers(run.agent, nudged), optimizer=optimizer,
        evaluation=change_numbers(run.evaluation, nudged),
        training=dataclasses.replace(run.training, steps=900),
    )


def trained(program):
    """Return everything that `STEPS` steps leave behind."""
    program.advance(STEPS - 1)
    program.take_diagnostics()
    program.advance(1)
    state = {name: np.array(value) for name, value in program.state().items()}
    return state, program.interval_metrics(), program.evaluate(3)


def assert_same(left, right):
    assert left[0].keys() == right[0].keys()
    for name, value in left[0].items():
        np.testing.assert_array_equal(value, right[0][name], err_msg=name)
    assert left[1] == right[1]
    np.testing.assert_array_equal(left[2], right[2])


def check(run, other):
    assert spec.program_key(run) == spec.program_key(other)
    program, fresh = make_program(run), make_program(other)
    first = trained(program)
    program.start(other)
    second = trained(program)
    assert_same(second, trained(fresh))
    assert program.run.agent == other.agent
    weights = [name for name in first[0] if name.startswith("agent/weights/")]
    assert any((first[0][name] != second[0][name]).any() for name in weights)
    program.start(run)  # nothing of the other stays
    assert_same(first, trained(program))


@pytest.mark.parametrize(
    "label",
    [pytest.param(label, marks=() if label in QUICK else pytest.mark.slow)
     for label in EVERY_ALGORITHM])
def test_a_program_takes_every_number_of_another_run(label):
    run = first_run(EVERY_ALGORITHM[label])
    check(run, other_run(run))


def test_nothing_of_an_algorithm_is_forgotten():
    """The nudge reaches every float of every algorithm."""
    for algorithm in EVERY_ALGORITHM.values():
        run = first_run(algorithm)
        changed = other_run(run).agent
        for field in dataclasses.fields(algorithm):
            value = getattr(run.agent, field.name)
            if isinstance(value, float) and value not in (0.0, 1.0):
                assert getattr(changed, field.name) != value, field.name
