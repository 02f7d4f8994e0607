"""Agents with a dueling head tell its value: the last output of the joint head."""

import numpy as np
import pytest
import tensorflow as tf

from erlctl import registry
from erlctl.networks.layers import Dueling
from erlctl.options.networks import Mlp
from tests.agents.build import make_agent, table_batch
from tests.maths.arrays import random_batch


@pytest.mark.parametrize("centre", ["mean", "max", "logsumexp"])
def test_the_figure_is_the_mean_of_the_value_output(centre):
    algorithm = registry.get("algorithm", "dpp")()
    agent = make_agent(
        algorithm, num_states=16, num_actions=4, network=Mlp(hidden=(8,), dueling=centre)
    )
    _, experience = table_batch(random_batch(num_samples=8), algorithm.gamma)
    (head,) = {layer for layer in agent._q_network.submodules if isinstance(layer, Dueling)}
    features = experience.time_step.observation
    for layer in agent._q_network.layers[:-1]:
        features = layer(features)
    expected = tf.reduce_mean(head.head(features)[:, -1])
    figures = agent.diagnostics(experience)
    assert set(figures) == set(agent.diagnostic_names)
    np.testing.assert_allclose(figures["value_head"], expected, rtol=1e-5, atol=1e-6)


def test_agents_without_such_a_head_have_no_such_figure():
    agent = make_agent(registry.get("algorithm", "dqn")(), num_states=16, num_actions=4)
    assert "value_head" not in agent.diagnostic_names
