"""Fixed features of an observation, below a linear head; see `erlctl.options.networks.Features`.

No weight here is trained. Random ones are drawn by `draw` from a seed of the run; landmarks by
`adapt` from observations, once, before the first update.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from erlctl.maths.quantiles import cos_pi
from erlctl.networks.layers import ToFloat
from erlctl.options.networks import Features

# Eigenvalues of the landmarks' kernel below this part of the largest are no more than rounding.
_RANK_TOLERANCE = 1e-6
_MAX_MATRIX = 32  # rows of a Hadamard matrix that is multiplied with as it is


class FeatureLayer(tf.keras.layers.Layer):
    """Maps observations of D entries, [B, ...], to features [B, F].

    Args:
        options: Sizes and scales.
        scale: Factor of the observations, as `ToFloat` has it.
    """

    def __init__(self, options: Features, scale: float, **kwargs: Any) -> None:
        super().__init__(trainable=False, **kwargs)
        self.options = options
        self._to_rows = ToFloat(scale, flatten=True)

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create the weights for observations of D entries."""
        self.make(math.prod(input_shape[1:]))
        super().build(input_shape)

    def make(self, num_inputs: int) -> None:
        """Create the weights."""

    def draw(self, seed: np.random.SeedSequence) -> None:
        """Give every weight a fresh value that depends on `seed` alone."""

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        """Return [B, F]."""
        batch, *shape = tf.TensorShape(input_shape).as_list()
        return tf.TensorShape([batch, self.options.num_features(math.prod(shape))])

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the features of observations [B, ...]."""
        return self.features(self.scaled(inputs))

    def scaled(self, observation: tf.Tensor) -> tf.Tensor:
        """Return observations as rows [B, D], each entry divided by its lengthscale."""
        return self._to_rows(observation) / tf.constant(self.options.lengthscale, tf.float32)

    def features(self, x: tf.Tensor) -> tf.Tensor:
        """Return the features [B, F] of scaled rows [B, D]."""
        raise NotImplementedError

    def number(self, name: str, shape: tuple[int, ...], dtype: tf.DType = tf.float32) -> Any:
        """Return a new weight of zeros that is not trained."""
        return self.add_weight(name, shape, dtype, initializer="zeros", trainable=False)


class RbfGrid(FeatureLayer):
    """exp(-|x - c|^2 / 2) at every point c of a grid: a product over the dimensions."""

    def make(self, num_inputs: int) -> None:
        """Compute the points of each dimension; no weights."""
        width, low, high = (
            np.broadcast_to(ends, num_inputs)
            for ends in (self.options.lengthscale, self.options.low, self.options.high)
        )
        self._points = (np.linspace(low, high, self.options.points, axis=-1)
                        / width[:, np.newaxis]).astype(np.float32)

    def features(self, x: tf.Tensor) -> tf.Tensor:
        """Return [B, points^D], the last dimension running fastest."""
        bumps = tf.exp(-0.5 * tf.square(x[:, :, tf.newaxis] - self._points))
        product = bumps[:, 0]
        for bump in tf.unstack(bumps, axis=1)[1:]:
            size = product.shape[1] * bump.shape[1]
            product = tf.reshape(product[:, :, tf.newaxis] * bump[:, tf.newaxis], [-1, size])
        return product


class Fourier(FeatureLayer):
    """(2 / F)^(1/2) (cos Wx, sin Wx) with W normal, so that every row has length 1."""

    def make(self, num_inputs: int) -> None:
        """Create W [D, F / 2]."""
        self.directions = self.number("directions", (num_inputs, self.options.count // 2))

    def draw(self, seed: np.random.SeedSequence) -> None:
        """Draw W."""
        self.directions.assign(np.random.default_rng(seed).standard_normal(self.directions.shape))

    def features(self, x: tf.Tensor) -> tf.Tensor:
        """Return [B, F], all cosines first."""
        return _waves(tf.matmul(x, self.directions))


class Fastfood(FeatureLayer):
    """As `Fourier`, with W in blocks S H G P H B / d^(1/2) of d rows, d the next power of 2.

    H is the Walsh-Hadamard matrix, B random signs, P a permutation, G normal and S such that rows
    have the lengths of normal vectors: the chi distribution with d degrees of freedom.
    """

    def make(self, num_inputs: int) -> None:
        """Create the diagonals and the permutation of each block, [blocks, d]."""
        self._size = 2 ** math.ceil(math.log2(max(num_inputs, 1)))
        shape = (-(-self.options.count // 2 // self._size), self._size)
        self.signs, self.gauss, self.lengths = (
            self.number(name, shape) for name in ("signs", "gauss", "lengths")
        )
        self.order = self.number("order", shape, tf.int32)

    def draw(self, seed: np.random.SeedSequence) -> None:
        """Draw B, G, S and P."""
        rng, shape = np.random.default_rng(seed), tuple(self.signs.shape)
        gauss = rng.standard_normal(shape)
        self.signs.assign(rng.choice([-1.0, 1.0], shape))
        self.gauss.assign(gauss)
        self.order.assign(rng.permuted(np.tile(np.arange(shape[1]), (shape[0], 1)), axis=1))
        chi = np.sqrt(rng.chisquare(shape[1], shape))
        self.lengths.assign(chi / np.linalg.norm(gauss, axis=1, keepdims=True))

    def features(self, x: tf.Tensor) -> tf.Tensor:
        """Return [B, F], all cosines first."""
        padded = tf.pad(x, [[0, 0], [0, self._size - x.shape[1]]])
        mixed = hadamard(padded[:, tf.newaxis] * self.signs)
        blocks, size = self.order.shape
        order = self.order + size * tf.range(blocks)[:, tf.newaxis]
        flat = tf.gather(tf.reshape(mixed, [-1, blocks * size]), tf.reshape(order, [-1]), axis=1)
        mixed = tf.reshape(flat, tf.shape(mixed)) * self.gauss
        rows = hadamard(mixed) * self.lengths / math.sqrt(self._size)
        return _waves(tf.reshape(rows, [-1, math.prod(self.signs.shape)])[
            :, : self.options.count // 2])


class Landmarks(FeatureLayer):
    """M k(z, x) of landmarks z, which are observations; zero until `adapt` has chosen some."""

    whitening_dtype = tf.float32

    def make(self, num_inputs: int) -> None:
        """Create the landmarks [F, D] and M [F, F]."""
        count = self.options.count
        self.landmarks = self.number("landmarks", (count, num_inputs))
        self.whitening = self.number("whitening", (count, count), self.whitening_dtype)

    def draw(self, seed: np.random.SeedSequence) -> None:
        """Forget the landmarks; nothing is drawn before there are observations."""
        del seed
        for weight in self.weights:
            weight.assign(tf.zeros_like(weight))

    @property
    def is_adapted(self) -> bool:
        """Whether there are landmarks."""
        return bool(np.any(self.whitening))

    def adapt(self, observation: tf.Tensor) -> None:
        """Choose landmarks from observations [N, ...]."""
        raise NotImplementedError

    def features(self, x: tf.Tensor) -> tf.Tensor:
        """Return [B, F]."""
        whitening = tf.cast(self.whitening, tf.float32)
        return tf.matmul(_kernel(x, self.landmarks), whitening, transpose_b=True)


class Nystroem(Landmarks):
    """M = K^(-1/2), K = k(z, z), of landmarks that are chosen once."""

    def adapt(self, observation: tf.Tensor) -> None:
        """Choose the first F different ones of observations [N, ...] as landmarks.

        If there are fewer, they are repeated: the features then span no more than they do.
        """
        scaled = self.scaled(observation).numpy()
        _, first = np.unique(scaled, axis=0, return_index=True)
        chosen = scaled[np.sort(first)[: self.options.count]]
        landmarks = np.resize(chosen, self.landmarks.shape)
        squares = np.square(landmarks[:, np.newaxis] - landmarks).sum(-1, dtype=np.float64)
        values, vectors = np.linalg.eigh(np.exp(-0.5 * squares))
        kept = values > _RANK_TOLERANCE * values[-1]
        root = (vectors[:, kept] / np.sqrt(values[kept])) @ vectors[:, kept].T
        self.landmarks.assign(landmarks)
        self.whitening.assign(root)


class Ald(Landmarks):
    """M = L^(-1), L L^T = K the Cholesky factor, of a dictionary that grows up to F landmarks.

    By approximate linear dependence (Engel, Mannor, Meir 2004): an observation x enters if the part
    of it that the dictionary leaves open, k(x, x) - k(x, z) K^(-1) k(z, x), is more than `novelty`.
    With this M that part is 1 - |f(x)|^2, and a new landmark is a new feature beside the old ones,
    which stay what they are: weights on them keep their meaning. All of it is in float64, because K
    is nearly singular where landmarks are close.
    """

    whitening_dtype = tf.float64

    @property
    def size(self) -> tf.Tensor:
        """How many landmarks there are: rows of M that are not 0, int32."""
        is_used = tf.linalg.diag_part(self.whitening) > 0
        return tf.reduce_sum(tf.cast(is_used, tf.int32))

    def adapt(self, observation: tf.Tensor) -> None:
        """Begin the dictionary with observations [N, ...]."""
        self.grow(observation)

    def grow(self, observation: tf.Tensor) -> None:
        """Let those of observations [N, ...] enter that pass the test, one after the other."""
        x = tf.cast(self.scaled(observation), tf.float64)

        kernel = _kernel(x, tf.cast(self.landmarks, tf.float64))
        rows = tf.matmul(kernel, self.whitening, transpose_b=True)  # features, [N, F]

        def is_growing(left: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
            return tf.reduce_any(left > self.options.novelty) & (self.size < self.options.count)

        def enter(left: tf.Tensor, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            # The first that passes. Those before it would be refused again: what is left of them
            # only shrinks.
            first = tf.argmax(left > self.options.novelty, output_type=tf.int32)
            row, root = rows[first], tf.sqrt(left[first])
            is_new = tf.equal(tf.range(self.options.count), self.size)
            line = tf.cast(is_new, tf.float64) - tf.linalg.matvec(
                self.whitening, row, transpose_a=True)
            column = (_kernel(x, x[first][tf.newaxis])[:, 0] - tf.linalg.matvec(rows, row)) / root
            here = is_new[:, tf.newaxis]
            self.landmarks.assign(
                tf.where(here, tf.cast(x[first], tf.float32), self.landmarks))
            self.whitening.assign(tf.where(here, line / root, self.whitening))
            return left - tf.square(column), tf.where(is_new, column[:, tf.newaxis], rows)

        left = 1.0 - tf.reduce_sum(tf.square(rows), axis=1)
        tf.while_loop(is_growing, enter, (left, rows), parallel_iterations=1)


FEATURES: Mapping[str, type[FeatureLayer]] = {
    "rbf_grid": RbfGrid, "nystroem": Nystroem, "ald": Ald, "fourier": Fourier,
    "fastfood": Fastfood,
}


def _kernel(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Return k(x, y) of scaled rows [N, D] and [M, D], in their dtype: [N, M].

    Only differences matter. Rows far from 0 are brought near it first: what is left of the
    difference of large squares would be rounding.
    """
    x, y = x - y[0], y - y[0]
    squares = (
        tf.reduce_sum(tf.square(x), axis=1, keepdims=True)
        - 2.0 * tf.matmul(x, y, transpose_b=True)
        + tf.reduce_sum(tf.square(y), axis=1)
    )
    return tf.exp(-0.5 * tf.maximum(squares, 0.0))


def hadamard(x: tf.Tensor) -> tf.Tensor:
    """Return x times the Walsh-Hadamard matrix, [..., d] with d a power of 2; H H^T = d I.

    By products with small matrices, of which H is the Kronecker product: XLA repeats a chain of
    sums and differences for each of its results, 10 ms instead of a fraction of one.
    """
    size, shape = int(x.shape[-1]), tf.shape(x)
    inner = min(size, _MAX_MATRIX)
    x = tf.reshape(x, [-1, inner]) @ _hadamard_matrix(inner)
    if size > inner:
        outer = tf.transpose(tf.reshape(x, [-1, size // inner, inner]), [0, 2, 1])
        x = tf.transpose(hadamard(outer), [0, 2, 1])
    return tf.reshape(x, shape)


def _hadamard_matrix(size: int) -> np.ndarray:
    matrix: np.ndarray = np.ones((1, 1), np.float32)
    while len(matrix) < size:
        matrix = np.kron(np.array([[1, 1], [1, -1]], np.float32), matrix)
    return matrix


def _waves(angles: tf.Tensor) -> tf.Tensor:
    """Return the cosines and sines of [B, n] over n^(1/2), [B, 2 n]: rows of length 1."""
    turns = angles / math.pi
    waves = tf.concat([cos_pi(turns), cos_pi(turns - 0.5)], axis=1)
    return waves / math.sqrt(angles.shape[1])
