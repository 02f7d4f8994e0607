"""Continuous actor-critics: TF-Agents' SacAgent on the same noise, densities, bonus, bounding."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from tf_agents.agents.sac import sac_agent
from tf_agents.specs import tensor_spec
from tf_agents.utils import common

from erlctl import registry
from erlctl.agents import build_agent
from erlctl.options.networks import Mlp
from erlctl.options.optimizers import Sgd
from erlctl.training import seeding
from tests.agents.build import make_agent, make_context, transition
from tests.oracles import backups

SIZE = 12
LOW, HIGH = np.array([-2.0, 0.0]), np.array([2.0, 1.0])
ACTION = tensor_spec.BoundedTensorSpec(
    (2,), tf.float32, LOW.astype(np.float32), HIGH.astype(np.float32), name="action"
)
SETTINGS = {"network": Mlp(hidden=(16,)), "num_states": 5, "action": ACTION}


def make(name, **fields):
    agent = make_agent(
        registry.get("algorithm", name)(**fields), optimizer=Sgd(learning_rate=0.05), **SETTINGS
    )
    scramble(agent)
    return agent


def scramble(agent):
    """Move every weight away from its start, so that no two networks are alike."""
    rng = np.random.default_rng(2)
    for name, group in agent.state_groups().items():
        if "optimizer" not in name and name not in ("temperature", "counters"):
            for weight in group:
                weight.assign_add(0.3 * rng.standard_normal(weight.shape))


def batch(seed=1):
    rng = np.random.default_rng(seed)
    observations = rng.standard_normal((2, SIZE, 5)).astype(np.float32)
    actions = LOW + (HIGH - LOW) * rng.random((SIZE, 2))
    return transition(
        observations[0], actions, rng.standard_normal(SIZE), rng.random(SIZE) > 0.25,
        observations[1],
    )


def distribution(agent, observation):
    """Return TensorFlow Probability's squashed Gaussian of the agent's actor."""
    loc, scale = agent._gaussian(observation)
    bijectors = tfp.bijectors
    squash = bijectors.Chain([
        bijectors.Shift(tf.constant((LOW + HIGH) / 2, tf.float32)),
        bijectors.Scale(tf.constant((HIGH - LOW) / 2, tf.float32)), bijectors.Tanh(),
    ])
    normal = tfp.distributions.MultivariateNormalDiag(loc, scale)
    return tfp.distributions.TransformedDistribution(normal, squash), squash, loc, scale


def draw_with(noise, agent):
    """Return a stand-in for `_draw` that uses `noise` and TFP's density."""
    def draw(observation):
        found, squash, loc, scale = distribution(agent, observation)
        pre = loc + scale * noise
        # The cached bijector value avoids atanh of a rounded tanh.
        action = squash.forward(pre)
        return action, found.log_prob(action)

    return draw


def upstream_of(agent, algorithm):
    """Return TF-Agents' SacAgent with the same weights."""
    context = make_context(algorithm, **SETTINGS)
    fresh = build_agent(context)
    theirs = sac_agent.SacAgent(
        context.time_step_spec, ACTION, critic_network=fresh._critics[0],
        critic_network_2=fresh._critics[1], actor_network=fresh._actor,
        actor_optimizer=tf.keras.optimizers.legacy.SGD(0.05),
        critic_optimizer=tf.keras.optimizers.legacy.SGD(0.05),
        alpha_optimizer=tf.keras.optimizers.legacy.SGD(0.05),
        actor_policy_ctor=lambda **_: fresh.policy,
        td_errors_loss_fn=common.element_wise_squared_loss, gamma=0.99,
        target_entropy=-2.0, use_log_alpha_in_alpha_loss=False,
        target_update_tau=0.5, target_update_period=2,
        train_step_counter=tf.Variable(0, dtype=tf.int64),
    )
    for mine, other in zip(weights(agent), weights_of_upstream(theirs), strict=True):
        other.assign(mine)
    theirs._gaussian = fresh._gaussian  # of the actor that upstream holds
    return theirs


def weights(agent):
    networks = (*agent._critics, *agent._target_critics, agent._actor)
    return [w for network in networks for w in network.variables] + [agent._log_temperature]


def weights_of_upstream(agent):
    networks = (
        agent._critic_network_1, agent._critic_network_2, agent._target_critic_network_1,
        agent._target_critic_network_2, agent._actor_network,
    )
    return [w for network in networks for w in network.variables] + [agent._log_alpha]


@pytest.mark.parametrize("name", ["sac", "munchausen_sac"])
def test_losses_and_weights_without_bonus_are_upstreams_on_the_same_noise(name):
    """Three updates, a synchronisation within; alpha = 0 turns the bonus off."""
    algorithm = registry.get("algorithm", name)(**({} if name == "sac" else {"alpha": 0.0}))
    context = make_context(
        algorithm, **SETTINGS, optimizer=Sgd(learning_rate=0.05), target_update_every=2
    )
    ours = build_agent(dataclasses.replace(context, target_update_polyak=0.5))
    scramble(ours)
    theirs = upstream_of(ours, algorithm)
    noise = tf.constant(np.random.default_rng(4).standard_normal((SIZE, 2)), tf.float32)
    ours._draw, draw = draw_with(noise, ours), draw_with(noise, theirs)
    theirs._actions_and_log_probs = lambda step, training=False: draw(step.observation)
    for step in range(3):
        losses, extra = ours.losses(ours.train(batch(step))), theirs.train(batch(step)).extra
        expected = (extra.critic_loss, extra.actor_loss, extra.alpha_loss)
        np.testing.assert_allclose([*losses.values()], expected, rtol=1e-6)
    for mine, other in zip(weights(ours), weights_of_upstream(theirs), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-6)


def test_draws_and_their_log_densities_are_tensorflow_probabilitys():
    agent, observation = make("sac"), batch().time_step.observation
    seeding.reseed(agent._generator, 3, seeding.Stream.AGENT)
    start = agent._generator.state.numpy()
    action, log_pi = agent._draw(observation)
    agent._generator.state.assign(start)
    noise = agent._generator.normal((SIZE, 2))
    expected_action, expected_log_pi = draw_with(noise, agent)(observation)
    np.testing.assert_allclose(action, expected_action, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(log_pi, expected_log_pi, rtol=1e-4, atol=1e-4)
    assert (action.numpy() >= LOW).all()
    assert (action.numpy() <= HIGH).all()


def test_log_densities_of_stored_actions_are_tensorflow_probabilitys_and_the_oracles():
    agent, (step, action_step, _) = make("munchausen_sac"), batch()
    found, _, loc, scale = distribution(agent, step.observation)
    actual = agent._log_density(step.observation, action_step.action)
    np.testing.assert_allclose(
        actual, found.log_prob(tf.identity(action_step.action)), rtol=1e-4, atol=1e-4
    )
    expected = backups.squashed_log_density(
        action_step.action.numpy().astype(float), loc.numpy().astype(float),
        scale.numpy().astype(float), LOW, HIGH,
    )
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


def test_log_densities_at_the_bounds_are_finite():
    agent, (step, _, _) = make("munchausen_sac"), batch()
    edges = tf.constant(np.where(np.arange(SIZE)[:, None] % 2, LOW, HIGH), tf.float32)
    assert np.isfinite(agent._log_density(step.observation, edges)).all()


def critic_loss(agent, experience, noise):
    agent._generator.state.assign(noise)
    return float(agent._critic_loss(experience).loss)


def expected_critic_loss(agent, experience, noise, bonus, entropy_term):
    """Return the loss with `bonus`(t log pi(a|s)) and `entropy_term`(t log pi(a'|s'))."""
    step, action_step, next_step = experience
    t = float(tf.exp(agent._log_temperature))
    agent._generator.state.assign(noise)
    draw = draw_with(agent._generator.normal((SIZE, 2)), agent)
    next_action, next_log_pi = (x.numpy() for x in draw(next_step.observation))
    inputs = (next_step.observation, tf.constant(next_action))
    q = np.minimum(*(critic(inputs)[0] for critic in agent._target_critics))
    found = distribution(agent, step.observation)[0]
    log_pi = found.log_prob(tf.identity(action_step.action)).numpy()
    target = (
        next_step.reward + bonus(t * log_pi)
        + 0.99 * next_step.discount * (q - entropy_term(t * next_log_pi))
    )
    inputs = (step.observation, action_step.action)
    # Half of the sum over both critics, as the algorithm's help says.
    return 0.5 * sum(np.mean((target - critic(inputs)[0]) ** 2) for critic in agent._critics)


@pytest.mark.parametrize(("fields", "bonus", "entropy_term"), [
    ({"alpha": 0.9}, lambda x: 0.9 * np.clip(x, -1, 1), lambda x: x),
    ({"alpha": 0.5, "log_policy_clip": None, "log_policy_clip_high": None},
     lambda x: 0.5 * x, lambda x: x),
    ({"alpha": 0.7, "bounding": "tanh", "bounding_scale": 2.0},
     lambda x: 0.7 * np.tanh(x / 2), lambda x: np.tanh(x / 2)),
    ({"alpha": 0.7, "bounding": "clip", "bounding_scale": 3.0},
     lambda x: 0.7 * np.clip(x / 3, -1, 1), lambda x: np.clip(x / 3, -1, 1)),
    ({"alpha": 0.0, "bounding": "tanh", "bounding_scale": 2.0},
     lambda x: 0 * x, lambda x: np.tanh(x / 2)),
])
def test_the_critics_target_equals_the_declaration(fields, bonus, entropy_term):
    agent, experience = make("munchausen_sac", temperature=0.6, **fields), batch()
    noise = agent._generator.state.numpy()
    expected = expected_critic_loss(agent, experience, noise, bonus, entropy_term)
    assert critic_loss(agent, experience, noise) == pytest.approx(expected, rel=2e-4)


def test_bounding_leaves_the_actors_loss_alone():
    experience = batch()
    losses = []
    for bounding in (None, "tanh"):
        agent = make("munchausen_sac", bounding=bounding)
        noise = agent._generator.state.numpy()
        critic_loss(agent, experience, noise)
        agent._generator.state.assign(noise)
        losses.append(float(agent._actor_loss(experience).loss))
    assert losses[0] == losses[1]


def test_no_gradient_reaches_the_actor_or_the_targets_from_the_critics_loss():
    agent = make("munchausen_sac")
    others = [w for network in (agent._actor, *agent._target_critics) for w in network.variables]
    others.append(agent._log_temperature)
    with tf.GradientTape() as tape:
        tape.watch(others)
        loss = agent._critic_loss(batch()).loss
    assert tape.gradient(loss, others) == [None] * len(others)


@pytest.mark.parametrize(("alpha", "should_differ"), [(0.0, False), (0.9, True)])
def test_the_replayed_action_matters_to_the_bonus_exactly_with_alpha(alpha, should_differ):
    """Critics that ignore the action leave only the bonus."""
    agent = make(
        "munchausen_sac", alpha=alpha, log_policy_clip=None, log_policy_clip_high=None
    )
    for critic in agent._critics:
        kernel = critic.trainable_weights[0]
        kernel.assign(tf.concat([kernel[:5], tf.zeros_like(kernel[5:])], axis=0))
    experience, noise = batch(), agent._generator.state.numpy()
    moved = experience._replace(
        action_step=experience.action_step._replace(action=experience.action_step.action * 0.5)
    )
    first, second = (critic_loss(agent, e, noise) for e in (experience, moved))
    assert (first != second) == should_differ


def test_diagnostics_leave_the_agents_stream_alone():
    agent = make("munchausen_sac")
    before = agent._generator.state.numpy()
    agent.diagnostics(batch())
    np.testing.assert_array_equal(agent._generator.state, before)


@pytest.mark.parametrize(("learns", "should_move"), [(True, True), (False, False)])
def test_the_temperature_moves_only_where_it_is_learned(learns, should_move):
    agent = make("sac", learn_temperature=learns)
    before = float(agent._log_temperature)
    agent.train(batch())
    assert (float(agent._log_temperature) != before) == should_move
