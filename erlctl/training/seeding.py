"""Every random number of a run comes from one of these streams, each with a generator of its own.

Separate streams keep unrelated choices apart: evaluating more often never changes the training
stream, a larger network never changes the environment's.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf


class Stream(enum.IntEnum):
    """Purpose of a stream; the numbers are part of the format of runs and never change."""

    NETWORK = 0
    ENVIRONMENT = 1
    EVALUATION = 2
    POLICY = 3
    REPLAY = 4
    AGENT = 5
    DIAGNOSTICS = 6
    EVALUATION_POLICY = 7
    FRESH_EVALUATION = 8
    FRESH_EVALUATION_POLICY = 9


def sequence(seed: int, stream: Stream) -> np.random.SeedSequence:
    """Return the seed sequence of a stream of the run with this seed."""
    return np.random.SeedSequence([seed, int(stream)])


def make_generator() -> tf.random.Generator:
    """Return a Philox generator whose state is a variable; `reseed` gives it a stream."""
    import tensorflow as tf  # planners have no use for it

    return tf.random.Generator.from_key_counter(key=0, counter=[0, 0], alg="philox")


# The streams whose state is part of a run; the others are put in place whenever they are used.
TRAINING_STREAMS = (Stream.ENVIRONMENT, Stream.POLICY, Stream.REPLAY, Stream.AGENT)


def make_generators() -> dict[Stream, tf.random.Generator]:
    """Return a generator for each of `TRAINING_STREAMS`."""
    return {stream: make_generator() for stream in TRAINING_STREAMS}


def reseed(generator: tf.random.Generator, seed: int, stream: Stream, *, block: int = 0) -> None:
    """Put a generator at the start of a stream.

    Args:
        generator: Generator to set.
        seed: Seed of the run.
        stream: Purpose.
        block: Which of the stream's 2^64 disjoint blocks of 2^64 numbers; evaluations use the
            step, so that the evaluation at a step does not depend on how many came before.
    """
    generator.state.assign(np.array([0, block, key_of(seed, stream)], np.int64))


def key_of(seed: int, stream: Stream) -> np.int64:
    """Return the Philox key of a stream."""
    return sequence(seed, stream).generate_state(1, np.uint64).astype(np.int64)[0]
