"""The agent that solves: tabular DPP on one-hot features, the fit of a batch, its dictionary."""

import numpy as np
import pytest
import tensorflow as tf

from erlctl import registry
from erlctl.agents.kernel import ridge_weights
from erlctl.options.networks import Features
from tests.agents.build import make_agent, one_hot, transition
from tests.oracles import backups, kernel, tabular

GAMMA, T = 0.9, 0.2


def declare(**fields):
    return registry.get("algorithm", "kernel_dpp")(gamma=GAMMA, temperature=T, **fields)


def garnet(num_states=8, num_actions=3, successors=2):
    """P with equally likely successors, r, and the sweep over all of them; one pair is terminal."""
    rng = np.random.default_rng(0)
    P, r = np.zeros((num_states, num_actions, num_states)), rng.random((num_states, num_actions))
    rows = []
    for s in range(num_states):
        for a in range(num_actions):
            found = rng.choice(num_states, successors, replace=False)
            is_terminal = (s, a) == (2, 1)
            P[s, a, found] = 0.0 if is_terminal else 1 / successors
            rows += [(s, a, r[s, a], float(not is_terminal), k) for k in found]
    s, a, reward, discount, after = (np.array(column) for column in zip(*rows, strict=True))
    r = r.astype(np.float32).astype(float)  # as a replay holds rewards
    return P, r, transition(one_hot(s, num_states), a, reward, discount,
                            one_hot(after, num_states))


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize(("form", "operator"), [
    ("preference", "logsumexp"), ("preference", "boltzmann"), ("bounded", "logsumexp"),
])
def test_one_hot_features_and_no_ridge_are_tabular_dpp_iterate_by_iterate(form, operator, xla):
    P, r, sweep = garnet()
    agent = make_agent(declare(form=form, operator=operator, ridge=0.0, log_policy_clip=-0.5))
    update = tf.function(agent.train, jit_compile=xla, autograph=False)
    psi = np.zeros_like(r)
    for _ in range(60):
        update(sweep)
        if form == "bounded":
            psi = tabular.munchausen_vi(P, r, GAMMA, psi, alpha=1.0, t=T, floor=-0.5)
        else:
            psi = tabular.gap_increasing_vi(P, r, GAMMA, psi, alpha=1.0, t=T, operator=operator)
        actual = agent._q_network.trainable_weights[0].numpy()
        np.testing.assert_allclose(actual, psi, rtol=1e-12, atol=1e-12)
    if form == "preference":
        assert psi.min() < -20
    else:
        assert (tabular.scaled_log_policy(psi, T) < -0.5).any()


def random_batch(num_rows=200, num_features=7, num_actions=3):
    rng = np.random.default_rng(1)
    features = rng.standard_normal((num_rows, num_features))
    return features, rng.integers(num_actions, size=num_rows), rng.standard_normal(num_rows)


@pytest.mark.parametrize("ridge", [1e-6, 0.3, 20.0])
def test_weights_are_those_of_ridge_regression(ridge):
    features, actions, y = random_batch()
    solve = tf.function(ridge_weights, jit_compile=True, autograph=False)
    actual = solve(tf.constant(features), tf.constant(actions), tf.constant(y), 3, ridge)
    np.testing.assert_allclose(actual, kernel.ridge(features, actions, y, 3, ridge), rtol=1e-9)


def test_what_no_transition_has_gets_no_weight_without_ridge_too():
    features, actions, y = random_batch()
    features[:, 4] = 0.0
    weights = ridge_weights(*map(tf.constant, (features, actions, y)), 5, 0.0).numpy()
    assert not weights[4].any()
    assert not weights[:, 3:].any()
    assert np.isfinite(weights).all()


def observed(rng, count=64):
    x = rng.standard_normal((count, 4)).astype(np.float32)
    after = rng.standard_normal((count, 4)).astype(np.float32)
    return x, rng.integers(3, size=count), rng.random(count), np.ones(count), after


@pytest.mark.parametrize("name", ["fourier", "ald"])
def test_an_update_fits_dpps_target_of_the_network_before_it(name):
    network = Features(features=name, count=20, novelty=0.3)
    observation = tf.TensorSpec([4], tf.float32)
    agent = make_agent(declare(), network=network, observation=observation)
    rng = np.random.default_rng(2)
    agent.train(transition(*observed(rng)))
    batch = observed(rng)
    info = agent.train(transition(*batch))
    x, actions, reward, discount, after = batch
    features, next_features = (
        agent._q_network.layers[0](rows).numpy().astype(float) for rows in (x, after)
    )
    before = agent._target_q_network.trainable_weights[0].numpy()
    assert before.any()
    y = backups.regularised(
        features @ before, actions, reward.astype(np.float32), GAMMA * discount,
        next_features @ before, operator="logsumexp", t=T, alpha=1.0, low=-1.0, high=0.0,
    )
    weights = kernel.ridge(features, actions, y, 3, agent.algorithm.ridge)
    actual = agent._q_network.trainable_weights[0].numpy()
    np.testing.assert_allclose(actual, weights, rtol=1e-6, atol=1e-8)
    error = np.mean((y - (features @ weights)[np.arange(64), actions]) ** 2)
    np.testing.assert_allclose(info.loss, error, rtol=1e-6)


def test_a_growing_dictionary_leaves_the_preferences_as_they_are():
    network = Features(features="ald", count=60, novelty=0.3)
    agent = make_agent(declare(), network=network, observation=tf.TensorSpec([4], tf.float32))
    rng = np.random.default_rng(3)
    agent.train(transition(*observed(rng, 10)))
    x = rng.standard_normal((30, 4)).astype(np.float32)
    before, size = agent.preferences(x)[0].numpy(), int(agent._dictionary.size)
    agent.train(transition(*observed(rng)))
    assert int(agent._dictionary.size) > size
    np.testing.assert_allclose(agent._target_q_network(x)[0], before, atol=1e-5)
    assert np.abs(agent.preferences(x)[0] - before).max() > 1e-3


def test_nothing_of_an_optimiser_is_kept():
    assert "optimizer" not in make_agent(declare()).state_groups()
