"""The replay buffer: rows, n-step returns, overwriting, uniform draws."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from tf_agents.specs import tensor_spec

from erlctl.training import seeding
from erlctl.training.replay import Item, TransitionReplayBuffer

GAMMA = 0.9


def make(num_envs=1, capacity=50, n_step=1, seed=0):
    generator = seeding.make_generator()
    seeding.reseed(generator, seed, seeding.Stream.REPLAY)
    return TransitionReplayBuffer(
        tf.TensorSpec([2], tf.float32, "observation"),
        tensor_spec.BoundedTensorSpec((), tf.int32, 0, 9, name="action"),
        num_envs=num_envs, capacity=capacity, generator=generator, n_step=n_step, gamma=GAMMA,
    )


class Life:
    """Episodes of known lengths; observation (environment, time) names every row."""

    def __init__(self, num_envs, steps, seed=0):
        rng = np.random.default_rng(seed)
        shape = (steps, num_envs)
        self.reward = rng.standard_normal(shape).astype(np.float32)
        self.is_end = rng.random(shape) < 0.2
        self.is_terminal = self.is_end & (rng.random(shape) < 0.5)
        self.num_envs, self.steps = num_envs, steps

    def write(self, buffer):
        for t in range(self.steps):
            env = np.arange(self.num_envs, dtype=np.float32)
            now, later = np.float32(t), np.float32(t + 0.5)
            buffer.add_batch(Item(
                tf.constant(np.stack([env, np.full_like(env, now)], -1)),
                tf.constant((env + t).astype(np.int32) % 10),
                tf.constant(self.reward[t]),
                tf.constant(np.where(self.is_terminal[t], 0, 1).astype(np.float32)),
                tf.constant(np.stack([env, np.full_like(env, later)], -1)),
                tf.constant(self.is_end[t].astype(np.uint8)),
            ))

    def n_step(self, env, t, n):
        """Return (reward, discount, time of the last next observation) by a loop."""
        total, weight = 0.0, 1.0
        for i in range(n):
            total += weight * self.reward[t + i, env]
            if self.is_end[t + i, env] or i == n - 1:
                return total, weight * (not self.is_terminal[t + i, env]), t + i + 0.5
            weight *= GAMMA
        raise AssertionError


def sample(buffer, size=400):
    step, action_step, next_step = buffer.sample(size)
    env, t = step.observation.numpy().T.astype(int)
    return env, t, action_step.action.numpy(), next_step


@pytest.mark.parametrize("num_envs", [1, 3])
@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("steps", [20, 130], ids=["not full", "overwritten"])
def test_samples_are_the_n_step_returns_of_a_loop(num_envs, n, steps):
    """Up to the end of the episode; a time limit keeps its discount, a terminal does not."""
    buffer, life = make(num_envs, capacity=50 * num_envs, n_step=n), Life(num_envs, steps)
    life.write(buffer)
    env, t, action, next_step = sample(buffer)
    expected = np.array([life.n_step(e, s, n) for e, s in zip(env, t, strict=True)])
    np.testing.assert_allclose(next_step.reward, expected[:, 0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(next_step.discount, expected[:, 1], rtol=1e-6)
    np.testing.assert_array_equal(next_step.observation, np.stack([env, expected[:, 2]], -1))
    np.testing.assert_array_equal(action, (env + t) % 10)
    if n > 1:
        assert (next_step.discount.numpy() == 0).any()
        assert len({x for x in next_step.discount.numpy() if x > 0}) > 1


@pytest.mark.parametrize("n", [1, 4])
def test_only_the_newest_rows_with_a_whole_return_are_drawn(n):
    buffer, life = make(2, capacity=60, n_step=n), Life(2, 100)
    life.write(buffer)
    env, t, _, _ = sample(buffer, 4000)
    assert set(t) == set(range(100 - 30, 100 - (n - 1)))
    assert set(env) == {0, 1}


def test_capacity_is_shared_by_the_environments():
    assert make(num_envs=4, capacity=50).capacity == 4 * 12


def test_draws_are_uniform():
    buffer, life = make(3, capacity=60, seed=5), Life(3, 90)
    life.write(buffer)
    env, t, _, _ = sample(buffer, 60 * 200)
    counts = np.bincount(env * 20 + t - 70, minlength=60)
    assert stats.chisquare(counts).pvalue > 1e-4


def test_draws_follow_from_the_generator_alone():
    samples = []
    for seed in (1, 1, 2):
        buffer = make(capacity=30, seed=seed)
        Life(1, 30).write(buffer)
        samples.append(sample(buffer)[1])
    np.testing.assert_array_equal(samples[0], samples[1])
    assert (samples[0] != samples[2]).any()


def test_another_generator_leaves_the_buffers_own_alone():
    buffer = make(capacity=30)
    Life(1, 30).write(buffer)
    before = buffer._generator.state.numpy()
    buffer.sample(8, generator=seeding.make_generator())
    np.testing.assert_array_equal(buffer._generator.state, before)


def test_a_cleared_buffer_counts_from_the_start():
    buffer = make(2, capacity=20)
    Life(2, 15).write(buffer)
    assert int(buffer.num_stored()) == 30
    buffer.clear()
    assert int(buffer.num_stored()) == 0
    Life(2, 3).write(buffer)
    assert set(sample(buffer)[1]) == {0, 1, 2}


def test_the_state_is_the_buffer():
    """What is written elsewhere under the same names is sampled alike."""
    first, second = make(2, capacity=20), make(2, capacity=20)
    Life(2, 25).write(first)
    for name, variable in second.state().items():
        variable.assign(first.state()[name])
    np.testing.assert_array_equal(sample(first)[1], sample(second)[1])
    assert len(set(first.state())) == len(first.state()) == 8
