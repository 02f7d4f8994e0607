"""Implicit quantile agents: losses against the oracle, limits, random numbers, bodies."""

import numpy as np
import pytest
import tensorflow as tf

from erlctl import registry
from erlctl.options.networks import Conv, Linear, Mlp
from erlctl.training import seeding
from tests.agents.build import make_agent, transition
from tests.oracles import backups

SIZE, STATES = 6, 5
FIELDS = {"num_quantiles": 4, "num_target_quantiles": 3, "num_policy_quantiles": 8}


def make(name, seed=0, **fields):
    algorithm = registry.get("algorithm", name)(**FIELDS, **fields)
    agent = make_agent(algorithm, num_states=STATES, network=Mlp(hidden=(16,)), seed=seed)
    # Larger values than those of a fresh head, so that operators and clips have something to do.
    for network in (agent._q_network, agent._target_q_network):
        network._head.kernel.assign(network._head.kernel * 20.0)
    rng = np.random.default_rng(3)
    for weight in agent._target_q_network.variables:
        weight.assign_add(0.1 * rng.standard_normal(weight.shape))
    return agent


def batch():
    rng = np.random.default_rng(1)
    observations = rng.standard_normal((2, SIZE, STATES)).astype(np.float32)
    return transition(
        observations[0], rng.integers(0, 3, SIZE), rng.standard_normal(SIZE),
        [1, 1, 0, 1, 1, 0], observations[1],
    )


def loss(agent, experience):
    """Return the loss per sample and the fractions it drew, (target's, prediction's)."""
    generator = agent._generator
    start = generator.state.numpy()
    info = agent.loss(experience).extra["loss"]
    generator.state.assign(start)
    drawn = [generator.uniform((SIZE, count)).numpy() for count in (3, 4)]
    generator.state.assign(start)
    return info.extra.td_loss.numpy(), drawn


def expected_loss(agent, experience, drawn, **parameters):
    step, action_step, next_step = experience
    online, target = agent._q_network, agent._target_q_network
    targets = backups.munchausen_iqn(
        next_step.reward.numpy(), agent.algorithm.gamma * next_step.discount.numpy(),
        target(step.observation)[0].numpy().astype(float), action_step.action.numpy(),
        target(next_step.observation)[0].numpy().astype(float),
        target.quantiles(next_step.observation, drawn[0]).numpy().astype(float), **parameters,
    )
    z = online.quantiles(step.observation, drawn[1]).numpy()
    replayed = z[np.arange(SIZE), :, action_step.action.numpy()]
    return backups.quantile_huber_loss(replayed, drawn[1], targets, kappa=1.0)


@pytest.mark.parametrize(("name", "fields", "oracle"), [
    ("iqn", {}, {"t": 0.0, "alpha": 0.0, "floor": 0.0}),
    ("munchausen_iqn", {}, {"t": 0.03, "alpha": 0.9, "floor": -1.0}),
    ("munchausen_iqn", {"temperature": 0.5}, {"t": 0.5, "alpha": 0.9, "floor": -1.0}),
])
def test_the_loss_equals_the_paper(name, fields, oracle):
    agent, experience = make(name, **fields), batch()
    actual, drawn = loss(agent, experience)
    expected = expected_loss(agent, experience, drawn, **oracle)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


def test_munchausen_iqn_without_bonus_tends_to_iqn():
    experience = batch()
    soft, _ = loss(make("munchausen_iqn", alpha=0.0, temperature=1e-6), experience)
    plain, _ = loss(make("iqn"), experience)
    np.testing.assert_allclose(soft, plain, rtol=1e-4, atol=1e-5)


def test_the_replayed_action_matters_to_the_bonus_only():
    """The bonus is the mean error's part that differs from IQN's at alpha 0."""
    experience = batch()
    bonus = np.subtract(*(
        make("munchausen_iqn", alpha=alpha, temperature=0.5).loss(experience)
        .extra["loss"].extra.td_error.numpy() for alpha in (0.9, 0.0)
    ))
    assert (bonus <= 1e-5).all()
    assert (bonus >= -0.9 - 1e-5).all()
    assert np.ptp(bonus) > 0.5  # from no bonus to the clipped one


def test_no_gradient_reaches_the_target_network():
    agent = make("munchausen_iqn")
    with tf.GradientTape() as tape:
        info = agent.loss(batch())
    targets = agent._target_q_network.trainable_weights
    gradients = tape.gradient(info.loss, [*agent._q_network.trainable_weights, *targets])
    assert gradients[-len(targets):] == [None] * len(targets)
    assert all(g is not None for g in gradients[:-len(targets)])


def test_action_values_are_the_mean_over_fixed_midpoints():
    agent, observation = make("iqn"), batch().time_step.observation
    midpoints = np.tile((np.arange(8) + 0.5) / 8, (SIZE, 1)).astype(np.float32)
    expected = agent._q_network.quantiles(observation, midpoints).numpy().mean(axis=1)
    np.testing.assert_allclose(agent.preferences(observation)[0], expected, rtol=1e-5, atol=1e-6)


def test_an_update_draws_from_the_agents_stream_and_diagnostics_do_not():
    """Looking at an agent more often must not change what it learns."""
    agent, experience = make("munchausen_iqn"), batch()
    seeding.reseed(agent._generator, 1, seeding.Stream.AGENT)
    start = agent._generator.state.numpy()
    agent.diagnostics(experience)
    np.testing.assert_array_equal(agent._generator.state, start)
    agent.train(experience)
    assert (agent._generator.state.numpy() != start).any()


@pytest.mark.parametrize(("body", "shape"), [
    (Linear(), (5,)), (Mlp(hidden=()), (5,)), (Mlp(hidden=(7, 3)), (5,)),
    (Conv(hidden=()), (5, 5, 2)), (Conv(hidden=(6,)), (5, 5, 2)),
])
def test_every_body_takes_a_quantile_head(body, shape):
    spec = tf.TensorSpec(shape, tf.float32, "observation")
    algorithm = registry.get("algorithm", "iqn")(**FIELDS)
    agent = make_agent(algorithm, network=body, observation=spec)
    values, _ = agent.preferences(tf.ones((2, *shape)))
    assert values.shape == (2, 3)
