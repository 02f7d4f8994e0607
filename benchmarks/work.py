"""The work that every program is given, and the one way to time it. Standard library only."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

# Rows in the replay before the first update; every program fills it with random actions.
LEARNING_STARTS = 1000
REPLAY_CAPACITY = 50_000
EPSILON = 0.1
LEARNING_RATE = 1e-3
GAMMA = 0.99


@dataclass(frozen=True, kw_only=True)
class Work:
    """Equal work: updates of `batch_size` transitions after every step of all environments.

    Attributes:
        environment: Gym's id, or EnvPool's of an Atari game.
        backend: Where erlctl steps it.
        num_envs: Environments stepped together.
        updates: Updates after each step of all of them.
        algorithm: erlctl's name of the algorithm; peers run theirs of that name.
        options: Its fields, where they are not the defaults.
        network: "mlp", "minatar" (16 filters, 128 units) or "nature" (DQN's on 84 x 84 images).
        hidden: Units of each hidden layer of the MLP.
        compile: erlctl's `training.compile`.
        cores: What the program may use; erlctl as `erlctl train` gives them to a run.
        batch_size: Transitions of an update.
        target_update_every: Updates between synchronisations of the target network.
        target_update_polyak: Weight of the new parameters at a synchronisation.
        warmup: Steps with updates before the clock starts: compilation, caches.
        steps: Steps that are timed.
        seeds: Runs side by side in one program, where a program can do that.
    """

    environment: str = "CartPole-v1"
    backend: str = "auto"
    num_envs: int = 1
    updates: int = 1
    algorithm: str = "dqn"
    options: dict[str, Any] = field(default_factory=dict)
    network: str = "mlp"
    hidden: tuple[int, ...] = (64, 64)
    compile: str = "auto"
    cores: int = 1
    batch_size: int = 64
    target_update_every: int = 100
    target_update_polyak: float = 1.0
    warmup: int = 100
    steps: int = 1000
    seeds: int = 1

    def to_json(self) -> str:
        """Return what `from_argv` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_argv(cls) -> Work:
        """Return the work named by the first command-line argument."""
        fields = json.loads(sys.argv[1])
        return cls(**{**fields, "hidden": tuple(fields["hidden"])})


def report(work: Work, advance: Callable[[int], None]) -> None:
    """Call `advance(number of steps)` for the warm-up, then timed; print one line of JSON.

    Steps are those of single environments.
    """
    advance(work.warmup)
    start = time.perf_counter()
    advance(work.steps)
    seconds = time.perf_counter() - start
    print(json.dumps({"steps": work.steps, "seconds": seconds, "rate": work.steps / seconds}))
