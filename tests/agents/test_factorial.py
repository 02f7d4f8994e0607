"""Actions of several factors: the joint problem's answer where there is one, targets, policies."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.specs import tensor_spec
from tf_agents.trajectories import time_step as ts

from erlctl import registry
from erlctl.agents.policies import Clock
from erlctl.fields import Schedule
from erlctl.networks.layers import Factors
from erlctl.options import policies as sections
from erlctl.options.optimizers import Sgd
from erlctl.training import seeding
from tests.agents.build import make_agent, one_hot, set_table, transition
from tests.oracles import backups, operators, tabular

GAMMA, T = 0.9, 0.3
SIZES = (3, 2)


def declare(**fields):
    return registry.get("algorithm", "factorial_dpp")(
        gamma=GAMMA, loss="squared", temperature=T, **fields
    )


def agent_of(algorithm, sizes=SIZES, **kwargs):
    action = tensor_spec.BoundedTensorSpec(
        (len(sizes),), tf.int32, 0, np.array(sizes, np.int32) - 1, name="action"
    )
    return make_agent(algorithm, action=action, **kwargs)


@pytest.mark.parametrize("form", ["preference", "bounded"])
@pytest.mark.parametrize("operator", ["logsumexp", "boltzmann"])
def test_each_factor_regresses_on_dpps_target_with_the_shared_reward(form, operator):
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((12, 5))  # three and two preferences
    batch = {"r_tp1": rng.standard_normal(6), "discount_tp1": np.array([1, 1, 0, 1, 0, 1.0])}
    actions = np.stack([rng.integers(size, size=6) for size in SIZES], axis=1)
    agent = agent_of(declare(form=form, operator=operator, log_policy_clip=-0.5), num_states=12)
    set_table(agent._target_q_network, rows)
    experience = transition(one_hot(np.arange(6), 12), actions, *batch.values(),
                            one_hot(np.arange(6, 12), 12))
    info = agent.train(experience)  # the online network is 0
    low = None if form == "preference" else -0.5
    high = 0.0 if low and operator == "logsumexp" else None
    for m, part in enumerate((slice(0, 3), slice(3, 5))):
        expected = backups.regularised(
            rows[:6, part], actions[:, m], batch["r_tp1"], GAMMA * batch["discount_tp1"],
            rows[6:, part], operator=operator, t=T, alpha=1.0, low=low, high=high,
        )
        actual = info.extra["loss"].extra.td_error[:, m]
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)
    errors = info.extra["loss"].extra.td_error
    np.testing.assert_allclose(info.loss, np.mean(np.square(errors)), rtol=1e-5)


def test_rows_of_different_lengths_are_padded():
    row = tf.constant([[1.0, 2, 3, 4, 5]])
    np.testing.assert_array_equal(Factors((3, 2))(row), [[[1, 2, 3], [4, 5, 0]]])
    np.testing.assert_array_equal(Factors((2, 2))(row[:, :4]), [[[1, 2], [3, 4]]])


def test_independent_problems_have_the_policies_of_joint_dpp():
    """Two chains side by side, r = r1 + r2: tabular DPP on 4 x 6 joint pairs, exactly."""
    rng = np.random.default_rng(1)
    num = (2, 2)  # states of each
    r = [rng.random((n, a)) for n, a in zip(num, SIZES, strict=True)]
    after = [rng.integers(n, size=(n, a)) for n, a in zip(num, SIZES, strict=True)]
    states = list(itertools.product(*map(range, num)))
    joint = list(itertools.product(*map(range, SIZES)))
    reward, P = np.zeros((4, 6)), np.zeros((4, 6, 4))
    sweep = []
    for (i, s), (j, a) in itertools.product(enumerate(states), enumerate(joint)):
        reward[i, j] = sum(r[m][s[m], a[m]] for m in (0, 1))
        k = states.index(tuple(after[m][s[m], a[m]] for m in (0, 1)))
        P[i, j, k] = 1.0
        sweep.append((i, a, reward[i, j], k))
    s_t, a_t, rewards, s_tp1 = (np.array(column) for column in zip(*sweep, strict=True))
    # Of the 48 squared errors 6 / A are of one entry of a factor of A values: one step of length 8
    # fits that of two values exactly and leaves a third of the other's distance, 20 leave nothing.
    agent = agent_of(declare(form="preference"), num_states=4, optimizer=Sgd(learning_rate=8.0),
                     target_update_every=20)
    experience = transition(one_hot(s_t, 4), a_t, rewards, np.ones(24), one_hot(s_tp1, 4))
    psi = np.zeros((4, 6))
    for _ in range(8):
        psi = tabular.gap_increasing_vi(P, reward, GAMMA, psi, alpha=1.0, t=T, operator="logsumexp")
        for _ in range(20):
            agent.train(experience)
        rows, mask = agent.preferences(tf.eye(4))
        first, second = (
            tf.nn.softmax(rows[:, m, :size] / T).numpy() for m, size in enumerate(SIZES)
        )
        product = (first[:, :, np.newaxis] * second[:, np.newaxis]).reshape(4, 6)
        np.testing.assert_allclose(product, tabular.softmax(psi, T), atol=1e-4)
    assert product.max() > 0.9
    np.testing.assert_array_equal(mask[0], [[True, True, True], [True, True, False]])


DRAWS = 20_000


@pytest.mark.parametrize("sizes", [(3, 2), (2, 2)])
def test_factors_are_drawn_independently_and_never_beyond_their_size(sizes):
    agent = agent_of(declare(), sizes, num_states=1)
    row = np.arange(sum(sizes), dtype=float)[np.newaxis] / 5
    set_table(agent._q_network, row)
    generator = seeding.make_generator()
    seeding.reseed(generator, 0, seeding.Stream.POLICY)
    clock = Clock(tf.Variable(0, dtype=tf.int64), generator)
    section = sections.EpsilonBoltzmann(epsilon=Schedule.constant(0.2))
    policy = agent.acting_policy(section, clock)
    step = ts.restart(tf.ones((DRAWS, 1)), DRAWS)
    actions = policy.action(step).action.numpy()
    factors = [
        0.8 * operators.softmax(part, T) + 0.2 / len(part)
        for part in np.split(row[0], [sizes[0]])
    ]
    expected = np.outer(*factors)
    counts = np.zeros(sizes)
    np.add.at(counts, tuple(actions.T), 1)
    deviation = np.sqrt(DRAWS * expected * (1 - expected))
    assert (np.abs(counts - DRAWS * expected) <= 5 * deviation).all()
    for m, size in enumerate(sizes):
        probs = policy.distribution(step).action.probs_parameter()[0, m, :size]
        np.testing.assert_allclose(probs, factors[m], atol=1e-6)
    greedy = agent.acting_policy(sections.Greedy(), None).action(step).action
    np.testing.assert_array_equal(greedy[0], np.array(sizes) - 1)


def test_a_factor_more_costs_as_many_outputs_as_it_has_values():
    sizes = [sum(w.shape.num_elements() for w in
                 agent_of(declare(), (3,) * n)._q_network.trainable_weights)
             for n in (2, 4, 8)]
    assert sizes == [8 * 3 * n for n in (2, 4, 8)]
