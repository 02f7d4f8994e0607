"""The tables against known solutions, and the walk through them against the tables."""

import numpy as np
import pytest
import tensorflow as tf

from erlctl.environments import registry
from erlctl.environments.compiled import tables
from erlctl.environments.compiled.tabular import TabularEnvironment
from erlctl.errors import DomainError, UnknownNameError

TABULAR = ["Bandit", "Chain", "CombinationLock", "Garnet", "GridWorld", "NoisyMaze"]


def generator(seed=0):
    return tf.random.Generator.from_seed(seed, alg="philox")


def optimal_q(table, gamma, sweeps):
    q = np.zeros_like(table.rewards)
    for _ in range(sweeps):
        q = table.rewards + gamma * table.transitions @ np.where(table.terminal, 0.0, q.max(-1))
    return q


def policy_q(table, gamma, sweeps, policy):
    q = np.zeros_like(table.rewards)
    for _ in range(sweeps):
        q = table.rewards + gamma * table.transitions @ (policy * q).sum(-1)
    return q


def test_garnet_has_its_checksums():
    table = tables.garnet(seed=0)
    q = optimal_q(table, 0.9, 4000)
    assert q.sum() == pytest.approx(119.3373015154, abs=1e-9)
    assert q[0].max() == pytest.approx(1.3133939242, abs=1e-9)
    assert table.rewards[:, 0].sum() == pytest.approx(1.2954949740, abs=1e-9)


@pytest.mark.parametrize(("version", "expected_best", "expected_plain", "expected_gap"), [
    ("torch", 18.112675, 0.293527, 15.999373), ("jax", 11.973267, 0.906447, 10.869947),
])
def test_noisy_maze_has_the_published_values(
    version, expected_best, expected_plain, expected_gap
):
    """ShinRL prints optimal returns of 18.112674 (torch) and 11.973273 (JAX) in float32."""
    table = tables.noisy_maze(version=version)
    uniform = np.full(table.rewards.shape, 0.2)
    best = table.start @ optimal_q(table, 1.0, 25).max(-1)
    plain = table.start @ (uniform * policy_q(table, 1.0, 25, uniform)).sum(-1)
    gap = np.abs(optimal_q(table, 0.99, 25) - policy_q(table, 0.99, 25, uniform)).max()
    assert best == pytest.approx(expected_best, abs=2e-6)
    assert plain == pytest.approx(expected_plain, abs=1e-6)
    assert gap == pytest.approx(expected_gap, abs=1e-6)


def test_a_lock_opens_with_its_combination_only():
    table = tables.combination_lock(seed=3, length=6, num_actions=3)
    q = optimal_q(table, 0.5, 100)
    np.testing.assert_allclose(q.max(-1)[:-1], 0.5 ** np.arange(5, -1, -1))
    assert (table.transitions[:6, :, 0] == 1.0).sum() >= 6 * 2


def test_the_chain_is_worth_walking():
    q = optimal_q(tables.chain(), 0.95, 2000)
    assert (q[:, 0] > q[:, 1]).all()


def test_grid_world_without_slip_is_the_shortest_path():
    table = tables.grid_world(size=4, slip=0.0)
    assert optimal_q(table, 0.9, 50)[0].max() == pytest.approx(0.9**5)


@pytest.mark.parametrize("name", TABULAR)
def test_the_walk_has_the_table_s_frequencies(name):
    environment = registry.make(name, 1, generator(), reward_noise=0.5)
    table, rng = environment.table, np.random.default_rng(0)
    each = 4000  # draws per state and action, evenly spread: no sampling error beyond 1 / each
    pairs = np.stack(np.meshgrid(range(table.num_states), range(table.num_actions), range(each),
                                 indexing="ij"), -1).reshape(-1, 3)
    draws = np.stack([(pairs[:, 2] + 0.5) / each, rng.random(len(pairs))], 1)
    after, reward, terminal = environment.transition(
        {"s": tf.constant(pairs[:, 0], tf.int32)}, tf.constant(pairs[:, 1], tf.int32),
        tf.constant(draws, tf.float32))
    counts = np.zeros_like(table.transitions)
    np.add.at(counts, (pairs[:, 0], pairs[:, 1], after["s"].numpy()), 1.0 / each)
    np.testing.assert_allclose(counts, table.transitions, atol=1.1 / each)
    mean = reward.numpy().reshape(*table.rewards.shape, each).mean(-1)
    np.testing.assert_allclose(mean, table.rewards, atol=5 * 0.5 / np.sqrt(each))
    assert np.std(reward - table.rewards[pairs[:, 0], pairs[:, 1]]) == pytest.approx(0.5, rel=0.05)
    np.testing.assert_array_equal(terminal, table.terminal[after["s"].numpy()])


@pytest.mark.parametrize("name", TABULAR)
def test_starts_have_the_table_s_frequencies(name):
    environment = registry.make(name, 1, generator())
    draws = tf.constant((np.arange(3000) + 0.5)[:, np.newaxis] / 3000, tf.float32)
    states = environment.initial_state(draws)["s"].numpy()
    frequency = np.bincount(states, minlength=environment.table.num_states) / 3000
    np.testing.assert_allclose(frequency, environment.table.start, atol=1 / 3000)


def test_extreme_draws_are_finite():
    environment = registry.make("Bandit", 1, generator())
    draws = tf.constant([[0.0, 0.0], [1 - 2**-24, 1 - 2**-23]], tf.float32)
    _, reward, _ = environment.transition(
        {"s": tf.zeros(2, tf.int32)}, tf.zeros(2, tf.int32), draws)
    assert np.isfinite(reward).all()


def test_entering_a_terminal_state_ends_the_episode():
    environment = registry.make("CombinationLock", 1, generator(), length=1)
    environment.reset()
    right = int(environment.table.rewards[0].argmax())
    step = environment.step(tf.constant([right]))
    assert (step.step_type.numpy(), step.reward.numpy(), step.discount.numpy()) == (2, 1.0, 0.0)


def test_an_observation_is_a_row_or_an_index():
    one_hot = registry.make("GridWorld", 2, generator(), size=3)
    index = registry.make("GridWorld", 2, generator(), size=3, observation="index")
    assert one_hot.reset().observation.numpy().tolist() == [[1.0] + [0.0] * 8] * 2
    assert index.reset().observation.numpy().tolist() == [0, 0]


def test_any_table_can_be_walked():
    environment = TabularEnvironment(3, generator(), table=tables.bandit(num_actions=2))
    assert environment.reset().observation.shape == (3, 1)


@pytest.mark.parametrize(("name", "kwargs", "message"), [
    ("Garnet", {"branching": 31}, "branching must be from 1 to num_states = 30"),
    ("Garnet", {"seed": -1}, "seed must be at least 0"),
    ("Chain", {"slip": 1.5}, r"slip must be in \[0, 1\]"),
    ("GridWorld", {"size": 1}, "size must be at least 2"),
    ("Bandit", {"reward_noise": float("nan")}, "reward_noise must be at least 0"),
])
def test_numbers_outside_their_domain_are_refused(name, kwargs, message):
    with pytest.raises(DomainError, match=message):
        registry.make(name, 1, generator(), **kwargs)


def test_an_unknown_observation_is_refused():
    with pytest.raises(UnknownNameError, match="did you mean 'one_hot'"):
        registry.make("Garnet", 1, generator(), observation="onehot")
