"""What an input of a program can be used for, and that nothing else silently is compiled in."""

import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf

from erlctl.agents.inputs import Input, Inputs, number_of
from erlctl.agents.schedules import schedule_value
from erlctl.algorithms.munchausen_dqn import MunchausenDqn
from erlctl.fields import Schedule
from tests.contract.cases import small_run


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_beside_tensors_it_is_the_number_in_their_type(dtype):
    x, three, tenth = Input(0.1), tf.constant(3.0, dtype), dtype.as_numpy_dtype(0.1)

    @tf.function(autograph=False)
    def all_of_them():
        return (x * three, three * x, x + three, three + x, x - three, three - x, x / three,
                three / x)

    expected = (tenth * 3, 3 * tenth, tenth + 3, 3 + tenth, tenth - 3, 3 - tenth, tenth / 3,
                3 / tenth)
    for found, number in zip(all_of_them(), expected, strict=True):
        assert found.dtype == dtype
        assert found.numpy() == dtype.as_numpy_dtype(number)
    assert tf.convert_to_tensor(x).dtype == tf.float32
    assert tf.convert_to_tensor(x, tf.float64).numpy() == 0.1
    assert (x**2).numpy() == np.float32(0.1) ** 2


@pytest.mark.parametrize("use", [
    lambda x: 1.0 - x, lambda x: x * 2.0, lambda x: 2.0 / x, lambda x: x + x, float, math.log,
    np.float32, lambda x: x > tf.constant(0.5), lambda x: x == "a", bool, tf.constant, range,
])
def test_what_would_be_compiled_in_raises(use):
    with pytest.raises((TypeError, ValueError)):
        use(Input(0.25))


def test_a_number_fits_where_all_comparisons_come_out_alike():
    x = Input(0.25)
    assert (x > 0, x >= 0, x < 1, x <= 1, x == 0, x == 1, x == x, max(x, 0.5)) == (
        True, True, True, True, False, False, True, 0.5)
    x.assign(0.4)
    assert not x.fits(0.75)
    with pytest.raises(TypeError, match="another program"):
        x.assign(0.75)
    y = Input(0.25)
    y.assign(3.0)  # nobody asked


def test_what_is_computed_from_a_run_may_need_another_program():
    """With three actions the target entropy crosses 1 where its scale does not."""
    def run(scale):
        return small_run(MunchausenDqn(temperature=scale))

    inputs = Inputs(run(0.5))
    entropy = inputs.lift(lambda run: run.agent.temperature * math.log(3))
    assert inputs.fits(run(0.95))
    assert entropy < 1
    assert not inputs.fits(run(0.95))
    assert inputs.fits(run(0.6))


def test_a_compiled_function_follows_the_run():
    run = small_run(MunchausenDqn(temperature=0.1, alpha=0.5))
    inputs = Inputs(run)
    backup = inputs.lift(lambda run: run.agent.backup())
    schedule = inputs.lift(lambda run: run.agent.collect_policy.epsilon)
    rate = tf.Variable(0.0)
    inputs.bind(rate, lambda run: 2 * run.optimizer.learning_rate)
    function = tf.function(
        lambda x: (backup.temperature * x, schedule_value(schedule, 50)), jit_compile=True)
    inputs.apply(run)
    assert [float(y) for y in function(tf.constant(1.0))] == pytest.approx(
        [0.1, run.agent.collect_policy.epsilon.value(50)])
    assert rate.numpy() == np.float32(2e-3)
    policy = dataclasses.replace(run.agent.collect_policy, epsilon=Schedule(1.0, 0.5, 100))
    other = dataclasses.replace(
        run, agent=dataclasses.replace(run.agent, temperature=0.2, collect_policy=policy),
        optimizer=dataclasses.replace(run.optimizer, learning_rate=0.5))
    inputs.apply(other)
    assert [float(y) for y in function(tf.constant(1.0))] == pytest.approx([0.2, 0.75])
    assert function.experimental_get_tracing_count() == 1
    assert (rate.numpy(), number_of(backup.gap_scale), inputs.run) == (1.0, 0.5, other)
    assert schedule.changed(number_of) == policy.epsilon
