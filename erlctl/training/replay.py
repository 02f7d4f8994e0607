"""Uniform replay of transitions as a TF-Agents buffer that compiles and can be checkpointed.

An item is one environment step: observation, action, reward, discount, next observation and
whether the episode ended there. Environments restart in the same step, so no row leads from the
end of an episode to the start of the next one: boundary transitions are never stored, let alone
trained on.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf
from tf_agents.replay_buffers import tf_uniform_replay_buffer
from tf_agents.trajectories import policy_step, trajectory
from tf_agents.trajectories import time_step as ts


class Item(NamedTuple):
    """One row of the buffer; `is_end` is 1 where the episode ended (terminal or cut off)."""

    observation: Any
    action: Any
    reward: Any
    discount: Any
    next_observation: Any
    is_end: Any


class TransitionReplayBuffer(tf_uniform_replay_buffer.TFUniformReplayBuffer):
    """`TFUniformReplayBuffer` of `Item`s without critical sections and hidden random state.

    Args:
        observation_spec: Nest of specs of one observation.
        action_spec: Spec of one action.
        num_envs: Rows written at once; each environment has a block of its own.
        capacity: Transitions in all; each block holds capacity // num_envs of them.
        generator: Source of the sampled rows.
        n_step: Length of the returns that `sample` gives.
        gamma: Discount inside an n-step return.
    """

    def __init__(
        self,
        observation_spec: Any,
        action_spec: Any,
        *,
        num_envs: int,
        capacity: int,
        generator: tf.random.Generator,
        n_step: int = 1,
        gamma: float = 1.0,
    ) -> None:
        def plain(name: str, nest: Any) -> Any:
            return tf.nest.map_structure(lambda s: tf.TensorSpec(s.shape, s.dtype, name), nest)

        number = tf.TensorSpec((), tf.float32)
        spec = Item(
            plain("observation", observation_spec), plain("action", action_spec),
            plain("reward", number), plain("discount", number),
            plain("next_observation", observation_spec),
            tf.TensorSpec((), tf.uint8, "is_end"),
        )
        super().__init__(spec, batch_size=num_envs, max_length=capacity // num_envs)
        self._generator = generator
        self._n_step = n_step
        self._gamma = gamma

    def sample(
        self, batch_size: int, *, generator: tf.random.Generator | None = None
    ) -> trajectory.Transition:
        """Return `batch_size` transitions drawn uniformly with replacement, as [B, ...].

        With n steps the reward is sum_i gamma^i r_i up to the end of the episode and the discount
        includes gamma^(n-1), so that `reward + gamma * discount * V(s_n)` is the n-step return.
        """
        newest = self._get_last_id()
        oldest = tf.maximum(newest + 1 - self._max_length, 0)
        count = tf.maximum(newest + 1 - oldest - (self._n_step - 1), 1)
        # One draw for both the id and the environment keeps the number of random bits small.
        source = generator or self._generator
        draw = source.uniform((batch_size,), 0, count * self._batch_size, tf.int64)
        ids, blocks = oldest + draw // self._batch_size, draw % self._batch_size

        def rows(offset: int) -> tf.Tensor:
            return tf.math.mod(ids + offset, self._max_length) + blocks * self._max_length

        item = self._data_table.read(rows(0))
        for i in range(1, self._n_step):
            item = self._extend(item, self._data_table.read(rows(i)), self._gamma**i)
        return _as_transition(item, batch_size)

    def clear(self) -> None:
        """Forget every row."""
        self._last_id.assign(-1)

    def num_stored(self) -> tf.Tensor:
        """Return how many transitions were ever written, overwritten ones included; int64."""
        return (self._get_last_id() + 1) * self._batch_size

    def can_sample(self) -> tf.Tensor:
        """Return whether there is a row that a whole n-step return starts at; bool."""
        return self._get_last_id() + 1 >= self._n_step

    def state(self) -> dict[str, tf.Variable]:
        """Return stable name -> variable."""
        names = [spec.name for spec in tf.nest.flatten(self._data_spec)]
        tables = dict(_numbered(names, self._data_table.variables()))
        return {**tables, "ids": self._id_table.variables()[0], "last_id": self._last_id}

    def _extend(self, item: Item, later: Item, weight: float) -> Item:
        goes_on = tf.equal(item.is_end, 0)

        def pick(new: tf.Tensor, old: tf.Tensor) -> tf.Tensor:
            shape = tf.concat([tf.shape(goes_on), tf.ones([new.shape.rank - 1], tf.int32)], 0)
            return tf.where(tf.reshape(goes_on, shape), new, old)

        return item._replace(
            reward=item.reward + tf.where(goes_on, weight * later.reward, 0.0),
            discount=tf.where(goes_on, later.discount * weight, item.discount),
            next_observation=tf.nest.map_structure(
                pick, later.next_observation, item.next_observation
            ),
            is_end=tf.where(goes_on, later.is_end, item.is_end),
        )

    # CriticalSection does not compile; a run has a single writer.
    def _increment_last_id(self, increment: int = 1) -> tf.Tensor:
        return self._last_id.assign_add(increment)

    def _get_last_id(self) -> tf.Tensor:
        return self._last_id.read_value()


def _as_transition(item: Item, batch_size: int) -> trajectory.Transition:
    mid = tf.fill([batch_size], ts.StepType.MID)
    zeros, ones = tf.zeros([batch_size]), tf.ones([batch_size])
    return trajectory.Transition(
        ts.TimeStep(mid, zeros, ones, item.observation),
        policy_step.PolicyStep(item.action, (), ()),
        ts.TimeStep(mid, item.reward, item.discount, item.next_observation),
    )


def _numbered(names: list[str], variables: list[tf.Variable]) -> list[tuple[str, tf.Variable]]:
    seen: dict[str, int] = {}
    pairs = []
    for name, variable in zip(names, variables, strict=True):
        index = seen.get(name, 0)
        seen[name] = index + 1
        pairs.append((f"{name}_{index}" if index else name, variable))
    return pairs
