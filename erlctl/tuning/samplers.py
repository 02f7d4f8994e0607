"""How the next setting is chosen: Optuna's samplers, or ours where Optuna's would not do.

A sampler is made anew for every trial and depends on the study and the trial's number alone, so
that a search that was killed goes on as it would have. Optuna's own CMA-ES keeps its state as a
pickle in the study and its grid ends a study by itself; both are written here without either.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cmaes
import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from erlctl.spec.schema import SearchDomain, SearchSection

Space = Mapping[str, BaseDistribution]
_SIGMA = 1 / 6  # of the unit cube; with the mean in the middle the ends are three deviations away
_STARTUP = 10  # random trials before the first model, a third of the budget at most


def distributions(space: Mapping[str, SearchDomain]) -> dict[str, BaseDistribution]:
    """Return a space in Optuna's words; choices are texts of YAML."""
    return {path: _distribution(domain) for path, domain in space.items()}


def _distribution(domain: SearchDomain) -> BaseDistribution:
    if domain.type == "categorical":
        return CategoricalDistribution(domain.choices)
    assert domain.low is not None
    assert domain.high is not None
    if domain.type == "int":
        return IntDistribution(int(domain.low), int(domain.high), log=domain.log,
                               step=int(domain.step or 1))
    steps = math.floor((domain.high - domain.low) / domain.step + 1e-9) if domain.step else 0
    high = domain.low + steps * domain.step if domain.step else domain.high
    return FloatDistribution(domain.low, high, log=domain.log, step=domain.step)


def make(section: SearchSection, space: Space, number: int) -> optuna.samplers.BaseSampler:
    """Return the sampler of trial `number`."""
    seed = int(np.random.SeedSequence([section.seed, number]).generate_state(1)[0])
    return _MAKERS[section.sampler](section, space, seed)


def count(section: SearchSection, space: Space) -> int:
    """Return how many trials a study gets: a grid has no more than its points."""
    size = len(Grid(space)) if section.sampler == "grid" else section.trials
    return min(section.trials, size)


class _Together(optuna.samplers.BaseSampler):
    """A sampler that chooses all values of a trial at once."""

    def __init__(self, space: Space) -> None:
        self._space = dict(space)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: optuna.trial.FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the whole space."""
        del study, trial
        return self._space

    def sample_independent(
        self, study: optuna.Study, trial: optuna.trial.FrozenTrial, param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return the one value of a distribution that has no other."""
        del study, trial, param_name
        (value,) = _values(param_distribution)
        return value


class Grid(_Together):
    """Every point of the grid, the last path fastest; trial n is point n."""

    def __len__(self) -> int:
        return math.prod(len(_values(d)) for d in self._space.values())

    def sample_relative(
        self, study: optuna.Study, trial: optuna.trial.FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        """Return the trial's point."""
        del study, search_space
        points = itertools.product(*(_values(d) for d in self._space.values()))
        return dict(zip(self._space, next(itertools.islice(points, trial.number, None)),
                        strict=True))


class CmaEs(_Together):
    """CMA-ES (Hansen 2016, arXiv:1604.00772) on the unit cube, told the past again for each trial.

    Args:
        space: Numbers, at least two.
        seed: Of this trial.
    """

    def __init__(self, space: Space, seed: int) -> None:
        super().__init__(space)
        size = len(space)
        self._optimizer = cmaes.CMA(mean=np.full(size, 0.5), sigma=_SIGMA, seed=seed,
                                    bounds=np.tile([0.0, 1.0], (size, 1)))

    def sample_relative(
        self, study: optuna.Study, trial: optuna.trial.FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        """Return a sample of the distribution after all full generations of ended trials."""
        del trial, search_space
        ended = [t for t in study.get_trials(deepcopy=False) if t.state.is_finished()]
        size = self._optimizer.population_size
        for start in range(0, len(ended) - size + 1, size):
            generation = ended[start:start + size]
            losses = [-t.value for t in generation if t.value is not None]
            worst = max(losses, default=0.0)
            self._optimizer.tell([
                (np.array([_to_unit(self._space[name], t.params[name]) for name in self._space]),
                 worst if t.value is None else -t.value)
                for t in generation
            ])
        point = self._optimizer.ask()
        return {name: _from_unit(distribution, float(x))
                for (name, distribution), x in zip(self._space.items(), point, strict=True)}


def _values(distribution: BaseDistribution) -> Sequence[Any]:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    assert isinstance(distribution, (IntDistribution, FloatDistribution))
    step = distribution.step or math.inf
    steps = round((distribution.high - distribution.low) / step)
    return [distribution.low + index * step if index else distribution.low
            for index in range(int(steps) + 1)]


def _to_unit(distribution: BaseDistribution, value: float) -> float:
    assert isinstance(distribution, (IntDistribution, FloatDistribution))
    low, high = float(distribution.low), float(distribution.high)
    if distribution.log:
        low, high, value = math.log(low), math.log(high), math.log(value)
    return (value - low) / (high - low)


def _from_unit(distribution: BaseDistribution, x: float) -> float | int:
    assert isinstance(distribution, (IntDistribution, FloatDistribution))
    low, high = float(distribution.low), float(distribution.high)
    value = (math.exp(math.log(low) + x * (math.log(high) - math.log(low)))
             if distribution.log else low + x * (high - low))
    if distribution.step is not None:
        value = low + round((value - low) / distribution.step) * distribution.step
    value = min(max(value, low), high)  # exp(log(high)) may exceed high by a rounding
    return round(value) if isinstance(distribution, IntDistribution) else value


_MAKERS: Mapping[str, Callable[[SearchSection, Space, int], optuna.samplers.BaseSampler]] = {
    "tpe": lambda section, _, seed: optuna.samplers.TPESampler(
        seed=seed, n_startup_trials=min(_STARTUP, section.trials // 3 + 1)),
    "random": lambda _, __, seed: optuna.samplers.RandomSampler(seed=seed),
    "grid": lambda _, space, __: Grid(space),
    "cmaes": lambda _, space, seed: CmaEs(space, seed),
}
