"""Behaviour policies: frequencies against exact probabilities, masks, schedules, streams."""

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.specs import tensor_spec
from tf_agents.trajectories import time_step as ts

from erlctl.agents.gaussian_policy import SquashedGaussianPolicy
from erlctl.agents.policies import Clock, PreferencePolicy, preference_policy
from erlctl.fields import Schedule
from erlctl.options import policies as sections
from erlctl.training import seeding
from tests.oracles import operators

DRAWS = 40_000
ROW = np.array([1.0, 2.0, 0.5, 1.5], np.float32)
MASK = np.array([True, False, True, True])
ACTION = tensor_spec.BoundedTensorSpec((), tf.int32, 0, 3, name="action")
SPEC = ts.time_step_spec(tf.TensorSpec([1], tf.float32))


class Ranked:
    """The part of an agent that policies read: the same preferences everywhere."""

    time_step_spec, action_spec = SPEC, ACTION

    def __init__(self, mask=None):
        self.mask = mask
        self.module = tf.Module()
        self.module.variables_ = [tf.Variable(1.0)]

    def preferences(self, observation):
        size = tf.shape(observation)[0]
        mask = None if self.mask is None else tf.tile(tf.constant(self.mask)[None], [size, 1])
        return tf.tile(tf.constant(ROW)[None], [size, 1]), mask


def make(section, *, mask=None, step=0, seed=0, own=0.7, random_steps=0):
    generator = seeding.make_generator()
    seeding.reseed(generator, seed, seeding.Stream.POLICY)
    clock = Clock(tf.Variable(step, dtype=tf.int64), generator)
    agent = Ranked(mask)
    return preference_policy(
        agent, agent.module, section, clock, own_temperature=Schedule.constant(own),
        random_steps=random_steps,
    )


def actions(policy, size=DRAWS):
    return policy.action(ts.restart(tf.zeros((size, 1)), size)).action.numpy()


def assert_drawn(policy, expected):
    counts = np.bincount(actions(policy), minlength=4)
    deviation = np.sqrt(DRAWS * expected * (1 - expected))
    assert (np.abs(counts - DRAWS * expected) <= 5 * deviation).all(), counts / DRAWS


def assert_frequencies(policy, expected):
    """Each frequency lies within five standard deviations; impossible actions never happen."""
    assert_drawn(policy, expected)
    distribution = policy.distribution(ts.restart(tf.zeros((1, 1)), 1)).action
    np.testing.assert_allclose(distribution.probs_parameter()[0], expected, atol=1e-6)


def greedy(mask=None):
    return np.eye(4)[np.argmax(np.where(MASK, ROW, -9.0) if mask is not None else ROW)]


def uniform(mask=None):
    legal = np.ones(4) if mask is None else mask.astype(float)
    return legal / legal.sum()


def boltzmann(t, mask=None):
    if mask is None:
        return operators.softmax(ROW, t)
    found = np.zeros(4)
    found[mask] = operators.softmax(ROW[mask], t)
    return found


@pytest.mark.parametrize("mask", [None, MASK], ids=["all legal", "masked"])
class TestFrequencies:
    def test_greedy(self, mask):
        assert_drawn(make(sections.Greedy(), mask=mask), greedy(mask))

    @pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
    def test_epsilon_greedy(self, mask, epsilon):
        section = sections.EpsilonGreedy(epsilon=Schedule.constant(epsilon))
        expected = (1 - epsilon) * greedy(mask) + epsilon * uniform(mask)
        assert_frequencies(make(section, mask=mask), expected)

    @pytest.mark.parametrize("temperature", [0.2, 1.0, 10.0])
    def test_boltzmann(self, mask, temperature):
        section = sections.Boltzmann(temperature=Schedule.constant(temperature))
        assert_frequencies(make(section, mask=mask), boltzmann(temperature, mask))

    def test_boltzmann_at_the_algorithms_own_temperature(self, mask):
        assert_frequencies(make(sections.Boltzmann(), mask=mask, own=0.4), boltzmann(0.4, mask))

    def test_epsilon_boltzmann(self, mask):
        section = sections.EpsilonBoltzmann(epsilon=Schedule.constant(0.25))
        expected = 0.75 * boltzmann(0.7, mask) + 0.25 * uniform(mask)
        assert_frequencies(make(section, mask=mask), expected)

    @pytest.mark.parametrize("temperature", [0.2, 1.0, 10.0])
    def test_sparsemax(self, mask, temperature):
        section = sections.Sparsemax(temperature=Schedule.constant(temperature))
        expected = np.zeros(4)
        legal = np.ones(4, bool) if mask is None else mask
        expected[legal] = operators.sparse_policy(ROW[legal], temperature)
        assert_frequencies(make(section, mask=mask), expected)
        mixed = sections.EpsilonSparsemax(epsilon=Schedule.constant(0.25))
        policy = make(mixed, mask=mask, own=temperature)
        assert_frequencies(policy, 0.75 * expected + 0.25 * uniform(mask))

    def test_random_steps(self, mask):
        section = sections.EpsilonGreedy(epsilon=Schedule.constant(0.0))
        policy = make(section, mask=mask, step=9, random_steps=10)
        assert_frequencies(policy, uniform(mask))
        policy._clock.step.assign(10)
        assert_frequencies(policy, greedy(mask))


@pytest.mark.parametrize("step", [0, 500, 1000, 5000])
def test_schedules_are_functions_of_the_environment_step(step):
    section = sections.EpsilonBoltzmann(
        epsilon=Schedule(1.0, 0.2, 1000), temperature=Schedule(2.0, 0.5, 1000)
    )
    policy = make(section, step=step)
    fraction = min(step / 1000, 1.0)
    epsilon, temperature = 1.0 - 0.8 * fraction, 2.0 - 1.5 * fraction
    assert policy.figures(step) == pytest.approx({"epsilon": epsilon, "temperature": temperature})
    expected = (1 - epsilon) * boltzmann(temperature) + epsilon * uniform()
    assert_frequencies(policy, expected)


def test_figures_of_random_steps_say_so():
    policy = make(sections.EpsilonGreedy(epsilon=Schedule.constant(0.1)), random_steps=10)
    assert policy.figures(9) == {"epsilon": 1.0}
    assert policy.figures(10) == {"epsilon": 0.1}
    assert make(sections.Greedy()).figures(0) == {}


def test_actions_follow_from_the_clocks_generator_alone():
    section = sections.EpsilonGreedy(epsilon=Schedule.constant(0.5))
    tf.random.set_seed(1)
    first = actions(make(section, seed=3), 200)
    tf.random.set_seed(2)
    tf.random.uniform((10,))
    np.testing.assert_array_equal(first, actions(make(section, seed=3), 200))
    assert (first != actions(make(section, seed=4), 200)).any()


def test_consecutive_calls_draw_different_numbers():
    policy = make(sections.EpsilonGreedy(epsilon=Schedule.constant(1.0)))
    assert (actions(policy, 200) != actions(policy, 200)).any()


def test_a_greedy_policy_draws_nothing_and_prefers_the_first_of_ties():
    policy = PreferencePolicy(
        SPEC, ACTION, lambda o: (tf.ones((tf.shape(o)[0], 4)), None), tf.Module(), None
    )
    np.testing.assert_array_equal(actions(policy, 5), 0)


def gaussian(step=0, samples=True, epsilon=None, random_steps=0):
    generator = seeding.make_generator()
    seeding.reseed(generator, 0, seeding.Stream.POLICY)
    action = tensor_spec.BoundedTensorSpec((1,), tf.float32, -2.0, 4.0, name="action")
    return SquashedGaussianPolicy(
        SPEC, action,
        lambda o: (tf.fill((tf.shape(o)[0], 1), 0.3), tf.fill((tf.shape(o)[0], 1), 0.5)),
        tf.Module(), Clock(tf.Variable(step, dtype=tf.int64), generator), samples=samples,
        epsilon=epsilon, random_steps=random_steps,
    )


def normal_cdf(x):
    from scipy import stats

    return stats.norm.cdf(x, 0.3, 0.5)


def test_squashed_gaussian_draws_follow_their_distribution():
    from scipy import stats

    unit = (actions(gaussian())[:, 0] - 1.0) / 3.0
    assert stats.kstest(np.arctanh(unit.astype(float)), normal_cdf).pvalue > 1e-4


def test_random_continuous_actions_are_uniform_in_the_box():
    from scipy import stats

    for policy in (gaussian(random_steps=5), gaussian(epsilon=Schedule.constant(1.0))):
        assert stats.kstest(actions(policy)[:, 0], stats.uniform(-2, 6).cdf).pvalue > 1e-4


def test_the_mean_action_is_the_squashed_mean():
    np.testing.assert_allclose(
        actions(gaussian(samples=False), 3), 1.0 + 3.0 * np.tanh(0.3), rtol=1e-6
    )
