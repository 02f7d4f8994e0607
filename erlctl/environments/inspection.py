"""What can be found out about an environment only by running it: spaces and random returns."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from erlctl.environments import registry
from erlctl.environments.host import backends, packages
from erlctl.environments.host.base import VectorEnvironment
from erlctl.environments.host.make import make_vector
from erlctl.errors import EnvironmentFault, ErlctlError, UnknownNameError
from erlctl.spec.schema import Backend, EnvironmentSection

if TYPE_CHECKING:
    import tensorflow as tf

    from erlctl.environments.compiled.base import CompiledEnvironment

_HOST_STEPS = 20_000  # at most, where an environment steps in Python


@dataclass(frozen=True, eq=False)
class RandomPlay:
    """Finished episodes of uniformly random actions.

    Attributes:
        returns: float64 [E].
        lengths: int64 [E].
        steps_per_second: Environment steps, compilation not counted.
    """

    returns: npt.NDArray[np.float64]
    lengths: npt.NDArray[np.int64]
    steps_per_second: float


def play_compiled(environment_id: str, *, num_episodes: int, seed: int) -> RandomPlay:
    """Play the first episode of `num_episodes` compiled environments side by side."""
    import tensorflow as tf

    draws, choices = (tf.random.Generator.from_seed(seed + stream, alg="philox")
                      for stream in (0, 1))
    environment = registry.make(environment_id, num_episodes, draws)

    @tf.function(jit_compile=True, autograph=False)
    def play(limit: tf.Tensor) -> tuple[tf.Tensor, ...]:
        environment.reset()

        def turn(alive: tf.Tensor, total: tf.Tensor, length: tf.Tensor) -> tuple[tf.Tensor, ...]:
            after = environment.act(random_actions(environment, choices))
            total += tf.where(alive, after.reward, 0.0)
            return alive & ~after.is_last(), total, length + tf.cast(alive, tf.int32)

        _, total, length = tf.while_loop(
            lambda alive, _, length: tf.reduce_any(alive & (length < limit)), turn,
            (tf.fill([num_episodes], True), tf.zeros([num_episodes]),
             tf.zeros([num_episodes], tf.int32)), parallel_iterations=1,
        )
        return total, length

    play(tf.constant(0))  # compiles
    begin = time.perf_counter()
    returns, lengths = (value.numpy() for value in play(tf.constant(2**31 - 1)))
    steps = int(lengths.max()) * num_episodes
    return RandomPlay(
        returns.astype(np.float64), lengths.astype(np.int64),
        steps / (time.perf_counter() - begin),
    )


def random_actions(environment: CompiledEnvironment, generator: tf.random.Generator) -> tf.Tensor:
    """Return one uniformly random action for each environment, inside or outside XLA."""
    import tensorflow as tf

    spec = environment.action_spec()
    shape = (environment.num_envs, *spec.shape)
    if spec.dtype.is_integer and not spec.shape.rank:
        return generator.uniform(shape, 0, int(spec.maximum) + 1, spec.dtype)
    if spec.dtype.is_integer:
        return tf.cast(generator.uniform(shape) * (spec.maximum + 1.0), spec.dtype)
    low, high = tf.constant(spec.minimum), tf.constant(spec.maximum)
    return low + (high - low) * generator.uniform(shape)


def find_backends(environment_id: str) -> list[Backend]:
    """Return the backends that have an id: compiled alone, else what is installed of the others.

    Raises:
        UnknownNameError: None has it; names similar ids of all.
        ErlctlError: The id names code, so that it says nothing about the backend.
    """
    if ":" in environment_id:
        raise ErlctlError(
            f"{environment_id} may be of several backends",
            fix="add --backend python for a module's factory, or the package that registers it",
        )
    if backends.is_compiled(environment_id):
        return ["compiled"]
    installed = [cast(Backend, name) for name in backends.PACKAGES if backends.is_installed(name)]
    if found := [name for name in installed if packages.has(name, environment_id)]:
        return found
    known = [*registry.COMPILED, *(i for name in installed for i in packages.known_ids(name))]
    raise UnknownNameError(
        "environment", environment_id,
        packages.similar(known, environment_id) or registry.COMPILED,
    )


def make_host(
    environment_id: str, names: Sequence[Backend]
) -> tuple[Backend, VectorEnvironment]:
    """Return the first of some backends that can make an environment here, and one of it.

    Raises:
        ErlctlError: None can; what the first said.
    """
    faults = []
    for name in names:
        try:
            return name, make_vector(EnvironmentSection(id=environment_id, backend=name), 1)
        except EnvironmentFault as fault:  # registered, but a package that it needs is missing
            faults.append(fault)
    raise faults[0]


def play_host(vector: VectorEnvironment, *, num_episodes: int, seed: int) -> RandomPlay:
    """Play up to `num_episodes` episodes of a vector of one, 20,000 steps at most."""
    draws, action = np.random.default_rng(seed), vector.action
    vector.reset(draws.integers(2**31, size=1).astype(np.uint32))
    returns, lengths = [0.0], [0]
    begin = time.perf_counter()
    for _ in range(_HOST_STEPS):
        chosen = (
            draws.integers(action.num_actions or action.factors, size=(1, *action.shape),
                           dtype=np.int32) if action.dtype == np.int32
            else draws.uniform(action.low, action.high, (1, *action.low.shape)).astype(np.float32)
        )
        step = vector.step(chosen)
        returns[-1] += float(step.reward[0])
        lengths[-1] += 1
        is_over = step.terminated[0] or step.truncated[0]
        if is_over and len(returns) == num_episodes:
            break
        if is_over:
            returns.append(0.0)
            lengths.append(0)
    else:
        returns.pop()  # the last one is not finished
        lengths.pop()
    seconds = time.perf_counter() - begin
    return RandomPlay(np.array(returns), np.array(lengths, np.int64), sum(lengths) / seconds)
