"""Any finite MDP, given as tables, as a compiled environment."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from tf_agents.specs import tensor_spec

from erlctl.environments.compiled import tables
from erlctl.environments.compiled.base import CompiledEnvironment, State, specs
from erlctl.environments.compiled.tables import Table
from erlctl.errors import UnknownNameError

OBSERVATIONS = ("one_hot", "index")


class TabularEnvironment(CompiledEnvironment):
    """A `Table` to be walked: s' ~ P[s, a, .], reward r[s, a] + noise.

    State `s`: int32, the index. Observation: float32 [S] one-hot, or the index as int32.

    Args:
        num_envs: N, at least 1.
        generator: Source of every random number.
        table: The MDP.
        observation: "one_hot" or "index".
        reward_noise: Standard deviation of normal noise added to every reward, at least 0.
        time_limit: Steps of an episode at most, or None.
    """

    state_specs = specs(s=tf.TensorSpec((), tf.int32))
    reset_draws = 1

    def __init__(
        self,
        num_envs: int,
        generator: tf.random.Generator,
        *,
        table: Table,
        observation: str = "one_hot",
        reward_noise: float = 0.0,
        time_limit: int | None = None,
    ) -> None:
        if observation not in OBSERVATIONS:
            raise UnknownNameError("observation", observation, OBSERVATIONS)
        states = table.num_states
        self.table = table
        self._one_hot = observation == "one_hot"
        self._noise = reward_noise
        self.step_draws = 2 if reward_noise else 1
        self.observation = (
            tensor_spec.BoundedTensorSpec((states,), tf.float32, 0.0, 1.0, name="observation")
            if self._one_hot
            else tensor_spec.BoundedTensorSpec((), tf.int32, 0, states - 1, name="observation")
        )
        self.action = tensor_spec.BoundedTensorSpec(
            (), tf.int32, 0, table.num_actions - 1, name="action"
        )
        self._successors, self._thresholds = _successors(table.transitions)
        self._first, self._first_thresholds = _successors(table.start)
        super().__init__(num_envs, generator, time_limit=time_limit)

    def initial_state(self, draws: tf.Tensor) -> State:
        """Return states drawn from the start distribution."""
        return {"s": _chosen(draws[:, 0], self._first, self._first_thresholds)}

    def transition(
        self, state: State, action: tf.Tensor, draws: tf.Tensor
    ) -> tuple[State, tf.Tensor, tf.Tensor]:
        """Return the next state, the reward and whether the next state is terminal.

        `draws[:, 0]` chooses the successor, `draws[:, 1]` is the quantile of the reward noise.
        """
        pair = state["s"] * self.table.num_actions + action
        successors = tf.gather(self._successors.reshape(-1, self._successors.shape[-1]), pair)
        thresholds = tf.gather(self._thresholds.reshape(-1, self._thresholds.shape[-1]), pair)
        after = _chosen(draws[:, 0], successors, thresholds)
        reward = tf.gather(self.table.rewards.astype(np.float32).ravel(), pair)
        if self._noise:
            # Uniform numbers are multiples of 2^-23 from 0 on; the shift keeps quantiles finite.
            reward += self._noise * tf.math.ndtri(draws[:, 1] + 2.0**-24)
        return {"s": after}, reward, tf.gather(self.table.terminal, after)

    def observe(self, state: State) -> tf.Tensor:
        """Return the one-hot row float32 [N, S], or the index int32 [N]."""
        return tf.one_hot(state["s"], self.table.num_states) if self._one_hot else state["s"]


def build(
    num_envs: int,
    generator: tf.random.Generator,
    *,
    builder: str,
    observation: str = "one_hot",
    reward_noise: float = 0.0,
    time_limit: int | None = None,
    **kwargs: Any,
) -> TabularEnvironment:
    """Return the environment of a table that `tables.BUILDERS[builder]` makes from `kwargs`."""
    return TabularEnvironment(
        num_envs, generator, table=tables.BUILDERS[builder](**kwargs), observation=observation,
        reward_noise=reward_noise, time_limit=time_limit,
    )


def _successors(probabilities: tables.Array) -> tuple[np.ndarray, np.ndarray]:
    """Return (state indices, cumulative probabilities), each [..., K], of the K likeliest.

    K is the largest number of possible successors anywhere. A row with fewer is filled up with
    states that are never chosen, since from the last possible one on the threshold is 1.
    """
    count = int((probabilities > 0).sum(-1).max())
    order = np.argsort(-probabilities, axis=-1, kind="stable")[..., :count]
    cumulative = np.take_along_axis(probabilities, order, axis=-1).cumsum(-1)
    last = np.take_along_axis(probabilities, order, axis=-1) > 0
    reached = last.sum(-1, keepdims=True) - 1 <= np.arange(count)
    thresholds = np.where(reached, 1.0, cumulative)
    return order.astype(np.int32), thresholds.astype(np.float32)


def _chosen(draw: tf.Tensor, successors: tf.Tensor, thresholds: tf.Tensor) -> tf.Tensor:
    """Return the successor int32 [N] whose interval of the cumulative distribution holds `draw`."""
    below = tf.cast(draw[:, tf.newaxis] >= thresholds, tf.int32)
    index = tf.reduce_sum(below, axis=-1)
    chosen = tf.equal(index[:, tf.newaxis], tf.range(thresholds.shape[-1]))
    return tf.reduce_sum(tf.where(chosen, successors, 0), axis=-1)
