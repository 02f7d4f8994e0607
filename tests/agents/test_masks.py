"""Masks of legal actions reach every reduction: the result is that of dropping the columns."""

import numpy as np
import pytest
import tensorflow as tf

from erlctl.options.networks import Linear, Mlp
from tests.agents.build import make_agent, transition
from tests.agents.cases import DISCRETE

# A fit leaves no output as it is; those of actions that nobody took become 0.
DESCENDING = [label for label, algorithm in DISCRETE.items() if algorithm.base != "kernel"]
SIZE, STATES, LEGAL, ALL = 6, 4, 3, 5


def twins(algorithm):
    """Return an agent of five actions, two of them illegal and good-looking, and one of three."""
    network = Linear() if algorithm.base == "kernel" else Mlp(hidden=(8,))
    masked = make_agent(
        algorithm, num_states=STATES, num_actions=ALL, masked=True, network=network
    )
    plain = make_agent(algorithm, num_states=STATES, num_actions=LEGAL, network=network)
    rng = np.random.default_rng(1)
    for mine, other in zip(weights(masked), weights(plain), strict=True):
        value = rng.standard_normal(mine.shape)
        mine.assign(value)
        if mine.shape != other.shape:
            mine.assign(np.where(np.arange(ALL) < LEGAL, value, np.abs(value) + 3.0))
        other.assign(mine[..., : other.shape[-1]])
    return masked, plain


def weights(agent):
    return [
        variable for group, variables in agent.state_groups().items()
        if "optimizer" not in group
        for variable in variables if variable.shape.rank > 0
    ]


def batches():
    """Return the same transitions with masks and without."""
    rng = np.random.default_rng(2)
    observations = rng.standard_normal((2, SIZE, STATES)).astype(np.float32)
    mask = np.tile(np.arange(ALL) < LEGAL, (SIZE, 1))
    numbers = rng.integers(0, LEGAL, SIZE), rng.standard_normal(SIZE), rng.random(SIZE) > 0.3
    masked = [{"observation": o, "mask": mask} for o in observations]
    return (transition(masked[0], *numbers, masked[1]),
            transition(observations[0], *numbers, observations[1]))


def numbers(figures):
    return {name: float(value) for name, value in figures.items()}


@pytest.mark.parametrize("label", DISCRETE)
def test_losses_diagnostics_and_updates_are_those_without_the_columns(label):
    agents, experiences = twins(DISCRETE[label]), batches()
    looked = [
        numbers(agent.diagnostics(batch)) for agent, batch in zip(agents, experiences, strict=True)
    ]
    assert looked[0] == pytest.approx(looked[1], rel=1e-4, abs=1e-5)
    for _ in range(2):
        losses = [
            numbers(agent.losses(agent.train(batch)))
            for agent, batch in zip(agents, experiences, strict=True)
        ]
        # The target entropy of actor-critics depends on how many actions there are at all.
        for each in losses:
            each.pop("temperature_loss", None)
        assert losses[0] == pytest.approx(losses[1], rel=1e-4, abs=1e-5)
    for mine, other in zip(*map(weights, agents), strict=True):
        np.testing.assert_allclose(
            mine[..., : other.shape[-1]], other, rtol=1e-3, atol=1e-4
        )


@pytest.mark.parametrize("label", DESCENDING)
def test_illegal_outputs_get_no_gradient(label):
    masked, _ = twins(DISCRETE[label])
    before = [w.numpy() for w in weights(masked)]
    masked.train(batches()[0])
    for old, new in zip(before, weights(masked), strict=True):
        assert np.isfinite(new.numpy()).all()
        if old.shape[-1] == ALL:
            np.testing.assert_array_equal(old[..., LEGAL:], new.numpy()[..., LEGAL:])


@pytest.mark.parametrize("label", DISCRETE)
def test_the_mask_is_handed_on_to_policies(label):
    masked, plain = twins(DISCRETE[label])
    with_mask, without = batches()
    preferences, mask = masked.preferences(with_mask.time_step.observation)
    expected, none = plain.preferences(without.time_step.observation)
    np.testing.assert_allclose(preferences[:, :LEGAL], expected, rtol=1e-4, atol=1e-5)
    assert none is None
    assert (tf.reduce_sum(tf.cast(mask, tf.int32), axis=-1).numpy() == LEGAL).all()
