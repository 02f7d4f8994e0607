"""Play fresh episodes with the policy of a finished, running or broken run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from erlctl import spec
from erlctl.runs.layout import RunPaths
from erlctl.runs.programs import ProgramCache
from erlctl.spec.schema import RunSpec

Which = int | Literal["best", "latest"]


@dataclass(frozen=True)
class Evaluation:
    """Fresh episodes of one run.

    Attributes:
        run: Resolved spec.
        step: Environment steps of the checkpoint.
        returns: Undiscounted returns, float64 [E].
        lengths: Steps, int64 [E].
    """

    run: RunSpec
    step: int
    returns: np.ndarray
    lengths: np.ndarray


class Player:
    """Loads runs into a program; runs that differ in the seed alone share a compiled one.

    Args:
        program_factory: Makes the program of a run.
    """

    def __init__(self, program_factory: Callable[[RunSpec], Any]) -> None:
        self._programs = ProgramCache(lambda run: program_factory(_without_replay(run)))

    def load(self, paths: RunPaths, which: Which) -> tuple[RunSpec, Any, int]:
        """Return (spec, program holding the run's weights, the checkpoint's step).

        Raises:
            ErlctlError: There is no such checkpoint.
            DamagedError: It is damaged.
        """
        from erlctl.runs import checkpoints

        run = spec.load_run(paths.spec)
        program = self._programs.get(run)
        state = program.state()
        weights = {name: state[name] for name in program.weights_names}
        manifest = checkpoints.load_weights(paths, which, weights)
        checkpoints.assign(state["counters/step"], manifest.step)
        return run, program, manifest.step

    def close(self) -> None:
        """Free the program."""
        self._programs.drop()

    def play(
        self, paths: RunPaths, which: Which, *, episodes: int | None, policy: str, seed: int
    ) -> Evaluation:
        """Return fresh episodes of a checkpoint; by default as many as the spec's evaluations."""
        run, program, step = self.load(paths, which)
        count = run.evaluation.episodes if episodes is None else episodes
        returns, lengths = program.evaluate(count, seed=seed, policy=policy)
        return Evaluation(run, step, returns, lengths)


def _without_replay(run: RunSpec) -> RunSpec:
    # Playing needs no buffer; a million images would be allocated for nothing.
    size = max(run.training.batch_size, run.environment.num_envs)
    training = dataclasses.replace(run.training, replay_capacity=size)
    return dataclasses.replace(run, training=training)
