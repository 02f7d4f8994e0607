"""Networks from options: shapes, scaling, fresh weights from a seed alone."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.specs import tensor_spec

from erlctl.errors import ErlctlError
from erlctl.fields import Options
from erlctl.networks.build import initialise, state_action_network, value_network
from erlctl.networks.layers import NarrowDense
from erlctl.networks.quantile import QuantileNetwork
from erlctl.options.networks import Conv, Linear, Mlp

FLAT = tf.TensorSpec([5], tf.float32, "observation")
IMAGE = tensor_spec.BoundedTensorSpec([10, 10, 4], tf.uint8, 0, 1, name="observation")
BYTES = tensor_spec.BoundedTensorSpec([10, 10, 4], tf.uint8, 0, 255, name="observation")
DUELING = Mlp(hidden=(32,), dueling="mean")


def make(options=None, observation=FLAT, name="net", xla=True):
    network = value_network(
        options or Mlp(hidden=(64, 32)), observation, 3, xla=xla, name=name
    )
    network.create_variables()
    return network


def quantile(hidden=(16,)):
    network = QuantileNetwork(FLAT, Mlp(hidden=hidden), 3, 8, 12, xla=True)
    network.create_variables()
    network.quantiles(tf.zeros((1, 5)), tf.zeros((1, 2)))
    return network


def critic():
    network = state_action_network(
        Mlp(hidden=(32,)), FLAT, tf.TensorSpec([2], tf.float32, "action"), name="critic"
    )
    network.create_variables()
    return network


NETWORKS = {
    "mlp": make, "dueling": lambda: make(DUELING), "quantile": quantile, "critic": critic,
    "conv patches": lambda: make(Conv(), IMAGE), "conv": lambda: make(Conv(), IMAGE, xla=False),
}


def flat(network):
    return np.concatenate([w.numpy().ravel() for w in network.variables])


@pytest.mark.parametrize("kind", NETWORKS)
def test_fresh_weights_depend_on_the_seed_alone(kind):
    """Neither on what was there, nor on TensorFlow's global seed, nor on the object."""
    first, second = NETWORKS[kind](), NETWORKS[kind]()
    tf.random.set_seed(1)
    initialise(first, np.random.SeedSequence([3, 0]))
    tf.random.set_seed(2)
    initialise(second, np.random.SeedSequence([4, 0]))
    assert (flat(first) != flat(second)).any()
    initialise(second, np.random.SeedSequence([3, 0]))
    np.testing.assert_array_equal(flat(first), flat(second))


@pytest.mark.parametrize("kind", NETWORKS)
def test_every_weight_is_made_afresh(kind):
    network = NETWORKS[kind]()
    for weight in network.variables:
        weight.assign(tf.fill(weight.shape, 7.0))
    initialise(network, np.random.SeedSequence(0))
    assert not (flat(network) == 7.0).any()


def test_layers_of_one_shape_get_different_weights():
    network = make(Mlp(hidden=(5, 5)))
    initialise(network, np.random.SeedSequence(0))
    kernels = [w.numpy() for w in network.variables if w.shape == (5, 5)]
    assert len(kernels) == 2
    assert (kernels[0] != kernels[1]).all()


@pytest.mark.parametrize(("options", "observation", "variances"), [
    (Mlp(hidden=(400, 300)), tf.TensorSpec([200], tf.float32), [2 / 200, 2 / 400, 1 / 900]),
    (Mlp(hidden=(400,), dueling="max"), tf.TensorSpec([200], tf.float32), [2 / 200, 1 / 1200]),
    (Conv(filters=(64,), kernels=(3,), hidden=(200,)), IMAGE,
     [2 / 36, 2 / (8 * 8 * 64), 1 / 600]),
])
def test_fresh_weights_have_the_declared_variances(options, observation, variances):
    """He for hidden layers, 1 / (3 fan_in) for the head; biases are 0."""
    network = make(options, observation)
    initialise(network, np.random.SeedSequence(5))
    kernels = [w.numpy() for w in network.variables if w.shape.rank > 1]
    biases = [w.numpy() for w in network.variables if w.shape.rank == 1]
    assert len(kernels) == len(variances)
    for kernel, variance in zip(kernels, variances, strict=True):
        # Five standard deviations of a variance estimate (kurtosis at most 3).
        tolerance = 5 * np.sqrt(2 / kernel.size)
        assert kernel.var() == pytest.approx(variance, rel=tolerance)
        assert abs(kernel.mean()) < 5 * np.sqrt(variance / kernel.size)
    assert all((bias == 0).all() for bias in biases)


@pytest.mark.parametrize(("outputs", "dueling", "xla", "narrow"), [
    (8, None, True, True), (9, None, True, False), (2, None, False, False),
    (7, "mean", True, True), (8, "mean", True, False), (2, "mean", False, False),
])
def test_narrow_heads_inside_xla_have_the_faster_form(outputs, dueling, xla, narrow):
    network = value_network(
        Mlp(hidden=(4,), dueling=dueling), FLAT, outputs, xla=xla, name="net"
    )
    network.create_variables()
    found = [layer for layer in network.submodules if isinstance(layer, NarrowDense)]
    assert len(found) == narrow
    assert network(tf.zeros((2, 5)))[0].shape == (2, outputs)


def test_a_linear_network_is_a_table_of_zeros_without_bias():
    network = make(Linear())
    initialise(network, np.random.SeedSequence(0))
    (kernel,) = network.variables
    assert kernel.shape == (5, 3)
    assert (kernel.numpy() == 0).all()
    kernel.assign(np.arange(15.0).reshape(5, 3))
    np.testing.assert_array_equal(network(tf.eye(5))[0], kernel)


def test_image_bytes_are_scaled_and_binary_channels_are_not():
    ones = tf.ones((2, 10, 10, 4), tf.uint8)
    images, channels = make(Conv(), BYTES), make(Conv(), IMAGE)
    for mine, other in zip(images.variables, channels.variables, strict=True):
        mine.assign(other)
    np.testing.assert_allclose(images(ones * 255)[0], channels(ones)[0], rtol=1e-4, atol=1e-6)


def test_both_forms_of_convolutions_are_one_network():
    options = Conv(filters=(8, 4), kernels=(3, 2), strides=(1, 2), dueling="max")
    patches, plain = make(options, IMAGE), make(options, IMAGE, xla=False)
    for network in (patches, plain):
        initialise(network, np.random.SeedSequence(1))
    np.testing.assert_array_equal(flat(patches), flat(plain))
    images = tf.constant(np.random.default_rng(0).integers(0, 2, (3, 10, 10, 4)), tf.uint8)
    np.testing.assert_allclose(patches(images)[0], plain(images)[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", [Mlp(), Linear(), DUELING])
def test_flat_bodies_flatten_images(options):
    assert make(options, IMAGE)(tf.zeros((2, 10, 10, 4), tf.uint8))[0].shape == (2, 3)


def test_a_convolution_needs_an_image():
    with pytest.raises(ErlctlError, match=r"needs observations \[height, width, channels\]"):
        make(Conv(), FLAT)


def test_critics_of_continuous_actions_need_a_flat_body():
    with pytest.raises(ErlctlError, match="fully connected"):
        state_action_network(Conv(), IMAGE, tf.TensorSpec([1], tf.float32), name="critic")


def test_a_critic_gives_one_number_for_each_pair():
    network = critic()
    inputs = (tf.ones((1, 5)), tf.ones((1, 2)))
    assert network(inputs)[0].shape == (1,)
    initialise(network, np.random.SeedSequence(0))
    other = (tf.ones((1, 5)), tf.zeros((1, 2)))
    assert (network(inputs)[0].numpy() != network(other)[0].numpy()).all()


@pytest.mark.parametrize("hidden", [(16,), (16, 7)])
def test_quantiles_are_those_of_the_equation(hidden):
    """z = f(psi(s) * relu(W [cos(pi i sigma)]_i + b)), after Dabney et al. 2018."""
    network = quantile(hidden)
    initialise(network, np.random.SeedSequence(0))
    rng = np.random.default_rng(0)
    for variable in network.variables:
        variable.assign_add(0.1 * rng.standard_normal(variable.shape))

    def dense(layer, x):
        kernel, bias = (w.numpy().astype(np.float64) for w in (layer.kernel, layer.bias))
        return x @ kernel + bias

    observation, sigma = rng.standard_normal((4, 5)), rng.random((4, 7))
    psi = np.maximum(dense(network._psi[-1], observation), 0)
    cosines = np.cos(np.pi * np.arange(12) * sigma[..., None])
    features = psi[:, None, :] * np.maximum(dense(network._embedding, cosines), 0)
    if len(hidden) > 1:
        features = np.maximum(dense(network._f[0], features), 0)
    expected = dense(network._head, features)
    z = network.quantiles(tf.constant(observation, tf.float32), tf.constant(sigma, tf.float32))
    np.testing.assert_allclose(z, expected, rtol=2e-5, atol=2e-5)


def test_quantiles_depend_on_their_fraction_and_average_to_the_values():
    network = quantile()
    initialise(network, np.random.SeedSequence(0))
    observation = tf.constant(np.random.default_rng(0).standard_normal((4, 5)), tf.float32)
    fractions = tf.constant(np.tile((np.arange(8) + 0.5) / 8, (4, 1)), tf.float32)
    z = network.quantiles(observation, fractions).numpy()
    assert z.shape == (4, 8, 3)
    assert np.ptp(z, axis=1).min() > 0
    np.testing.assert_allclose(network(observation)[0], z.mean(1), rtol=1e-5, atol=1e-6)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TheirBody(Options):
    """A body that another package brings."""

    def layers(self, observation, *, xla):
        assert not xla
        return [tf.keras.layers.Dense(int(observation.shape[0]), use_bias=False)]


def test_a_body_of_another_package_brings_its_layers():
    network = make(TheirBody(), xla=False)
    assert [tuple(w.shape) for w in network.trainable_weights] == [(5, 5), (5, 3), (3,)]
