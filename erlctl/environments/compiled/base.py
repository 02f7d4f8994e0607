"""Environments whose whole life is TensorFlow arithmetic, so that XLA can compile them into a run.

A subclass gives data and three pure functions; nothing in it draws random numbers or keeps state:

    initial_state(draws[N, R])               -> state
    transition(state, action[N], draws[N, D]) -> (state, reward[N], is_terminal[N])
    observe(state)                           -> observation[N, ...]

where `state` is a dict of tensors `[N, ...]` and `draws` are uniform numbers in [0, 1). The base
class adds time limits, step types and restarts, in a pure form (`first`, `advance`, `restart`,
`time_step` on an `EnvironmentState`) and, above it, as a TF-Agents environment whose state lives in
variables.

XLA draws other numbers from the same `tf.random.Generator` than eager or graph mode does; given the
same draws all three agree.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import tensorflow as tf
from tf_agents.environments import tf_environment
from tf_agents.trajectories import time_step as ts

from erlctl.errors import DomainError
from erlctl.tensorflow_setup import check_keras

check_keras()

State = dict[str, tf.Tensor]
Specs = Mapping[str, tf.TensorSpec]


def specs(**by_name: tf.TensorSpec) -> Specs:
    """Return specs by name, unchangeable."""
    return MappingProxyType(by_name)


class EnvironmentState(NamedTuple):
    """Everything that a batch of N environments is between two steps.

    Attributes:
        state: The subclass's own tensors by name, each [N, ...].
        step_type: int32 [N]; 0 FIRST, 1 MID, 2 LAST.
        reward: float32 [N]; reward of the step that led here, 0 at FIRST.
        discount: float32 [N]; 0 after a true terminal, else 1 (also after the time limit).
        elapsed: int32 [N]; steps since the episode began.
    """

    state: State
    step_type: tf.Tensor
    reward: tf.Tensor
    discount: tf.Tensor
    elapsed: tf.Tensor


class CompiledEnvironment(tf_environment.TFEnvironment, abc.ABC):
    """`num_envs` copies of one environment, steppable inside `tf.function(jit_compile=True)`.

    Args:
        num_envs: N, at least 1.
        generator: Source of every random number; only its own state is advanced.
        time_limit: Steps after which an episode is cut off (LAST with discount 1), or None.

    Attributes:
        state_specs: Name -> `tf.TensorSpec` without the batch dimension.
        observation: Spec of one observation.
        action: Spec of one action.
        reset_draws: Uniform numbers that one environment's `initial_state` reads.
        step_draws: Uniform numbers that one environment's `transition` reads.
        carried: Names of state tensors that `restart` leaves alone, because the original keeps
            them from one episode to the next; `reset` clears them as everything else.
        time_limit: Steps of an episode at most, or None.
    """

    state_specs: Specs
    observation: Any
    action: Any
    reset_draws: int = 0
    step_draws: int = 0
    carried: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self, num_envs: int, generator: tf.random.Generator, *, time_limit: int | None = None
    ) -> None:
        if num_envs < 1:
            raise DomainError("num_envs", num_envs, "at least 1")
        super().__init__(ts.time_step_spec(self.observation), self.action, batch_size=num_envs)
        self.num_envs = num_envs
        self.time_limit = time_limit
        self._generator = generator
        # Zeros with step type LAST: whatever comes first (reset, step, restart_ended) begins an
        # episode.
        self._variables = tf.nest.map_structure(
            lambda spec: tf.Variable(
                tf.zeros((num_envs, *spec.shape), spec.dtype), trainable=False
            ),
            EnvironmentState(
                dict(self.state_specs),
                step_type=tf.TensorSpec((), tf.int32),
                reward=tf.TensorSpec((), tf.float32),
                discount=tf.TensorSpec((), tf.float32),
                elapsed=tf.TensorSpec((), tf.int32),
            ),
        )
        self._variables.step_type.assign(tf.fill([num_envs], ts.StepType.LAST))

    # What a subclass gives.

    @abc.abstractmethod
    def initial_state(self, draws: tf.Tensor) -> State:
        """Return the state at the start of an episode; `draws` is uniform in [0, 1), [N, R]."""

    @abc.abstractmethod
    def transition(
        self, state: State, action: tf.Tensor, draws: tf.Tensor
    ) -> tuple[State, tf.Tensor, tf.Tensor]:
        """Return (next state, reward float32 [N], is_terminal bool [N]); `draws` is [N, D]."""

    @abc.abstractmethod
    def observe(self, state: State) -> tf.Tensor:
        """Return the observation of every environment, [N, ...]."""

    # Pure functions on all that a batch of environments is.

    def first(self, draws: tf.Tensor) -> EnvironmentState:
        """Return a batch at the start of its episodes."""
        state = self.initial_state(draws)
        num_envs = tf.shape(draws)[0]
        return EnvironmentState(
            state,
            step_type=tf.fill([num_envs], ts.StepType.FIRST),
            reward=tf.zeros([num_envs]),
            discount=tf.ones([num_envs]),
            elapsed=tf.zeros([num_envs], tf.int32),
        )

    def advance(
        self, batch: EnvironmentState, action: tf.Tensor, draws: tf.Tensor
    ) -> EnvironmentState:
        """Return the batch one step later; environments at LAST must be restarted before or after.

        A true terminal gives LAST with discount 0, the time limit alone LAST with discount 1.
        """
        state, reward, is_terminal = self.transition(batch.state, action, draws)
        elapsed = batch.elapsed + 1
        is_last = is_terminal
        if self.time_limit is not None:
            is_last = is_last | (elapsed >= self.time_limit)
        return EnvironmentState(
            state,
            step_type=tf.where(is_last, ts.StepType.LAST, ts.StepType.MID),
            reward=reward,
            discount=tf.where(is_terminal, 0.0, 1.0),
            elapsed=elapsed,
        )

    def restart(
        self, batch: EnvironmentState, ended: tf.Tensor, draws: tf.Tensor
    ) -> EnvironmentState:
        """Return `batch` with the environments where `ended` (bool [N]) is true at a new FIRST."""
        ended = stored(ended)
        fresh = self.first(draws)
        state = {name: batch.state[name] if name in self.carried else value
                 for name, value in fresh.state.items()}
        return tf.nest.map_structure(
            lambda new, old: tf.where(_along(ended, new), new, old),
            fresh._replace(state=state), batch,
        )

    def time_step(self, batch: EnvironmentState) -> ts.TimeStep:
        """Return the TF-Agents time step of a batch."""
        return ts.TimeStep(
            batch.step_type, batch.reward, batch.discount, self.observe(batch.state)
        )

    # The same with the state in variables.

    def read(self) -> EnvironmentState:
        """Return the state of the environments as tensors."""
        return tf.nest.map_structure(lambda variable: variable.read_value(), self._variables)

    def write(self, batch: EnvironmentState) -> None:
        """Set the state of the environments."""
        tf.nest.map_structure(
            lambda variable, value: variable.assign(value), self._variables, batch
        )

    @property
    def state_variables(self) -> dict[str, tf.Variable]:
        """Stable name -> variable: with the generator's state, everything the environments are."""
        return dict(_named(self._variables))

    def restart_ended(self) -> ts.TimeStep:
        """Begin a new episode in every environment whose time step is LAST; return the time step.

        Called after each step, it keeps the boundary transition LAST -> FIRST out of training data:
        the next `step` of every environment then acts.
        """
        batch = self.read()
        ended = tf.equal(batch.step_type, ts.StepType.LAST)
        batch = self.restart(batch, ended, self._draw(self.reset_draws))
        self.write(batch)
        return self.time_step(batch)

    def act(self, action: tf.Tensor) -> ts.TimeStep:
        """Step every environment and restart the ended ones at once; return where the step led.

        The time step returned is the one before the restart, so LAST is seen once with its own
        observation and reward, and `current_time_step` is never LAST afterwards. `step` followed by
        `restart_ended` does the same with one draw more.
        """
        arrived = self.advance(self.read(), action, self._draw(self.step_draws))
        ended = tf.equal(arrived.step_type, ts.StepType.LAST)
        self.write(self.restart(arrived, ended, self._draw(self.reset_draws)))
        return self.time_step(arrived)

    def _current_time_step(self) -> ts.TimeStep:
        return self.time_step(self.read())

    def _reset(self) -> ts.TimeStep:
        batch = self.first(self._draw(self.reset_draws))
        self.write(batch)
        return self.time_step(batch)

    def _step(self, action: tf.Tensor) -> ts.TimeStep:
        old = self.read()
        ended = tf.equal(old.step_type, ts.StepType.LAST)
        batch = self.advance(old, action, self._draw(self.step_draws))
        # TF-Agents demands that a step after LAST resets and ignores its action.
        batch = self.restart(batch, ended, self._draw(self.reset_draws))
        self.write(batch)
        return self.time_step(batch)

    def _draw(self, count: int) -> tf.Tensor:
        if count == 0:
            return tf.zeros((self.num_envs, 0))
        return self._generator.uniform((self.num_envs, count))


def stored(value: tf.Tensor) -> tf.Tensor:
    """Return `value`, bool or integers, such that XLA computes it once.

    XLA would repeat all that leads to a value for each element that is computed from it, for
    example what ended an episode for each element of each state tensor. It never repeats a
    reduction, so this is one: the maximum of the value and the least that there is. MinAtar's
    Asterix and Freeway step 6 and 4 times as fast for it (TensorFlow 2.20).
    """
    if value.dtype.is_bool:
        return tf.reduce_any(_first_of_two(value) & value, axis=0)
    return tf.reduce_max(tf.where(_first_of_two(value), value, value.dtype.min), axis=0)


def _first_of_two(value: tf.Tensor) -> tf.Tensor:
    return tf.reshape(tf.equal(tf.range(2), 0), [2] + [1] * len(value.shape))


def _along(mask: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    """Return `mask` [N] with as many trailing dimensions of size 1 as `value` [N, ...] has."""
    return tf.reshape(mask, [-1] + [1] * (len(value.shape) - 1))


def _named(batch: EnvironmentState) -> Iterator[tuple[str, tf.Variable]]:
    for field, value in zip(batch._fields, batch, strict=True):
        if isinstance(value, dict):
            yield from ((f"{field}/{name}", variable) for name, variable in value.items())
        else:
            yield field, value
