"""Without regularisation the agents are TF-Agents' own: same loss, gradients and weights."""

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.agents.dqn import dqn_agent
from tf_agents.utils import common

from erlctl import registry
from erlctl.agents import build_agent
from erlctl.options.networks import Mlp
from erlctl.options.optimizers import Adam
from tests.agents.build import make_context, transition

UPSTREAM = {"dqn": dqn_agent.DqnAgent, "double_dqn": dqn_agent.DdqnAgent}
REDUCED = {
    "dqn": ("dqn", {}),
    "double_dqn": ("double_dqn", {}),
    "soft_dqn at temperature 0": ("soft_dqn", {"temperature": 0.0}),
    "advantage_learning with alpha 0": ("advantage_learning", {"alpha": 0.0}),
    "double advantage_learning with alpha 0": (
        "advantage_learning", {"alpha": 0.0, "double": True}
    ),
}


def batch(seed, size=16):
    """Return a batch with terminals."""
    rng = np.random.default_rng(seed)
    observations = rng.standard_normal((2, size, 8)).astype(np.float32)
    return transition(
        observations[0], rng.integers(0, 3, size), rng.standard_normal(size),
        rng.random(size) > 0.25, observations[1],
    )


def pair(name, clip=None):
    """Return our agent and upstream's with the same weights."""
    algorithm, fields = REDUCED[name]
    declaration = registry.get("algorithm", algorithm)(**fields, gradient_clip_norm=clip)
    context = make_context(
        declaration, network=Mlp(hidden=(16, 8)), optimizer=Adam(learning_rate=0.01),
        target_update_every=2,
    )
    ours = build_agent(context)
    kind = "double_dqn" if declaration.backup().double else "dqn"
    theirs = UPSTREAM[kind](
        context.time_step_spec, context.action_spec, context.value_network("upstream"),
        context.make_optimizer(),  # the same: it has tests of its own
        epsilon_greedy=0.1, target_update_period=2,
        td_errors_loss_fn=common.element_wise_huber_loss, gamma=0.99, gradient_clipping=clip,
        train_step_counter=tf.Variable(0, dtype=tf.int64),
    )
    ours.start(np.random.SeedSequence(0))
    for mine, other in zip(ours._q_network.variables, theirs._q_network.variables, strict=True):
        other.assign(mine)
    theirs.initialize()
    # Targets that differ from the online networks, alike on both sides.
    rng = np.random.default_rng(9)
    for mine, other in zip(
        ours._target_q_network.variables, theirs._target_q_network.variables, strict=True
    ):
        mine.assign(rng.standard_normal(mine.shape) * 0.5)
        other.assign(mine)
    return ours, theirs


def loss_and_gradients(agent, experience, **upstreams):
    with tf.GradientTape() as tape:
        info = agent._loss(experience, **upstreams)
    return info, tape.gradient(info.loss, agent._q_network.trainable_weights)


def figures(info):
    """Return loss, TD losses and TD errors of either agent."""
    extra = info.extra["loss"].extra if isinstance(info.extra, dict) else info.extra
    return info.loss, extra.td_loss, extra.td_error


def assert_equal(mine, others):
    for a, b in zip(tf.nest.flatten(mine), tf.nest.flatten(others), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", REDUCED)
def test_loss_errors_and_gradients_are_upstreams(name):
    ours, theirs = pair(name)
    info, gradients = loss_and_gradients(ours, batch(1))
    expected, expected_gradients = loss_and_gradients(
        theirs, batch(1), td_errors_loss_fn=theirs._td_errors_loss_fn, gamma=theirs._gamma
    )
    assert_equal((figures(info), gradients), (figures(expected), expected_gradients))
    assert float(info.loss) > 0


@pytest.mark.parametrize("clip", [None, 0.1])
@pytest.mark.parametrize("name", ["dqn", "double_dqn"])
def test_weights_after_three_updates_and_a_synchronisation_are_upstreams(name, clip):
    ours, theirs = pair(name, clip)
    for step in range(3):
        experience = batch(step)
        assert_equal(figures(ours.train(experience)), figures(theirs.train(experience)))
    assert_equal(ours._q_network.variables, theirs._q_network.variables)
    assert_equal(ours._target_q_network.variables, theirs._target_q_network.variables)
    assert int(ours.train_step_counter) == 3
