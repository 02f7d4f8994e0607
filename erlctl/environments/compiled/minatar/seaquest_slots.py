"""Seaquest's lists as tensors with a fixed number of slots.

The package keeps lists that grow and shrink. Here every list has a fixed number of slots in the
order of its entries, the newest last; a new entry pushes all others one slot down, and the one that
falls off the end is always gone already:

    friendly bullets  2   one in 5 steps at most, each alive for at most 10
    divers            2   one in 30 steps, each crosses the board in 60
    enemies          32   one in `spawn_speed` steps; the fastest cross in 30, and the spawn speed
                          falls below 14 only when all do (30 would do; 32 halve evenly)

Enemy bullets hit nothing but the player, so a board per direction says all about them.
"""

from __future__ import annotations

import functools

import tensorflow as tf

from erlctl.environments.compiled.base import State, stored
from erlctl.environments.compiled.minatar.game import SIZE, cell

FRIENDLY, DIVERS, ENEMIES = 2, 2, 32  # slots
SEA_ROWS = 8  # rows 1 to 8; enemies and divers live there

_FEW = 2  # slots that are faster to draw one by one
_SLOTS = {
    "friendly": (FRIENDLY, ("x", "y"), ("rightwards", "present")),
    "diver": (DIVERS, ("x", "y", "timer"), ("rightwards", "present")),
    "enemy": (ENEMIES, ("x", "y", "move_timer", "shot_timer"),
              ("rightwards", "is_submarine", "present")),
}


def slot_specs() -> dict[str, tf.TensorSpec]:
    """Return the specs of all slots, `<kind>_<field>` -> [slots]."""
    specs: dict[str, tf.TensorSpec] = {}
    for kind, (slots, integers, flags) in _SLOTS.items():
        specs |= {f"{kind}_{name}": tf.TensorSpec((slots,), tf.int32) for name in integers}
        specs |= {f"{kind}_{name}": tf.TensorSpec((slots,), tf.bool) for name in flags}
    return specs


def pushed(state: State, kind: str, where: tf.Tensor, **entry: tf.Tensor) -> State:
    """Return the state with `entry` [N] as the newest of its kind where `where` is true."""
    after = dict(state)
    for name, value in entry.items():
        old = state[f"{kind}_{name}"]
        new = tf.concat([old[:, 1:], value[:, tf.newaxis]], axis=1)
        after[f"{kind}_{name}"] = tf.where(where[:, tf.newaxis], new, old)
    return after


def removed_pairs(
    state: State, candidates: tf.Tensor, rank: tf.Tensor
) -> tuple[State, tf.Tensor]:
    """Return the state without each friendly bullet and the candidate of highest rank in its cell.

    No two friendly bullets are ever in one cell. The second result counts the pairs, int32 [N].
    """
    def across(name: str) -> tf.Tensor:  # [N, bullets, enemies]
        bullet, enemy = state[f"friendly_{name}"], state[f"enemy_{name}"]
        return tf.equal(bullet[:, :, tf.newaxis], enemy[:, tf.newaxis, :])

    shared = across("x") & across("y") & candidates[:, tf.newaxis]
    shared &= state["friendly_present"][:, :, tf.newaxis]
    ranks = tf.where(shared, rank[:, tf.newaxis], -3 * ENEMIES)
    taken = shared & (ranks == tf.reduce_max(ranks, axis=2, keepdims=True))
    pairs = tf.reduce_any(taken, axis=2)
    return {
        **state, "friendly_present": state["friendly_present"] & ~pairs,
        "enemy_present": state["enemy_present"] & ~tf.reduce_any(taken, axis=1),
    }, tf.reduce_sum(tf.cast(pairs, tf.int32), axis=1)


def heading(rightwards: tf.Tensor) -> tf.Tensor:
    """Return the change of column per move, 1 or -1."""
    return tf.where(rightwards, 1, -1)


def board(
    state: State, kind: str, *, behind: bool = False, where: tf.Tensor | None = None
) -> tf.Tensor:
    """Return bool [N, 10, 10], true where entries of `kind` are, or the cells they come from."""
    x = state[f"{kind}_x"]
    x = x - heading(state[f"{kind}_rightwards"]) if behind else x
    present = state[f"{kind}_present"]
    return cells(state[f"{kind}_y"], x, present if where is None else present & where)


def cells(y: tf.Tensor, x: tf.Tensor, present: tf.Tensor) -> tf.Tensor:
    """Return bool [N, 10, 10], true where one of the slots [N, S] that are `present` is."""
    if x.shape[1] <= _FEW:
        each = cell(y, x) & present[..., tf.newaxis, tf.newaxis]
        return functools.reduce(tf.logical_or, tf.unstack(each, axis=1))
    inside = present & (x >= 0) & (x < SIZE)
    # Small integers, because XLA then compares many at once; 0 for none, so cells count from 1.
    number = stored(tf.cast(tf.where(inside, SIZE * y + x + 1, 0), tf.int16))
    every = tf.cast(1 + tf.range(SIZE * SIZE), tf.int16)[:, tf.newaxis]
    filled = tf.reduce_any(tf.equal(number[:, tf.newaxis, :], every), axis=-1)
    return tf.reshape(filled, [-1, SIZE, SIZE])
