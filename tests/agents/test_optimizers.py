"""The optimisers of graph mode against the paper and against Keras."""

from dataclasses import dataclass

import numpy as np
import pytest
import tensorflow as tf

from erlctl.agents.optimizers import StepSchedule, make_optimizer
from erlctl.fields import Schedule
from erlctl.options.optimizers import Adam, Optimizer

SHAPES = [(3, 4), (4,), (2, 2, 3)]
OPTIONS = Adam(learning_rate=0.02, beta_1=0.8, beta_2=0.95, epsilon=1e-3)


def gradients(step):
    random = np.random.default_rng(step)
    return [random.normal(size=shape).astype(np.float32) for shape in SHAPES]


def run(optimizer, num_steps, *, before=lambda i: None):
    """Return the weights after `num_steps` of `optimizer`, from zeros, and its variables."""
    weights = [tf.Variable(tf.zeros(shape)) for shape in SHAPES]
    optimizer.build(weights)

    @tf.function(autograph=False)
    def step(grads):
        optimizer.apply_gradients(zip(grads, weights, strict=True))

    for i in range(num_steps):
        before(i)
        step(gradients(i))
    return [w.numpy() for w in weights], [v.numpy() for v in optimizer.variables]


def adam_of_the_paper(num_steps):
    """Kingma and Ba 2015, section 2's order of computation, with its epsilon-hat; float64."""
    options, weights = OPTIONS, [np.zeros(shape) for shape in SHAPES]
    m, v = [np.zeros(s) for s in SHAPES], [np.zeros(s) for s in SHAPES]
    for t in range(1, num_steps + 1):
        rate = options.learning_rate * np.sqrt(1 - options.beta_2**t) / (1 - options.beta_1**t)
        for i, gradient in enumerate(gradients(t - 1)):
            gradient = gradient.astype(np.float64)
            m[i] = options.beta_1 * m[i] + (1 - options.beta_1) * gradient
            v[i] = options.beta_2 * v[i] + (1 - options.beta_2) * gradient**2
            weights[i] -= rate * m[i] / (np.sqrt(v[i]) + options.epsilon)
    return weights


@pytest.mark.parametrize("xla", [False, True])
def test_adam_is_the_papers(xla):
    weights, _ = run(make_optimizer(OPTIONS, OPTIONS.learning_rate, xla=xla), 7)
    for weight, expected in zip(weights, adam_of_the_paper(7), strict=True):
        np.testing.assert_allclose(weight, expected, rtol=2e-5, atol=1e-6)


def test_adam_has_the_same_variables_in_graph_mode_as_in_xla():
    states = [
        run(make_optimizer(OPTIONS, OPTIONS.learning_rate, xla=xla), 7)[1] for xla in (False, True)
    ]
    assert states[0][0] == 7  # steps done
    for one, other in zip(*states, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("xla", [False, True])
def test_adam_follows_a_schedule_over_environment_steps(xla):
    clock = tf.Variable(0, dtype=tf.int64)
    schedule = StepSchedule(Schedule(0.02, 0.0, 100), clock)
    adam = make_optimizer(OPTIONS, schedule, xla=xla)
    there, _ = run(adam, 3, before=lambda i: clock.assign([0, 50, 100][i]))
    constant = [run(make_optimizer(OPTIONS, 0.02, xla=xla), n)[0] for n in (1, 2)]
    # The second step at half the rate, the third at none.
    for weight, one, two in zip(there, *constant, strict=True):
        np.testing.assert_allclose(weight, (one + two) / 2, rtol=1e-5, atol=1e-6)


def test_a_step_waits_for_every_gradient_but_the_first():
    """The backward pass may still read a weight until then, and it would have to be copied."""
    adam = make_optimizer(OPTIONS, 0.02, xla=False)
    weights = [tf.Variable(tf.zeros(shape)) for shape in SHAPES]
    adam.build(weights)

    @tf.function(autograph=False)
    def step(*grads):
        pairs = zip([2.0 * g for g in grads], weights, strict=True)
        adam.apply_gradients(pairs, skip_gradients_aggregation=True)  # as agents do

    graph = step.get_concrete_function(*map(tf.constant, gradients(0))).graph
    steps = [op for op in graph.get_operations() if op.type == "ResourceApplyAdam"]
    assert len(steps) == 3
    doubled = [op.inputs[9].op for op in steps]
    assert {op.type for op in doubled} == {"Mul"}
    for op in steps:
        (barrier,) = [c for c in op.control_inputs if c.type == "NoOp"]
        assert set(barrier.control_inputs) == set(doubled[1:])


@dataclass(frozen=True, kw_only=True)
class TheirSgd(Optimizer):
    """An optimiser that another package brings."""

    def build(self, learning_rate, *, xla):
        assert not xla
        return tf.keras.optimizers.SGD(learning_rate, jit_compile=False)


def test_an_optimiser_of_another_package_builds_itself():
    weights, _ = run(make_optimizer(TheirSgd(), 0.5, xla=False), 1)
    for weight, gradient in zip(weights, gradients(0), strict=True):
        np.testing.assert_allclose(weight, -0.5 * gradient, rtol=1e-6)
