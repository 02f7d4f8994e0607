"""Random streams: apart from each other, the same for the same seed."""

import itertools

import numpy as np

from erlctl.training import seeding
from erlctl.training.seeding import Stream


def numbers(seed, stream, block=0, count=64):
    generator = seeding.make_generator()
    seeding.reseed(generator, seed, stream, block=block)
    return generator.uniform((count,)).numpy()


def test_the_same_seed_and_stream_give_the_same_bytes():
    for stream in Stream:
        assert numbers(3, stream).tobytes() == numbers(3, stream).tobytes()


def test_streams_seeds_and_blocks_have_no_number_in_common():
    """Two of 64 draws out of 2^23 values coincide by chance in one of 2,000 pairs."""
    sources = [
        *((seed, stream, 0) for seed, stream in itertools.product(range(3), Stream)),
        (0, Stream.EVALUATION, 1), (0, Stream.EVALUATION, 10**9),
    ]
    drawn = [set(numbers(*source).tolist()) for source in sources]
    shared = [len(a & b) for a, b in itertools.combinations(drawn, 2)]
    assert max(shared) <= 1
    assert sum(shared) <= 5


def test_the_numbers_of_streams_are_part_of_the_format_and_stay():
    assert [(stream.name, int(stream)) for stream in Stream][:8] == [
        ("NETWORK", 0), ("ENVIRONMENT", 1), ("EVALUATION", 2), ("POLICY", 3), ("REPLAY", 4),
        ("AGENT", 5), ("DIAGNOSTICS", 6), ("EVALUATION_POLICY", 7),
    ]
    assert seeding.key_of(0, Stream.ENVIRONMENT) == seeding.key_of(0, Stream.ENVIRONMENT)
    assert len({int(seeding.key_of(seed, s)) for seed in range(100) for s in Stream}) == (
        100 * len(Stream)
    )


def test_a_generator_goes_on_from_its_saved_state():
    generator = seeding.make_generator()
    seeding.reseed(generator, 1, Stream.POLICY)
    generator.uniform((5,))
    saved = generator.state.numpy()
    expected = generator.uniform((7,)).numpy()
    other = seeding.make_generator()
    other.state.assign(saved)
    np.testing.assert_array_equal(other.uniform((7,)), expected)


def test_large_seeds_are_seeds_of_their_own():
    keys = {int(seeding.key_of(seed, Stream.POLICY)) for seed in (0, 2**31, 2**32, 2**63, 2**64)}
    assert len(keys) == 5
