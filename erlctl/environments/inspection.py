"""What can be found out about an environment only by running it: spaces and random returns."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from erlctl.environments import registry
from erlctl.errors import ErlctlError, UnknownNameError

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
    if spec.dtype.is_integer:
        return generator.uniform(shape, 0, int(spec.maximum) + 1, spec.dtype)
    low, high = tf.constant(spec.minimum), tf.constant(spec.maximum)
    return low + (high - low) * generator.uniform(shape)


def make_gym(environment_id: str) -> Any:
    """Return an environment from gym's registry.

    Raises:
        UnknownNameError: Gym does not know the id either; names the nearest compiled one.
        ErlctlError: Gym knows it but cannot make it here.
    """
    import gym

    try:
        gym.spec(environment_id)
    except gym.error.Error as error:
        raise UnknownNameError("environment", environment_id, registry.COMPILED) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about newer versions of the environment
            return gym.make(environment_id)
    except Exception as error:
        raise ErlctlError(
            f"gym knows {environment_id} but cannot make it: {error}",
            fix="install what the message names",
        ) from error


def play_gym(environment: Any, *, num_episodes: int, seed: int) -> RandomPlay:
    """Play up to `num_episodes` episodes of a gym environment, 20,000 steps at most."""
    environment.action_space.seed(seed)
    environment.reset(seed=seed)
    returns, lengths = [0.0], [0]
    begin = time.perf_counter()
    for _ in range(_HOST_STEPS):
        _, reward, done, _ = environment.step(environment.action_space.sample())
        returns[-1] += float(reward)
        lengths[-1] += 1
        if done and len(returns) == num_episodes:
            break
        if done:
            environment.reset()
            returns.append(0.0)
            lengths.append(0)
    else:
        returns.pop()  # the last one is not finished
        lengths.pop()
    seconds = time.perf_counter() - begin
    return RandomPlay(np.array(returns), np.array(lengths, np.int64), sum(lengths) / seconds)
