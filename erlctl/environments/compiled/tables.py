"""Builders of small MDPs as tables; NumPy only, so that exact solutions can use them too.

The arguments' domains are declared in `erlctl.environments.catalogue`, where specs are checked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

MAZE = ("SOOO", "O###", "OOOO", "O#RO")
# Change of (column, row).
NOOP, UP, DOWN, LEFT, RIGHT = (0, 0), (0, -1), (0, 1), (-1, 0), (1, 0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """A finite MDP.

    Attributes:
        transitions: P[s, a, s'], rows sum to 1.
        rewards: r[s, a], the mean reward.
        start: Probability of each first state.
        terminal: bool [S]; entering such a state ends the episode.
        layout: Rows of characters with one state per character, in order, for drawing; "" if the
            states do not lie in a plane.
    """

    transitions: Array
    rewards: Array
    start: Array
    terminal: npt.NDArray[np.bool_]
    layout: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        states, actions = self.rewards.shape
        assert self.transitions.shape == (states, actions, states)
        assert self.start.shape == self.terminal.shape == (states,)
        assert np.allclose(self.transitions.sum(-1), 1.0)
        assert np.isclose(self.start.sum(), 1.0)
        assert not self.layout or sum(map(len, self.layout)) == states

    @property
    def num_states(self) -> int:
        """S."""
        return len(self.rewards)

    @property
    def num_actions(self) -> int:
        """A."""
        return self.rewards.shape[1]


def garnet(
    *, seed: int = 0, num_states: int = 30, num_actions: int = 4, branching: int = 4
) -> Table:
    """Return a random MDP with `branching` successors per pair (Archibald et al. 1995).

    Successors without replacement, probabilities from a random partition of [0, 1], reward uniform
    in [0, 1) on a tenth of the states (the same for every action) and 0 elsewhere; starts anywhere.
    Seed 0 at gamma 0.9 has v*[0] = 1.3133939242.
    """
    rng = np.random.default_rng(seed)
    transitions = np.zeros((num_states, num_actions, num_states))
    for s in range(num_states):
        for a in range(num_actions):
            successors = rng.choice(num_states, branching, replace=False)
            cuts = np.sort(np.r_[0.0, rng.random(branching - 1), 1.0])
            transitions[s, a, successors] = np.diff(cuts)
    rewards = np.zeros(num_states)
    rewarding = max(1, num_states // 10)
    rewards[rng.choice(num_states, rewarding, replace=False)] = rng.random(rewarding)
    return Table(
        transitions=transitions, rewards=np.repeat(rewards[:, np.newaxis], num_actions, axis=1),
        start=np.full(num_states, 1.0 / num_states), terminal=np.zeros(num_states, bool),
    )


def chain(
    *, num_states: int = 5, slip: float = 0.2, small: float = 2.0, large: float = 10.0
) -> Table:
    """Return the chain of Dearden, Friedman and Russell (1998), as in gym's former NChain-v0.

    Action 0 moves one state forward (reward 0; `large` for staying at the end), action 1 goes back
    to the start (reward `small`). With probability `slip` the other action happens, with its
    reward, so r[s, a] is the mean over both.
    """
    forward, back = np.zeros((num_states, num_states)), np.zeros((num_states, num_states))
    forward[np.arange(num_states), np.minimum(np.arange(num_states) + 1, num_states - 1)] = 1.0
    back[:, 0] = 1.0
    gain = np.zeros((num_states, 2))
    gain[-1, 0], gain[:, 1] = large, small
    meant = np.stack([forward, back], axis=1)
    return Table(
        transitions=(1.0 - slip) * meant + slip * meant[:, ::-1],
        rewards=(1.0 - slip) * gain + slip * gain[:, ::-1],
        start=_only(0, num_states), terminal=np.zeros(num_states, bool),
    )


def combination_lock(*, seed: int = 0, length: int = 10, num_actions: int = 2) -> Table:
    """Return a lock of `length` digits: the right action goes on, every other starts again.

    The combination is drawn from `seed`. Reward 1 for the last digit, which ends the episode, else
    0 (after Koenig and Simmons 1993: the reset state space, hard for undirected exploration).
    """
    states = length + 1
    digits = np.random.default_rng(seed).integers(num_actions, size=length)
    transitions = np.zeros((states, num_actions, states))
    transitions[:length, :, 0] = 1.0
    index = np.arange(length)
    transitions[index, digits] = np.eye(states)[1:]
    transitions[length, :, length] = 1.0
    rewards = np.zeros((states, num_actions))
    rewards[length - 1, digits[-1]] = 1.0
    return Table(transitions=transitions, rewards=rewards, start=_only(0, states),
                 terminal=_only(length, states) > 0)


def grid_world(*, size: int = 8, slip: float = 0.1) -> Table:
    """Return an empty square: from the top left corner to the bottom right one.

    Actions up, down, left, right; with probability `slip` one of the four at random happens
    instead; the border blocks. Reward 1 for entering the goal, which ends the episode.
    """
    states = size * size
    moves = np.zeros((states, 4, states))
    for s in range(states):
        for a, (across, down) in enumerate((UP, DOWN, LEFT, RIGHT)):
            x, y = s % size + across, s // size + down
            inside = 0 <= x < size and 0 <= y < size
            moves[s, a, x + size * y if inside else s] = 1.0
    transitions = (1.0 - slip) * moves + slip * moves.mean(axis=1, keepdims=True)
    goal = _only(states - 1, states) > 0
    transitions[-1] = _only(states - 1, states)
    rewards = np.where(goal[:, np.newaxis], 0.0, transitions[:, :, -1])
    cells = "S" + "O" * (states - 2) + "G"
    layout = tuple(cells[row * size : (row + 1) * size] for row in range(size))
    return Table(transitions=transitions, rewards=rewards, start=_only(0, states), terminal=goal,
                 layout=layout)


def noisy_maze(*, random_move: float = 0.1, version: str = "torch") -> Table:
    """Return ShinRL's 4 x 4 maze `SOOO / O### / OOOO / O#RO` with the dynamics of one branch.

    Actions no-op, up, down, left, right. Reward 1 for every step that begins in R. The noise is in
    the backups, not here.

    torch: `random_move` is spread evenly over the moves that are legal in a cell (the no-op always
    is), the rest goes to the chosen action, or to the no-op if that is illegal. With a horizon of
    25 the optimal undiscounted return is 18.112675.
    jax (of which ShinRL's README shows the figures): each legal move has the chance `random_move`,
    the rest goes to the chosen action, which does nothing if it is illegal; and its wall test takes
    the start for the wall: walls are open, the start cannot be entered again. Optimal: 11.973267.
    """
    shut = {"torch": "#", "jax": "S"}[version]
    size = len(MAZE)
    moves = (NOOP, UP, DOWN, LEFT, RIGHT)
    cells = "".join(MAZE)
    transitions = np.zeros((len(cells), len(moves), len(cells)))
    for s in range(len(cells)):
        column, row = s % size, s // size
        targets = {}
        for a, (across, down) in enumerate(moves):
            x, y = column + across, row + down
            if 0 <= x < size and 0 <= y < size and MAZE[y][x] != shut:
                targets[a] = x + size * y
        for a in range(len(moves)):
            each = random_move / len(targets) if version == "torch" else random_move
            for target in targets.values():
                transitions[s, a, target] += each
            # "Stay" where the no-op is illegal too: inside a wall (torch), at the start (jax).
            instead = targets.get(0, s) if version == "torch" else s
            transitions[s, a, targets.get(a, instead)] += 1.0 - each * len(targets)
    in_goal = np.array([cell == "R" for cell in cells])
    return Table(
        transitions=transitions,
        rewards=np.repeat(in_goal[:, np.newaxis].astype(np.float64), len(moves), axis=1),
        start=_only(cells.index("S"), len(cells)), terminal=np.zeros(len(cells), bool),
        layout=MAZE,
    )


def bandit(*, seed: int = 0, num_actions: int = 10) -> Table:
    """Return one state with `num_actions` arms whose mean rewards are standard normal.

    The testbed of Sutton and Barto (2018, section 2.3); their noise of standard deviation 1 is the
    environment's `reward_noise`.
    """
    means = np.random.default_rng(seed).standard_normal(num_actions)
    return Table(transitions=np.ones((1, num_actions, 1)), rewards=means[np.newaxis],
                 start=np.ones(1), terminal=np.zeros(1, bool))


BUILDERS: Mapping[str, Callable[..., Table]] = {
    "garnet": garnet, "chain": chain, "combination_lock": combination_lock,
    "grid_world": grid_world, "noisy_maze": noisy_maze, "bandit": bandit,
}


def _only(index: int, count: int) -> Array:
    row = np.zeros(count)
    row[index] = 1.0
    return row
