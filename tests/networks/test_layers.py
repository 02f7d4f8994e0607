"""Layers: convolution as patches, dueling heads, casts."""

import numpy as np
import pytest
import tensorflow as tf

from erlctl.networks.layers import (
    Dueling,
    GraphConv2D,
    JoinAction,
    NarrowDense,
    PatchConv2D,
    Squeeze,
    ToFloat,
)

CENTRES = {
    "mean": lambda x: x.mean(-1), "max": lambda x: x.max(-1),
    "logsumexp": lambda x: np.log(np.exp(x).sum(-1)),
}


@pytest.mark.parametrize("make", [PatchConv2D, GraphConv2D])
@pytest.mark.parametrize(("size", "kernel", "stride", "channels"), [
    ((10, 10), 3, 1, 4), ((9, 12), 4, 2, 3), ((20, 20), 8, 4, 2), ((5, 5), 5, 1, 1),
    ((7, 7), 1, 3, 2), ((8, 8), 3, 3, 1),
])
def test_both_forms_are_conv2d_with_its_gradients(make, size, kernel, stride, channels):
    ours = make(6, kernel, stride, activation="relu")
    theirs = tf.keras.layers.Conv2D(6, kernel, stride, activation="relu")
    rng = np.random.default_rng(0)
    images = tf.constant(rng.standard_normal((3, *size, channels)), tf.float32)
    ours(images), theirs(images)
    ours.bias.assign(rng.standard_normal(6))
    theirs.set_weights(ours.get_weights())
    results = []
    for layer in (ours, theirs):
        with tf.GradientTape() as tape:
            tape.watch(images)
            outputs = layer(images)
            loss = tf.reduce_sum(tf.square(outputs))
        results.append([outputs, *tape.gradient(loss, [images, *layer.trainable_weights])])
    for mine, other in zip(*results, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("layer", [
    PatchConv2D(4, 3, 2, activation="tanh", kernel_initializer="he_normal"),
    Dueling(3, "max", kernel_initializer="he_normal"), ToFloat(0.5, flatten=True),
])
def test_a_layer_is_remade_from_its_config(layer):
    """TF-Agents copies networks that way for their targets."""
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize("centre", CENTRES)
def test_a_dueling_head_centres_its_advantages(centre):
    """The centre of q - value is 0, so the value head is the centre of q."""
    head = Dueling(4, centre, kernel_initializer="glorot_uniform")
    features = tf.constant(np.random.default_rng(1).standard_normal((5, 7)), tf.float32)
    q = head(features).numpy()
    joint = head.head(features).numpy()
    np.testing.assert_allclose(CENTRES[centre](q), joint[:, -1], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        q - q[:, :1], joint[:, :-1] - joint[:, :1], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("centre", CENTRES)
def test_a_dueling_head_ignores_what_all_advantages_share(centre):
    head = Dueling(4, centre, kernel_initializer="glorot_uniform")
    features = tf.constant(np.random.default_rng(1).standard_normal((5, 7)), tf.float32)
    before = head(features).numpy()
    head.head.bias.assign([3.0, 3.0, 3.0, 3.0, 0.0])
    np.testing.assert_allclose(head(features), before, rtol=1e-4, atol=1e-5)


def test_bytes_become_scaled_floats():
    images = tf.constant([[[0, 255], [51, 102]]], tf.uint8)
    np.testing.assert_allclose(
        ToFloat(1 / 255, flatten=True)(images), [[0.0, 1.0, 0.2, 0.4]], rtol=1e-6
    )


def test_joining_and_squeezing_keep_a_batch_of_one():
    joined = JoinAction()((tf.ones((1, 2, 2)), tf.zeros((1, 1))))
    np.testing.assert_array_equal(joined, [[1, 1, 1, 1, 0]])
    assert Squeeze()(tf.ones((1, 1))).shape == (1,)


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize("units", [1, 2, 6])
def test_a_narrow_dense_layer_is_keras_dense_forwards_and_backwards(units, xla):
    x = tf.random.stateless_normal([32, 48], seed=[1, 2])
    weight = tf.random.stateless_normal([32, units], seed=[3, 4])
    ours = NarrowDense(units, kernel_initializer="glorot_uniform")
    theirs = tf.keras.layers.Dense(units)
    for layer in (ours, theirs):
        layer.build(x.shape)
    theirs.set_weights([ours.kernel.numpy(), np.linspace(-1, 1, units, dtype=np.float32)])
    ours.set_weights(theirs.get_weights())

    @tf.function(jit_compile=xla, autograph=False)
    def output_and_gradients(layer):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
            loss = tf.reduce_sum(weight * y)
        return [y, *tape.gradient(loss, [x, layer.kernel, layer.bias])]

    for got, expected in zip(
        output_and_gradients(ours), output_and_gradients(theirs), strict=True
    ):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
