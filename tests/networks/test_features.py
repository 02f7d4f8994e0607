"""Fixed features against the kernel that they stand for, and the matrices that they are made of."""

import math

import numpy as np
import pytest
import tensorflow as tf

from erlctl.fields import OptionsError
from erlctl.networks.build import initialise, value_network
from erlctl.networks.features import FEATURES, hadamard
from erlctl.options.networks import Features
from tests.oracles import kernel as oracle

NUM_INPUTS = 6
X = np.random.default_rng(0).standard_normal((40, NUM_INPUTS)).astype(np.float32)


def kernel(x, y, lengthscale=1.0):
    """exp(-|x - y|^2 / 2), one pair at a time."""
    return np.array([
        [math.exp(-sum(((a - b) / lengthscale) ** 2 for a, b in zip(p, q, strict=True)) / 2)
         for q in y] for p in x.astype(float)
    ])


def layer(seed=0, num_inputs=NUM_INPUTS, **fields):
    made = FEATURES[fields["features"]](Features(**fields), 1.0)
    made.build((None, num_inputs))
    made.draw(np.random.SeedSequence(seed))
    return made


def test_the_transform_is_the_hadamard_matrix():
    h = np.array([[1.0]])
    for power in range(8):
        size = 2**power
        ours = hadamard(tf.eye(size)).numpy()
        np.testing.assert_array_equal(ours, h)
        np.testing.assert_array_equal(ours @ ours.T, size * np.eye(size))
        h = np.kron([[1, 1], [1, -1]], h)
    h = hadamard(tf.eye(16)).numpy()
    batched = hadamard(tf.reshape(tf.eye(16), (4, 4, 16))).numpy()
    np.testing.assert_array_equal(batched.reshape(16, 16), h)


def fastfood_matrix(made):
    """V [blocks * d, d] = S H G P H B / sqrt(d), multiplied out."""
    blocks = []
    for signs, gauss, lengths, order in zip(
        *(w.numpy() for w in (made.signs, made.gauss, made.lengths, made.order)), strict=True
    ):
        d = len(signs)
        h = hadamard(tf.eye(d)).numpy().astype(float)
        permutation = np.eye(d)[order]
        blocks.append(np.diag(lengths) @ h @ np.diag(gauss) @ permutation @ h @ np.diag(signs)
                      / math.sqrt(d))
    return np.vstack(blocks)


def test_fastfood_is_the_product_of_its_matrices_and_rows_have_normal_lengths():
    made = layer(features="fastfood", count=40)  # 20 directions of 3 blocks of 8
    matrix = fastfood_matrix(made)
    angles = np.pad(X, [(0, 0), (0, 2)]) @ matrix.T[:, :20]
    expected = np.hstack([np.cos(angles), np.sin(angles)]) / math.sqrt(20)
    np.testing.assert_allclose(made(X), expected, atol=1e-5)
    chi = made.lengths.numpy() * np.linalg.norm(made.gauss, axis=1, keepdims=True)
    np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), chi.ravel(), rtol=1e-5)
    many = layer(features="fastfood", count=4096)
    squares = np.square(np.linalg.norm(fastfood_matrix(many), axis=1))
    # Chi-squared with 8 degrees of freedom: mean 8, variance 16.
    assert abs(squares.mean() - 8) < 5 * math.sqrt(16 / len(squares))
    orders = {tuple(row) for row in many.order.numpy()}
    assert len(orders) > 200


@pytest.mark.parametrize("name", ["fourier", "fastfood"])
def test_random_features_have_length_one_and_err_as_the_root_of_their_number(name):
    expected = kernel(X, X, 1.5)
    errors = []
    for count in (128, 2048, 32768):
        rows = [layer(seed, features=name, count=count, lengthscale=(1.5,))(X).numpy()
                for seed in range(4)]
        np.testing.assert_allclose(np.linalg.norm(rows, axis=-1), 1.0, rtol=1e-5)
        errors.append(np.mean([np.sqrt(np.mean((r @ r.T - expected) ** 2)) for r in rows]))
    ratios = np.divide(errors[:-1], errors[1:])
    assert ((ratios > 2.5) & (ratios < 6.5)).all(), errors  # 16 times as many: 4 times as exact
    assert errors[0] < 0.2


def test_nystroem_is_exact_on_its_landmarks_and_nothing_before():
    made = layer(features="nystroem", count=30)
    assert not made.is_adapted
    assert not made(X).numpy().any()
    made.adapt(tf.constant(np.repeat(X, 2, axis=0)))  # each row twice: landmarks differ
    assert made.is_adapted
    np.testing.assert_array_equal(made.landmarks, X[:30])
    rows = made(X).numpy()
    np.testing.assert_allclose(rows[:30] @ rows.T, kernel(X[:30], X), atol=2e-4)
    made.draw(np.random.SeedSequence(0))
    assert not made.is_adapted


def test_nystroem_with_fewer_different_observations_than_landmarks_stays_exact():
    made = layer(features="nystroem", count=16)
    made.adapt(tf.constant(np.tile(X[:5], (8, 1))))
    rows = made(X[:5]).numpy()
    assert np.isfinite(rows).all()
    np.testing.assert_allclose(rows @ rows.T, kernel(X[:5], X[:5]), atol=1e-4)


@pytest.mark.parametrize("name", ["nystroem", "ald"])
@pytest.mark.parametrize("offset", [0.0, 300.0, 3000.0])
def test_landmarks_far_from_zero_keep_their_kernel(name, offset):
    """Squares of 3,000 have no digits left for differences in float32."""
    far = (X / 4 + offset).astype(np.float32)
    made = layer(features=name, count=12, novelty=0.01)
    made.adapt(tf.constant(far))
    rows, z = made(far).numpy(), made.landmarks.numpy()
    np.testing.assert_allclose(made(z).numpy() @ rows.T, kernel(z, far), atol=2e-4)
    assert np.square(rows).sum(axis=1).max() < 1.001


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize(("count", "novelty"), [(200, 0.3), (12, 0.05)])
def test_a_dictionary_is_that_of_approximate_linear_dependence(count, novelty, xla):
    rng = np.random.default_rng(5)
    samples = rng.standard_normal((300, 3)).astype(np.float32)
    made = layer(features="ald", num_inputs=3, count=count, novelty=novelty)
    grow = tf.function(made.grow, jit_compile=xla, autograph=False)
    expected = ()
    for batch in np.split(samples, 3):
        grow(tf.constant(batch))
        expected = oracle.ald(batch, novelty, count, expected)
        size = int(made.size)
        assert size == len(expected) <= count
        np.testing.assert_array_equal(made.landmarks[:size], expected)
    assert (size == count) == (count == 12)
    rows = made(samples).numpy()
    assert not rows[:, size:].any()
    z = expected.astype(float)
    factor = np.linalg.cholesky(kernel(z, z))
    np.testing.assert_allclose(made.whitening[:size, :size] @ factor, np.eye(size), atol=1e-12)
    np.testing.assert_allclose(rows[:, :size] @ factor.T, kernel(samples, z), atol=1e-5)
    left = 1.0 - np.square(rows).sum(axis=1)
    assert (left < novelty + 1e-4).all() == (count == 200)


def test_a_dictionary_begins_with_the_observations_it_is_adapted_to():
    made = layer(features="ald", count=30)
    assert not made.is_adapted
    made.adapt(tf.constant(np.repeat(X, 2, axis=0)))
    assert made.is_adapted
    assert 2 <= int(made.size) <= 30
    made.draw(np.random.SeedSequence(0))
    assert not made.is_adapted
    assert int(made.size) == 0


def test_a_grid_has_the_kernel_at_each_of_its_points():
    made = layer(features="rbf_grid", num_inputs=2, points=3, low=(-1.0, 0.0), high=(1.0,),
                 lengthscale=(0.5, 2.0))
    points = [(a, b) for a in (-1.0, 0.0, 1.0) for b in (0.0, 0.5, 1.0)]
    x = X[:, :2]
    width = np.array([0.5, 2.0])
    np.testing.assert_allclose(made(x), kernel(x / width, np.array(points) / width), rtol=1e-4)


@pytest.mark.parametrize("name", FEATURES)
def test_networks_of_features_depend_on_the_seed_alone_and_train_their_head_alone(name):
    observation = tf.TensorSpec([2, 2], tf.float32)
    options = Features(features=name, count=16, points=2)
    networks = [value_network(options, observation, 3, xla=True, name=f"n{i}") for i in (0, 1)]
    for network in networks:
        network.create_variables()
        initialise(network, np.random.SeedSequence(3))
    for first, second in zip(*(network.variables for network in networks), strict=True):
        np.testing.assert_array_equal(first, second)
    (head,) = networks[0].trainable_weights
    assert head.shape == (16, 3)
    assert not head.numpy().any()
    head.assign(tf.ones_like(head))
    assert networks[0](tf.ones((5, 2, 2)))[0].shape == (5, 3)
    if name in ("fourier", "fastfood"):
        before = networks[0](tf.ones((5, 2, 2)))[0].numpy()
        initialise(networks[0], np.random.SeedSequence(4))
        head.assign(tf.ones_like(head))
        assert (networks[0](tf.ones((5, 2, 2)))[0].numpy() != before).any()


@pytest.mark.parametrize(("fields", "expected"), [
    ({"count": 7}, "even"), ({"features": "rbf_grid", "low": (2.0,)}, "greater than `low`"),
    ({"features": "rbf_grid", "low": (0.0, 0.0), "high": (1.0, 1.0, 1.0)}, "one number or 2"),
    ({"lengthscale": (0.0,)}, "greater than 0"), ({"count": 1}, "at least 2"),
])
def test_settings_that_make_no_features_are_refused(fields, expected):
    with pytest.raises(OptionsError, match=expected):
        Features(**fields)
