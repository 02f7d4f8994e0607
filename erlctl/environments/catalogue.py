"""What is known about each compiled environment without importing it: one entry per id."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from erlctl.environments.space import Space, Spaces
from erlctl.fields import AT_LEAST_ONE, FINITE, NON_NEGATIVE, UNIT, Interval, Options, option

_COMPILED = "erlctl.environments.compiled"
_AT_LEAST_TWO = Interval(low=2)
# What the probabilities [S, A, S] of a table may take: a grid of 107 x 107 cells does.
_MAX_TABLE_BYTES = 2**32
# As many combinations of factors may be the actions of a baseline: six joints of three torques.
MAX_JOINT_ACTIONS = 3**6


@dataclass(frozen=True, kw_only=True)
class Keywords(Options):
    """The keyword arguments that every compiled environment takes."""

    time_limit: int | None = option(
        None, "Steps after which an episode is cut off (a truncation); null: no limit.",
        domain=AT_LEAST_ONE,
    )


@dataclass(frozen=True, kw_only=True)
class CompiledEntry:
    """One compiled environment.

    Attributes:
        id: Name in a spec, where there is one the name that gym or MinAtar registers.
        aliases: Other names of the same; `X-MinAtar` is gymnax's.
        module: Module that holds the class; importing it imports TensorFlow.
        class_name: Name of the class, or of a function that makes the environment.
        keywords: Keyword arguments that a spec may give; the object's values are the defaults.
        fixed: Keyword arguments that the id itself decides.
        reward_threshold: Mean return that counts as solved, or None where nobody defined one.
        observation: An observation, by the keyword arguments.
        action: An action, by the keyword arguments.
        drawing: How a frame is drawn: by "gym", as "channels", as the "states" of a table, by the
            environment's own method "picture", or "": not at all.
        source: Where the dynamics come from.
        doc: One line about the task.
    """

    id: str
    module: str
    class_name: str
    keywords: Keywords
    fixed: Mapping[str, Any] = field(default_factory=dict)
    reward_threshold: float | None = None
    observation: Callable[[Any], Space]
    action: Callable[[Any], Space]
    source: str
    doc: str
    drawing: str = ""
    aliases: tuple[str, ...] = ()

    def spaces(self, keywords: Keywords | None = None) -> Spaces:
        """Return the spaces under some keyword arguments, by default under the defaults."""
        keywords = keywords or self.keywords
        return Spaces(observation=self.observation(keywords), action=self.action(keywords),
                      time_limit=keywords.time_limit)


def _always(space: Space) -> Callable[[Any], Space]:
    return lambda _: space


def _classic(
    name: str, module: str, time_limit: int, threshold: float | None, observation: Space,
    action: Space, source: str, doc: str,
) -> CompiledEntry:
    return CompiledEntry(
        id=name, module=f"{_COMPILED}.{module}", class_name=module.title().replace("_", ""),
        keywords=Keywords(time_limit=time_limit), reward_threshold=threshold,
        observation=_always(observation), action=_always(action), drawing="gym", source=source,
        doc=doc,
    )


@dataclass(frozen=True, kw_only=True)
class PendulumKeywords(Keywords):
    """The keyword arguments of the pendulum."""

    torques: int | None = option(
        None, "Torques to choose from, evenly from -2 to 2; null: any torque, as in gym.",
        domain=Interval(low=2),
    )


def _torques(given: PendulumKeywords) -> Space:
    if given.torques is None:
        return Space((1,), meaning="torque from -2 to 2")
    return Space.discrete(count=given.torques)


CLASSIC = (
    *(_classic(
        f"CartPole-{version}", "cart_pole", time_limit, threshold,
        Space((4,), meaning="cart position and velocity, pole angle and velocity"),
        Space.discrete("push left", "push right"), "gym 0.23 (Barto, Sutton, Anderson 1983)",
        "keep a pole upright on a cart; reward 1 per step",
    ) for version, time_limit, threshold in (("v0", 200, 195.0), ("v1", 500, 475.0))),
    _classic(
        "MountainCar-v0", "mountain_car", 200, -110.0, Space((2,), meaning="position, velocity"),
        Space.discrete("push left", "coast", "push right"), "gym 0.23 (Moore 1990)",
        "drive an underpowered car out of a valley; reward -1 per step",
    ),
    _classic(
        "Acrobot-v1", "acrobot", 500, -100.0,
        Space((6,), meaning="cosine and sine of two angles, two angular velocities"),
        Space.discrete("torque -1", "torque 0", "torque 1 on the joint"),
        "gym 0.23 (Sutton 1996)", "swing a two-link arm above a line; reward -1 per step",
    ),
    CompiledEntry(
        id="Pendulum-v1", module=f"{_COMPILED}.pendulum", class_name="Pendulum",
        keywords=PendulumKeywords(time_limit=200),
        observation=_always(
            Space((3,), meaning="cosine and sine of the angle, angular velocity")),
        action=_torques, drawing="gym", source="gym 0.23",
        doc="swing a pendulum up and hold it; reward is minus a quadratic cost, never terminal",
    ),
)


@dataclass(frozen=True, kw_only=True)
class MinAtarKeywords(Keywords):
    """The keyword arguments of a MinAtar game."""

    sticky_action_probability: float = option(
        0.1, "Chance that the last action is repeated.", domain=UNIT
    )
    difficulty_ramping: bool = option(True, "Whether the game becomes faster.")


@dataclass(frozen=True)
class _Game:
    """What differs between the MinAtar games.

    Attributes:
        name: Module name, as in the package.
        channels: Number of channels of an observation.
        actions: The actions that do something.
        doc: One line about the task.
    """

    name: str
    channels: int
    actions: tuple[str, ...]
    doc: str


_GAMES = (
    _Game("asterix", 4, ("no-op", "left", "up", "right", "down"),
          "collect gold, avoid enemies; a point per gold"),
    _Game("breakout", 4, ("no-op", "left", "right"),
          "bounce a ball to break bricks; a point per brick"),
    _Game("freeway", 7, ("no-op", "up", "down"),
          "cross eight lanes of cars for 2,501 steps; a point per crossing"),
    _Game("seaquest", 10, ("no-op", "left", "up", "right", "down", "fire"),
          "shoot enemies, rescue divers, surface for air; points for both"),
    _Game("space_invaders", 6, ("no-op", "left", "right", "fire"),
          "shoot waves of aliens; a point per alien"),
)
_ALL_ACTIONS = ("no-op", "left", "up", "right", "down", "fire")


def _minatar(game: _Game, version: str) -> CompiledEntry:
    title = game.name.title().replace("_", "")
    minimal = version == "v1"
    return CompiledEntry(
        id=f"MinAtar/{title}-{version}",
        aliases=(f"MinAtar-{title}-{version}", *((f"{title}-MinAtar",) if minimal else ())),
        module=f"{_COMPILED}.minatar.{game.name}",
        class_name=title,
        keywords=MinAtarKeywords(time_limit=10_000),
        fixed={"minimal_action_set": minimal},
        observation=_always(
            Space((10, 10, game.channels), "uint8", meaning="0 or 1 per cell and channel")),
        action=_always(Space.discrete(*(game.actions if minimal else _ALL_ACTIONS))),
        drawing="channels",
        source="MinAtar 1.0.15 (Young and Tian 2019, arXiv:1903.03176)",
        doc=game.doc,
    )


@dataclass(frozen=True, kw_only=True)
class TableKeywords(Keywords):
    """The keyword arguments of every tabular environment."""

    observation: Literal["one_hot", "index"] = option(
        "one_hot", "The state as a one-hot row (float32) or as its index (int32)."
    )
    reward_noise: float = option(
        0.0, "Standard deviation of normal noise on every reward.", domain=NON_NEGATIVE
    )


def _too_large(name: str, num_states: int, num_actions: int) -> Iterator[tuple[str, str]]:
    needed = 8 * num_states**2 * num_actions
    if needed > _MAX_TABLE_BYTES:
        yield name, (
            f"smaller: the table of {num_states:,} states and {num_actions:,} actions needs "
            f"{needed / 2**30:,.0f} GiB of memory; at most {_MAX_TABLE_BYTES / 2**30:.0f} are "
            "allowed"
        )


def _seed() -> Any:
    return option(0, "Decides the table; not the run's seed.", domain=NON_NEGATIVE)


@dataclass(frozen=True, kw_only=True)
class BanditKeywords(TableKeywords):
    """The keyword arguments of the bandit."""

    seed: int = _seed()
    num_actions: int = option(10, "Arms.", domain=AT_LEAST_ONE)


@dataclass(frozen=True, kw_only=True)
class ChainKeywords(TableKeywords):
    """The keyword arguments of the chain."""

    num_states: int = option(5, "Length of the chain.", domain=_AT_LEAST_TWO)
    slip: float = option(0.2, "Chance that the other action happens.", domain=UNIT)
    small: float = option(2.0, "Reward for going back.", domain=FINITE)
    large: float = option(10.0, "Reward at the end.", domain=FINITE)

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Tables are dense."""
        yield from _too_large("num_states", self.num_states, 2)


@dataclass(frozen=True, kw_only=True)
class LockKeywords(TableKeywords):
    """The keyword arguments of the combination lock."""

    seed: int = _seed()
    length: int = option(10, "Digits.", domain=AT_LEAST_ONE)
    num_actions: int = option(2, "Values of a digit.", domain=_AT_LEAST_TWO)

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Tables are dense."""
        yield from _too_large("length", self.length + 1, self.num_actions)


@dataclass(frozen=True, kw_only=True)
class GarnetKeywords(TableKeywords):
    """The keyword arguments of a Garnet."""

    seed: int = _seed()
    num_states: int = option(30, "States.", domain=AT_LEAST_ONE)
    num_actions: int = option(4, "Actions.", domain=AT_LEAST_ONE)
    branching: int = option(4, "Successors of a state and action.", domain=AT_LEAST_ONE)

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Successors are drawn without replacement, and tables are dense."""
        if self.branching > self.num_states:
            yield "branching", f"from 1 to num_states = {self.num_states}"
        yield from _too_large("num_states", self.num_states, self.num_actions)


@dataclass(frozen=True, kw_only=True)
class GridKeywords(TableKeywords):
    """The keyword arguments of the grid world."""

    size: int = option(8, "Rows and columns.", domain=_AT_LEAST_TWO)
    slip: float = option(0.1, "Chance of a random move.", domain=UNIT)

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Tables are dense."""
        yield from _too_large("size", self.size**2, 4)


@dataclass(frozen=True, kw_only=True)
class MazeKeywords(TableKeywords):
    """The keyword arguments of the maze."""

    random_move: float = option(0.1, "Chance of a random legal move; of each one in jax.",
                                domain=UNIT)
    version: Literal["torch", "jax"] = option(
        "torch", "Dynamics of ShinRL's branch; jax has its bug: walls are open, the start is shut."
    )

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """In the jax version each of up to five moves has that chance."""
        if self.version == "jax" and self.random_move > 0.2:
            yield "random_move", "at most 0.2 where version is jax: each of five moves has it"


def _tabular(
    name: str, builder: str, keywords: TableKeywords, num_states: Callable[[Any], int],
    action: Callable[[Any], Space], source: str, doc: str,
) -> CompiledEntry:
    def observation(given: TableKeywords) -> Space:
        if given.observation == "index":
            return Space((), "int32", meaning=f"index of one of {num_states(given)} states")
        return Space((num_states(given),), meaning="the state as a one-hot row")

    return CompiledEntry(
        id=name, module=f"{_COMPILED}.tabular", class_name="build", keywords=keywords,
        fixed={"builder": builder}, observation=observation, action=action, drawing="states",
        source=source, doc=doc,
    )


TABULAR = (
    _tabular(
        "Bandit", "bandit", BanditKeywords(time_limit=1000, reward_noise=1.0), lambda _: 1,
        lambda given: Space.discrete(count=given.num_actions),
        "Sutton and Barto 2018, section 2.3", "pull one of several arms with noisy rewards",
    ),
    _tabular(
        "Chain", "chain", ChainKeywords(time_limit=1000), lambda given: given.num_states,
        _always(Space.discrete("forward", "back")),
        "Dearden, Friedman, Russell 1998; gym's former NChain-v0",
        "give up small rewards for a large one at the end of a slippery chain",
    ),
    _tabular(
        "CombinationLock", "combination_lock", LockKeywords(time_limit=100),
        lambda given: given.length + 1, lambda given: Space.discrete(count=given.num_actions),
        "after Koenig and Simmons 1993", "find the one sequence that opens; a wrong digit resets",
    ),
    _tabular(
        "Garnet", "garnet", GarnetKeywords(time_limit=100), lambda given: given.num_states,
        lambda given: Space.discrete(count=given.num_actions),
        "Archibald, McKinnon, Thomas 1995; sizes of Vieillard et al. 2020, arXiv:2003.14089",
        "a random MDP; reward on a tenth of the states",
    ),
    _tabular(
        "GridWorld", "grid_world", GridKeywords(time_limit=200), lambda given: given.size**2,
        _always(Space.discrete("up", "down", "left", "right")),
        "Sutton and Barto 2018, chapter 4, with a slip",
        "cross an empty square; reward 1 at the goal",
    ),
    _tabular(
        "NoisyMaze", "noisy_maze", MazeKeywords(time_limit=25), lambda _: 16,
        _always(Space.discrete("no-op", "up", "down", "left", "right")),
        "ShinRL's maze, torch version (Kitamura and Yonetani 2021, arXiv:2112.04123)",
        "reach the rewarding cell of a 4 x 4 maze and stay; optimal return 18.11",
    ),
)


@dataclass(frozen=True, kw_only=True)
class FactoredKeywords(Keywords):
    """The keyword arguments of every environment whose action has factors."""

    actions: Literal["factored", "joint"] = option(
        "factored", "One number for each factor, or the index of a combination (a baseline)."
    )


@dataclass(frozen=True, kw_only=True)
class ReacherKeywords(FactoredKeywords):
    """The keyword arguments of the reacher."""

    num_joints: int = option(4, "Joints, each with three torques.", domain=Interval(2, 20))

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Joint actions grow as 3^n."""
        count = 3**self.num_joints
        if self.actions == "joint" and count > MAX_JOINT_ACTIONS:
            yield "actions", (
                f"factored for more than {_most_joints(MAX_JOINT_ACTIONS)} joints: there are "
                f"{count:,} joint actions"
            )


def _most_joints(most_actions: int) -> int:
    """Return n, the largest with 3^n <= `most_actions`."""
    return next(n for n in itertools.count() if 3 ** (n + 1) > most_actions)


def _factored(given: FactoredKeywords, sizes: tuple[int, ...], meaning: str) -> Space:
    if given.actions == "joint":
        return Space.discrete(count=math.prod(sizes))
    return Space.multi_discrete(*sizes, meaning=meaning)


FACTORED = (
    CompiledEntry(
        id="Reacher", module=f"{_COMPILED}.reacher", class_name="Reacher",
        keywords=ReacherKeywords(time_limit=100),
        observation=lambda given: Space(
            (3 * given.num_joints + 2,),
            meaning="cosines, sines, velocities of the joints, hand minus target"),
        action=lambda given: _factored(
            given, (3,) * given.num_joints, "torque -1, 0 or 1 at each joint"),
        drawing="picture", source="erlctl; no published task",
        doc="bring the hand of an arm of 2 to 20 joints to a target",
    ),
    CompiledEntry(
        id="Tanks", module=f"{_COMPILED}.tanks", class_name="Tanks",
        keywords=FactoredKeywords(time_limit=200),
        observation=_always(Space((12,), meaning="levels, valves' openings, set points")),
        action=lambda given: _factored(given, (5,) * 4, "opening of each valve, in quarters"),
        drawing="picture", source="erlctl; no published task",
        doc="hold four tanks that share a pump at their levels",
    ),
)

MINATAR = tuple(_minatar(game, version) for game in _GAMES for version in ("v0", "v1"))

ENTRIES = (*CLASSIC, *MINATAR, *TABULAR, *FACTORED)


def changes_the_task(environment_id: str, argument: str) -> bool:
    """Whether results with another value of a keyword argument are of another task.

    The form of an action is none: returns of the same torques, named one by one or by the index of
    their combination, are compared.
    """
    is_factored = any(environment_id in (entry.id, *entry.aliases) for entry in FACTORED)
    return not (is_factored and argument == "actions")
