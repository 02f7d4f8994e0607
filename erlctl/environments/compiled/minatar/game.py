"""What the five MinAtar games share: sticky actions, the action set, drawing on the board."""

from __future__ import annotations

import abc
import functools
from collections.abc import Sequence
from typing import ClassVar

import tensorflow as tf
from tf_agents.specs import tensor_spec

from erlctl.environments.compiled.base import CompiledEnvironment, Specs, State, stored

SIZE = 10  # rows and columns of the board
NOOP, LEFT, UP, RIGHT, DOWN, FIRE = range(6)

INTEGER = tf.TensorSpec((), tf.int32)
FLAG = tf.TensorSpec((), tf.bool)
BOARD = tf.TensorSpec((SIZE, SIZE), tf.bool)


class MinAtarGame(CompiledEnvironment):
    """A game on a board of 10 x 10 cells with boolean channels.

    Observation: uint8 [10, 10, C] of 0 and 1, row 0 at the top (the package has bool; networks cast
    it, and a replay of bytes is as small as one of booleans). With the sticky probability the last
    action is repeated instead of the chosen one; it survives the end of an episode, as in the
    package, and is a no-op after `reset`.

    The package itself has no time limit, and papers differ: none (Young and Tian 2019; Obando-Ceron
    and Castro 2021, arXiv:2011.14826), 1,000 (gymnax) and 10,000 steps (Lan et al. 2020,
    arXiv:2002.06487, for Seaquest). Here it is 10,000, long enough to be met by hardly any episode,
    short enough that an evaluation ends.

    Args:
        num_envs: N, at least 1.
        generator: Source of every random number.
        minimal_action_set: Only the actions that do something in this game (MinAtar's v1 ids), or
            all six: no-op, left, up, right, down, fire (v0).
        sticky_action_probability: In [0, 1]; the package's default is 0.1.
        difficulty_ramping: Whether the game becomes faster; Breakout and Freeway never do.
        time_limit: Steps of an episode at most, or None.

    Attributes:
        minimal_actions: The actions that do something, ascending.
        num_channels: C.
        game_specs: Name -> spec of the game's own state.
    """

    minimal_actions: ClassVar[tuple[int, ...]]
    num_channels: ClassVar[int]
    game_specs: ClassVar[Specs]
    carried = frozenset({"last_action"})

    def __init__(
        self,
        num_envs: int,
        generator: tf.random.Generator,
        *,
        minimal_action_set: bool = True,
        sticky_action_probability: float = 0.1,
        difficulty_ramping: bool = True,
        time_limit: int | None = 10_000,
    ) -> None:
        self._actions = self.minimal_actions if minimal_action_set else tuple(range(6))
        self._sticky = sticky_action_probability
        self._ramping = difficulty_ramping
        self.state_specs = {**self.game_specs, "last_action": INTEGER}
        self.observation = tensor_spec.BoundedTensorSpec(
            (SIZE, SIZE, self.num_channels), tf.uint8, 0, 1, name="observation"
        )
        self.action = tensor_spec.BoundedTensorSpec(
            (), tf.int32, 0, len(self._actions) - 1, name="action"
        )
        super().__init__(num_envs, generator, time_limit=time_limit)

    def initial_state(self, draws: tf.Tensor) -> State:
        """Return the game's first state, the last action being a no-op."""
        return {**self.start(draws), "last_action": tf.fill([tf.shape(draws)[0]], NOOP)}

    def transition(
        self, state: State, action: tf.Tensor, draws: tf.Tensor
    ) -> tuple[State, tf.Tensor, tf.Tensor]:
        """Return the next state, the points won (float32) and whether the game is over.

        `draws[:, 0]` decides whether the last action is repeated, the rest belongs to the game.
        """
        chosen = tf.gather(tf.constant(self._actions), action)
        repeats = draws[:, 0] < self._sticky
        played = tf.where(repeats, state["last_action"], chosen)
        after, reward, is_terminal = self.play(state, played, draws[:, 1:])
        # Both what is kept and every cell of the picture come from it.
        after = {name: stored(value) for name, value in after.items()}
        return {**after, "last_action": played}, tf.cast(reward, tf.float32), is_terminal

    @abc.abstractmethod
    def start(self, draws: tf.Tensor) -> State:
        """Return the game's own part of the first state."""

    @abc.abstractmethod
    def play(
        self, state: State, action: tf.Tensor, draws: tf.Tensor
    ) -> tuple[State, tf.Tensor, tf.Tensor]:
        """Return the game's own part of the next state, points (int32) and whether it is over."""


def drawn(planes: Sequence[tf.Tensor]) -> tf.Tensor:
    """Return C planes, bool [N, 10, 10], as an observation, uint8 [N, 10, 10, C].

    Bit c of a cell's number is channel c: XLA computes this several times faster than a stack,
    whose elements each have to find out which plane they come from.
    """
    bits = [tf.where(plane, 1 << c, 0) for c, plane in enumerate(planes)]
    cells = stored(functools.reduce(tf.bitwise.bitwise_or, bits))
    channel = tf.bitwise.left_shift(1, tf.range(len(planes)))
    return tf.cast((cells[..., tf.newaxis] & channel) != 0, tf.uint8)


def filled(like: tf.Tensor, **values: int | bool) -> State:
    """Return tensors [N] of constants, with N from `like` [N, ...]."""
    return {name: tf.fill([tf.shape(like)[0]], value) for name, value in values.items()}


def integer(draw: tf.Tensor, count: int | tf.Tensor) -> tf.Tensor:
    """Return a number of 0 .. count - 1 (int32) from a uniform `draw` in [0, 1)."""
    return tf.cast(draw * tf.cast(count, tf.float32), tf.int32)


def marked(index: tf.Tensor, size: int = SIZE) -> tf.Tensor:
    """Return bool [..., size], true at `index` [...]; all false where it is outside."""
    return tf.equal(index[..., tf.newaxis], tf.range(size))


def cell(y: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """Return bool [..., 10, 10], true at row `y`, column `x`; all false where that is outside."""
    return marked(y)[..., :, tf.newaxis] & marked(x)[..., tf.newaxis, :]


def counted_down(timer: tf.Tensor) -> tf.Tensor:
    """Return `timer` one lower, but not below 0."""
    return tf.maximum(timer - 1, 0)


def rows(plane: tf.Tensor, first: int) -> tf.Tensor:
    """Return bool [N, 10, 10] with the rows of `plane` [N, R, 10] from row `first` on."""
    below = SIZE - first - plane.shape[1]
    return tf.pad(plane, [[0, 0], [first, below], [0, 0]])
