"""Quantile loss and targets: oracles, gradients and the limits that make them DQN's."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from erlctl.algorithms.base import Backup
from erlctl.maths import quantiles, targets
from tests.maths.arrays import BACKUPS, call, random_batch
from tests.oracles import backups


def random_quantiles(seed, num_samples=16, num_quantiles=5, num_actions=4):
    return np.random.default_rng(seed).standard_normal((num_samples, num_quantiles, num_actions))


def quantile_target(backup, batch, z, dtype=np.float64, **kwargs):
    return call(quantiles.quantile_target, backup, **batch, z_tp1=z, **kwargs, dtype=dtype)


@pytest.mark.parametrize("kappa", [1.0, 0.3])
@given(seed=st.integers(0, 2**32 - 1))
def test_loss_equals_the_paper(kappa, seed):
    rng = np.random.default_rng(seed)
    z, fractions, target = rng.standard_normal((3, 3)), rng.random((3, 3)), rng.normal(0, 2, (3, 5))
    actual = call(quantiles.quantile_huber_loss, z, fractions, target, kappa)
    expected = backups.quantile_huber_loss(z, fractions, target, kappa=kappa)
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


def test_loss_has_no_gradient_through_its_target():
    z, target = tf.Variable([[0.0, 1.0]]), tf.Variable([[3.0, -1.0, 0.5]])
    with tf.GradientTape() as tape:
        loss = quantiles.quantile_huber_loss(z, tf.constant([[0.1, 0.9]]), target)
    to_z, to_target = tape.gradient(loss, [z, target])
    assert to_target is None
    assert np.abs(to_z.numpy()).min() > 0


def test_loss_is_smallest_at_the_quantiles_of_the_target():
    """With a small kappa the prediction at fraction 0.8 settles at the 0.8-quantile."""
    target = np.linspace(0.0, 1.0, 101)[None]
    candidates = np.linspace(0.0, 1.0, 201)
    losses = [
        call(quantiles.quantile_huber_loss, np.array([[z]]), np.array([[0.8]]), target, 1e-4)[0]
        for z in candidates
    ]
    assert candidates[int(np.argmin(losses))] == pytest.approx(0.8, abs=0.02)


@given(seed=st.integers(0, 2**32 - 1))
def test_munchausen_target_equals_the_paper(seed):
    batch, z = random_batch(seed), random_quantiles(seed)
    expected = backups.munchausen_iqn(
        batch["r_tp1"], batch["discount_tp1"], batch["q_t"], batch["a_t"], batch["q_tp1"], z,
        t=0.03, alpha=0.9, floor=-1.0,
    )
    actual = quantile_target(BACKUPS["munchausen"], batch, z)
    np.testing.assert_allclose(actual, expected, rtol=1e-10, atol=1e-11)


def test_without_regularisation_it_is_the_quantile_of_the_greedy_action():
    batch, z = random_batch(), random_quantiles(1)
    best = batch["q_tp1"].argmax(-1)
    expected = batch["r_tp1"][:, None] + batch["discount_tp1"][:, None] * z[np.arange(16), :, best]
    np.testing.assert_array_equal(quantile_target(Backup(), batch, z), expected)


def test_tiny_temperature_and_alpha_zero_give_the_unregularised_target():
    batch, z = random_batch(), random_quantiles(1)
    tiny = Backup(operator="logsumexp", temperature=1e-6)
    np.testing.assert_allclose(
        quantile_target(tiny, batch, z), quantile_target(Backup(), batch, z), atol=1e-5
    )


@pytest.mark.parametrize("name", ["dqn", "munchausen"])
def test_mean_over_quantiles_of_the_target_is_the_one_network_target(name):
    batch, z = random_batch(), random_quantiles(1)
    batch["q_tp1"] = z.mean(axis=-2)
    mean = quantile_target(BACKUPS[name], batch, z).mean(-1)
    expected = call(targets.regularised_target, BACKUPS[name], **batch)
    np.testing.assert_allclose(mean, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", ["dqn", "munchausen"])
def test_masked_target_equals_dropping_the_columns(name):
    batch, z = random_batch(num_actions=5), random_quantiles(1, num_actions=5)
    batch["a_t"] = batch["a_t"] % 3
    mask = np.tile([True, True, True, False, False], (16, 1))
    masked = quantile_target(BACKUPS[name], batch, z, mask_t=mask, mask_tp1=mask)
    dropped = {**batch, "q_t": batch["q_t"][:, :3], "q_tp1": batch["q_tp1"][:, :3]}
    expected = quantile_target(BACKUPS[name], dropped, z[..., :3])
    np.testing.assert_allclose(masked, expected, rtol=1e-12, atol=1e-12)


def test_a_batch_of_one_keeps_its_axes():
    batch, z = random_batch(num_samples=1), random_quantiles(1, num_samples=1)
    assert quantile_target(BACKUPS["munchausen"], batch, z).shape == (1, 5)


def test_the_cosine_is_exact_to_float32():
    x = np.concatenate([
        np.random.default_rng(0).uniform(-64, 64, 100_000), np.arange(-64, 65) / 2.0,
    ]).astype(np.float32)
    exact = np.cos(np.pi * x.astype(np.float64))
    np.testing.assert_allclose(quantiles.cos_pi(tf.constant(x)), exact, atol=2e-7)
