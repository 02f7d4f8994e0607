"""Play fresh episodes with the policy of a finished, running or broken run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from erlctl import spec
from erlctl.environments.space import Spaces
from erlctl.errors import ErlctlError, Problem, SpecError
from erlctl.experiment import load_all, look_at, trust
from erlctl.runs.layout import RunPaths
from erlctl.runs.programs import ProgramCache
from erlctl.spec.overrides import parse_overrides
from erlctl.spec.schema import EnvironmentSection, RunSpec
from erlctl.spec.source import InMemory

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

    def load(
        self, paths: RunPaths, which: Which, run: RunSpec | None = None
    ) -> tuple[RunSpec, Any, int]:
        """Return (spec, program holding the run's weights, the checkpoint's step).

        Args:
            paths: The run.
            which: The checkpoint.
            run: A spec in place of the run's own, such as `elsewhere` gives.

        Raises:
            ErlctlError: There is no such checkpoint.
            DamagedError: It is damaged.
        """
        from erlctl.runs import checkpoints

        run = run or spec.load_run(paths.spec)
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
        self, paths: RunPaths, which: Which, *, episodes: int | None, policy: str, seed: int,
        run: RunSpec | None = None,
    ) -> Evaluation:
        """Return fresh episodes of a checkpoint; by default as many as the spec's evaluations."""
        run, program, step = self.load(paths, which, run)
        count = run.evaluation.episodes if episodes is None else episodes
        returns, lengths = program.evaluate(count, seed=seed, policy=policy)
        return Evaluation(run, step, returns, lengths)


def elsewhere(
    run: RunSpec, environment_id: str | None, keywords: Sequence[str], trusted: Sequence[str] = ()
) -> RunSpec:
    """Return the spec of a run with another environment that its policy can act in.

    Args:
        run: Resolved spec.
        environment_id: Another environment, without the keyword arguments of the run's own; None:
            the same with other arguments. Wrappers, which make the observation, stay.
        keywords: Texts KEY=VALUE for `environment.kwargs`.
        trusted: Modules that environments may come from.

    Raises:
        SpecError: There is no such environment or argument, or it cannot be made.
        ErlctlError: Its observations or actions are others.
    """
    section = run.environment
    if environment_id is not None:
        # Where one of a package was, another of the same package is meant.
        is_ours = section.backend in ("compiled", "gym")
        section = dataclasses.replace(
            section, id=environment_id, kwargs={}, backend="auto" if is_ours else section.backend)
    problems = list[Problem]()
    parse_overrides(keywords, problems, "--env-kwarg", "KEY=VALUE such as time_limit=200")
    if problems:
        raise SpecError(problems)
    text = spec.dump(dataclasses.replace(run, environment=section))
    overrides = [f"environment.kwargs.{keyword}" for keyword in keywords]
    name = "--env" if environment_id is not None else "--env-kwarg"
    trust.require([section], trusted)
    try:
        (experiment,) = load_all([InMemory(name, text)], overrides, trusted=trusted)
    except SpecError as error:
        raise SpecError(
            dataclasses.replace(problem, source=problem.source.replace("--set", "--env-kwarg"))
            for problem in error.problems) from None
    changed = experiment.runs[0]
    own, other = look_at([run.environment, changed.environment])
    _require_same(run.environment, _border(own), changed.environment, _border(other))
    return changed


def _border(spaces: Spaces) -> str:
    """Return what a policy takes and gives, in words."""
    observation, action = (
        dataclasses.replace(space, meaning="") for space in (spaces.observation, spaces.action))
    return f"observations {observation} and actions {action}"


def _require_same(
    own: EnvironmentSection, own_border: str, other: EnvironmentSection, other_border: str
) -> None:
    if own_border != other_border:
        raise ErlctlError(
            f"{other.id} has {other_border}; the policy was trained on {own.id}, which has "
            f"{own_border}", fix="choose an environment with the same spaces")


def _without_replay(run: RunSpec) -> RunSpec:
    # Playing needs no buffer; a million images would be allocated for nothing.
    size = max(run.training.batch_size, run.environment.num_envs)
    training = dataclasses.replace(run.training, replay_capacity=size)
    return dataclasses.replace(run, training=training)
