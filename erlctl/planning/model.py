"""A batch of tabular problems, their exact solutions and the exact values of policies."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.linalg import spsolve

from erlctl.environments.compiled.tables import Table
from erlctl.errors import DomainError

Array = npt.NDArray[np.float64]

# From so many states on a sparse solve beats a dense one.
_SPARSE_STATES = 300
# Sweeps that bring policy iteration close to its end before the first linear system is solved.
_WARM_SWEEPS = 200


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """B problems of one shape.

    Attributes:
        successors: int [B, S, A, K], the states that a pair can lead to; padding is the last one.
        probabilities: [B, S, A, K]; padding has 0.
        cumulative: [B, S, A, K - 1], `thresholds` of `probabilities`, for drawing: no rounding
            error leads into the padding.
        continues: [B, S], 1 where the value counts, 0 in terminal states.
        rewards: [B, S, A], mean rewards.
        start: [B, S], distribution of the first state.
        discount: gamma in [0, 1).
    """

    successors: npt.NDArray[np.int64]
    probabilities: Array
    cumulative: Array
    continues: Array
    rewards: Array
    start: Array
    discount: float

    @property
    def shape(self) -> tuple[int, int, int]:
        """(B, S, A)."""
        batch, states, actions = self.rewards.shape
        return batch, states, actions

    def next_values(self, v: Array) -> Array:
        """Return v of every successor, 0 of terminal ones: [B, S] to [B, S, A, K]."""
        return np.take((v * self.continues).ravel(), self.places)

    @functools.cached_property
    def places(self) -> npt.NDArray[np.int64]:
        """`successors` in a flat [B * S], [B, S, A, K]."""
        batch, states, _ = self.shape
        return self.successors + states * np.arange(batch)[:, np.newaxis, np.newaxis, np.newaxis]

    def backup(self, v: Array) -> Array:
        """Return r + gamma P v: [B, S] to [B, S, A]."""
        expected = np.einsum("bsak,bsak->bsa", self.probabilities, self.next_values(v))
        return self.rewards + self.discount * expected


@dataclass(frozen=True, kw_only=True, eq=False)
class Solution:
    """Optimal values q [B, S, A] and v [B, S]."""

    q: Array
    v: Array


def model_of(tables: Sequence[Table], discount: float) -> Model:
    """Return a batch of problems, all of one shape.

    Raises:
        DomainError: `discount` is not in [0, 1), or the tables differ in shape.
    """
    if not 0.0 <= discount < 1.0:
        raise DomainError("discount", discount, "in [0, 1)")
    shapes = sorted({table.rewards.shape for table in tables})
    if len(shapes) != 1:
        raise DomainError("tables", shapes, "tables of one shape (states, actions)")
    width = max(int((table.transitions > 0).sum(-1).max()) for table in tables)
    successors, probabilities = zip(*(_successors(table, width) for table in tables), strict=True)
    chances = np.stack(probabilities)
    return Model(
        successors=np.stack(successors), probabilities=chances,
        cumulative=thresholds(chances),
        continues=np.stack([1.0 - table.terminal for table in tables]),
        rewards=np.stack([table.rewards for table in tables]),
        start=np.stack([table.start for table in tables]), discount=discount,
    )


def thresholds(probabilities: Array) -> Array:
    """Return where u in [0, 1) passes from one outcome to the next: [..., K] to [..., K - 1].

    The sums from the left, and 2 from the last outcome with weight on.
    """
    sums = np.cumsum(probabilities, axis=-1)[..., :-1]
    ended = np.cumsum(probabilities[..., ::-1], axis=-1)[..., ::-1][..., 1:] == 0.0
    return np.where(ended, 2.0, sums)


def draw(u: Array, limits: Array) -> npt.NDArray[np.int64]:
    """Return the outcomes [...] that u in [0, 1), [...], falls on; limits as by `thresholds`."""
    outcomes: npt.NDArray[np.int64] = (u[..., np.newaxis] >= limits).sum(-1)
    return outcomes


def _successors(table: Table, width: int) -> tuple[npt.NDArray[np.int64], Array]:
    states, actions, _ = table.transitions.shape
    successors = np.zeros((states, actions, width), np.int64)
    probabilities = np.zeros((states, actions, width))
    for s in range(states):
        for a in range(actions):
            (where,) = np.nonzero(table.transitions[s, a])
            successors[s, a] = np.pad(where, (0, width - len(where)), mode="edge")
            probabilities[s, a, : len(where)] = table.transitions[s, a, where]
    return successors, probabilities


def evaluate(model: Model, policy: Array) -> Array:
    """Return q [B, S, A] of a policy [B, S, A] by solving (I - gamma P_pi) v = r_pi."""
    batch, states, _ = model.shape
    rewards = np.einsum("bsa,bsa->bs", policy, model.rewards)
    alive = np.take(model.continues.ravel(), model.places)
    weights = policy[..., np.newaxis] * model.probabilities * alive
    rows = np.arange(states)[:, np.newaxis, np.newaxis]
    if states >= _SPARSE_STATES:
        identity = sparse.identity(states, format="csr")
        v = np.empty((batch, states))
        for b in range(batch):
            pairs = (np.broadcast_to(rows, weights[b].shape).ravel(), model.successors[b].ravel())
            chain = sparse.csr_matrix((weights[b].ravel(), pairs), shape=(states, states))
            v[b] = spsolve(identity - model.discount * chain, rewards[b])
        return model.backup(v)
    first = np.arange(batch)[:, np.newaxis, np.newaxis, np.newaxis] * states
    cells = ((first + rows) * states + model.successors).ravel()
    chain = np.bincount(cells, weights.ravel(), batch * states * states)
    system = np.eye(states) - model.discount * chain.reshape(batch, states, states)
    return model.backup(np.linalg.solve(system, rewards[..., np.newaxis])[..., 0])


def solve(model: Model) -> Solution:
    """Return the optimal values by policy iteration, which ends at an exact linear solution."""
    q: np.ndarray = np.zeros(model.shape)
    for _ in range(_WARM_SWEEPS):
        q = model.backup(q.max(-1))
    while True:
        improved = evaluate(model, np.eye(q.shape[-1])[q.argmax(-1)])
        # Equal up to rounding: actions that tie may go on changing places for ever.
        if np.abs(improved - q).max() <= 1e-13 * max(1.0, np.abs(q).max()):
            return Solution(q=improved, v=improved.max(-1))
        q = improved


def suboptimality(solution: Solution, q: Array) -> dict[str, Array]:
    """Return how far values q [B, S, A] of policies are below the optimum, [B] each.

    `suboptimality_sup` = max |q* - q|, in units of return; `suboptimality_l1` = sum |q* - q| /
    sum |q*|.
    """
    loss = np.abs(solution.q - q)
    return {
        "suboptimality_sup": loss.max((-2, -1)),
        "suboptimality_l1": loss.sum((-2, -1)) / np.abs(solution.q).sum((-2, -1)),
    }
