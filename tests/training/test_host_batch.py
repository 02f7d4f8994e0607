"""Stacked images keep their pixels and the order of their frames on the way into TensorFlow."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from erlctl.environments.host.spaces import ActionSpace, ObservationSpace
from erlctl.training.host_batch import BatchCodec
from erlctl.training.host_replay import Batch, batch_frames


def border_of(shape, stack, n_step, dtype=np.uint8):
    none = np.zeros(0, np.float32)
    return BatchCodec(SimpleNamespace(
        observation=ObservationSpace(shape, np.dtype(dtype), 255.0, lambda x: x),
        action=ActionSpace(3, none, none, lambda x: x),
    ), stack, batch_frames(stack, n_step))


@pytest.mark.parametrize("n_step", [1, 3])
@pytest.mark.parametrize("stack", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_frames_are_joined_on_the_last_axis(stack, channels, dtype, n_step):
    border = border_of((5, 6, channels), stack, n_step, dtype)
    random = np.random.default_rng(stack)
    width = stack + (1 if n_step == 1 else stack)
    both = random.integers(0, 256, (4, width, 5, 6, channels)).astype(dtype)
    frames, next_frames = both[:, :stack], both[:, -stack:]
    batch = Batch(both, np.arange(4) % 3, np.arange(4.0), np.array([1.0, 0.0, 0.5, 1.0]))
    for updates in (1, 2):
        packed = border.pack(batch, updates)
        for array, spec in zip(packed, border.batch_signature(updates, 4 // updates), strict=True):
            assert (array.shape, array.dtype) == (tuple(spec.shape), spec.dtype.as_numpy_dtype)
        for i in range(updates):
            part = slice(i * 4 // updates, (i + 1) * 4 // updates)
            seen = border.transition_of([tf.constant(array[i]) for array in packed])
            for step, expected in ((seen.time_step, frames), (seen.next_time_step, next_frames)):
                joined = np.concatenate(list(np.moveaxis(expected[part], 1, 0)), axis=-1)
                assert step.observation.dtype == dtype
                np.testing.assert_array_equal(step.observation, joined)
            np.testing.assert_array_equal(seen.action_step.action, batch.action[part])
            np.testing.assert_array_equal(seen.next_time_step.reward, batch.reward[part])
            np.testing.assert_array_equal(seen.next_time_step.discount, batch.discount[part])
