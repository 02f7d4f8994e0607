"""What is known about each compiled environment without importing it: one entry per id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_COMPILED = "erlctl.environments.compiled"


@dataclass(frozen=True, kw_only=True)
class Keyword:
    """A keyword argument of an environment.

    Attributes:
        default: Value that is used where none is given.
        doc: One line: what it means and what is allowed.
    """

    default: Any
    doc: str


TIME_LIMIT = "steps after which an episode is cut off (a truncation), null for no limit"


@dataclass(frozen=True, kw_only=True)
class CompiledEntry:
    """One compiled environment.

    Attributes:
        id: Name in a spec, where there is one the name that gym or MinAtar registers.
        aliases: Other names of the same; `X-MinAtar` is gymnax's.
        module: Module that holds the class; importing it imports TensorFlow.
        class_name: Name of the class, or of a function that makes the environment.
        keywords: Keyword arguments that a spec may give, with defaults.
        fixed: Keyword arguments that the id itself decides.
        reward_threshold: Mean return that counts as solved, or None where nobody defined one.
        observation: Shape, type and meaning of an observation.
        action: Type and meaning of an action.
        drawing: How a frame is drawn: by "gym", as "channels" or as the "states" of a table.
        source: Where the dynamics come from.
        doc: One line about the task.
    """

    id: str
    module: str
    class_name: str
    keywords: Mapping[str, Keyword]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    reward_threshold: float | None = None
    observation: str
    action: str
    drawing: str
    source: str
    doc: str
    aliases: tuple[str, ...] = ()

    @property
    def time_limit(self) -> int | None:
        """Steps of an episode at most, unless a spec says otherwise."""
        limit: int | None = self.keywords["time_limit"].default
        return limit


def _limit(steps: int | None) -> dict[str, Keyword]:
    return {"time_limit": Keyword(default=steps, doc=TIME_LIMIT)}


def _cart_pole(version: str, time_limit: int, threshold: float) -> CompiledEntry:
    return CompiledEntry(
        id=f"CartPole-{version}",
        module=f"{_COMPILED}.cart_pole",
        class_name="CartPole",
        keywords=_limit(time_limit),
        reward_threshold=threshold,
        observation="float32 [4]: cart position and velocity, pole angle and velocity",
        action="discrete 2: push left, push right",
        drawing="gym",
        source="gym 0.23 (Barto, Sutton, Anderson 1983)",
        doc="keep a pole upright on a cart; reward 1 per step",
    )


_MOUNTAIN_CAR = CompiledEntry(
    id="MountainCar-v0",
    module=f"{_COMPILED}.mountain_car",
    class_name="MountainCar",
    keywords=_limit(200),
    reward_threshold=-110.0,
    observation="float32 [2]: position, velocity",
    action="discrete 3: push left, coast, push right",
    drawing="gym",
    source="gym 0.23 (Moore 1990)",
    doc="drive an underpowered car out of a valley; reward -1 per step",
)
_ACROBOT = CompiledEntry(
    id="Acrobot-v1",
    module=f"{_COMPILED}.acrobot",
    class_name="Acrobot",
    keywords=_limit(500),
    reward_threshold=-100.0,
    observation="float32 [6]: cosine and sine of two angles, two angular velocities",
    action="discrete 3: torque -1, 0, 1 on the joint",
    drawing="gym",
    source="gym 0.23 (Sutton 1996)",
    doc="swing a two-link arm above a line; reward -1 per step",
)
_PENDULUM = CompiledEntry(
    id="Pendulum-v1",
    module=f"{_COMPILED}.pendulum",
    class_name="Pendulum",
    keywords=_limit(200),
    observation="float32 [3]: cosine and sine of the angle, angular velocity",
    action="continuous [1]: torque from -2 to 2",
    drawing="gym",
    source="gym 0.23",
    doc="swing a pendulum up and hold it; reward is minus a quadratic cost, never terminal",
)

CLASSIC = (
    _cart_pole("v0", 200, 195.0), _cart_pole("v1", 500, 475.0),
    _MOUNTAIN_CAR, _ACROBOT, _PENDULUM,
)


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
    actions = game.actions if minimal else _ALL_ACTIONS
    return CompiledEntry(
        id=f"MinAtar/{title}-{version}",
        aliases=(f"MinAtar-{title}-{version}", *((f"{title}-MinAtar",) if minimal else ())),
        module=f"{_COMPILED}.minatar.{game.name}",
        class_name=title,
        keywords={
            **_limit(10_000),
            "sticky_action_probability": Keyword(
                default=0.1, doc="chance that the last action is repeated, in [0, 1]"),
            "difficulty_ramping": Keyword(default=True, doc="whether the game becomes faster"),
        },
        fixed={"minimal_action_set": minimal},
        observation=f"uint8 [10, 10, {game.channels}]: 0 or 1 per cell and channel",
        action=f"discrete {len(actions)}: {', '.join(actions)}",
        drawing="channels",
        source="MinAtar 1.0.15 (Young and Tian 2019, arXiv:1903.03176)",
        doc=game.doc,
    )


def _tabular(
    name: str, builder: str, time_limit: int, states: str, action: str, source: str, doc: str,
    reward_noise: float = 0.0, **keywords: Keyword,
) -> CompiledEntry:
    return CompiledEntry(
        id=name,
        module=f"{_COMPILED}.tabular",
        class_name="build",
        keywords={
            **_limit(time_limit),
            "observation": Keyword(default="one_hot", doc="one_hot (float32) or index (int32)"),
            "reward_noise": Keyword(
                default=reward_noise, doc="standard deviation of normal noise on every reward"),
            **keywords,
        },
        fixed={"builder": builder},
        observation=f"one-hot float32 [{states}], or its index",
        action=action,
        drawing="states",
        source=source,
        doc=doc,
    )


_SEED = Keyword(default=0, doc="decides the table; not the run's seed")

TABULAR = (
    _tabular(
        "Bandit", "bandit", 1000, "1", "discrete num_actions: the arms",
        "Sutton and Barto 2018, section 2.3", "pull one of several arms with noisy rewards",
        reward_noise=1.0, seed=_SEED, num_actions=Keyword(default=10, doc="arms"),
    ),
    _tabular(
        "Chain", "chain", 1000, "num_states", "discrete 2: forward, back",
        "Dearden, Friedman, Russell 1998; gym's former NChain-v0",
        "give up small rewards for a large one at the end of a slippery chain",
        num_states=Keyword(default=5, doc="length of the chain"),
        slip=Keyword(default=0.2, doc="chance that the other action happens"),
        small=Keyword(default=2.0, doc="reward for going back"),
        large=Keyword(default=10.0, doc="reward at the end"),
    ),
    _tabular(
        "CombinationLock", "combination_lock", 100, "length + 1", "discrete num_actions: the digit",
        "after Koenig and Simmons 1993", "find the one sequence that opens; a wrong digit resets",
        seed=_SEED, length=Keyword(default=10, doc="digits"),
        num_actions=Keyword(default=2, doc="values of a digit"),
    ),
    _tabular(
        "Garnet", "garnet", 100, "num_states", "discrete num_actions",
        "Archibald, McKinnon, Thomas 1995; sizes of Vieillard et al. 2020, arXiv:2003.14089",
        "a random MDP; reward on a tenth of the states",
        seed=_SEED, num_states=Keyword(default=30, doc="states"),
        num_actions=Keyword(default=4, doc="actions"),
        branching=Keyword(default=4, doc="successors of a state and action"),
    ),
    _tabular(
        "GridWorld", "grid_world", 200, "size * size", "discrete 4: up, down, left, right",
        "Sutton and Barto 2018, chapter 4, with a slip",
        "cross an empty square; reward 1 at the goal",
        size=Keyword(default=8, doc="rows and columns"),
        slip=Keyword(default=0.1, doc="chance of a random move"),
    ),
    _tabular(
        "NoisyMaze", "noisy_maze", 25, "16", "discrete 5: no-op, up, down, left, right",
        "ShinRL's maze, torch version (Kitamura and Yonetani 2021, arXiv:2112.04123)",
        "reach the rewarding cell of a 4 x 4 maze and stay; optimal return 18.11",
        random_move=Keyword(default=0.1, doc="chance of a random legal move"),
    ),
)

MINATAR = tuple(_minatar(game, version) for game in _GAMES for version in ("v0", "v1"))

ENTRIES = (*CLASSIC, *MINATAR, *TABULAR)
