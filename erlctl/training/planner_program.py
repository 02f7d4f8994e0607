"""A planner's run as a program: NumPy arrays, one iteration a step. No TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from erlctl.algorithms.planners import Planner
from erlctl.environments import registry
from erlctl.environments.catalogue import TableKeywords
from erlctl.errors import ErlctlError
from erlctl.options.policies import Boltzmann
from erlctl.planning import plan as planning
from erlctl.planning.model import Array, model_of, solve
from erlctl.planning.operators import log_policy
from erlctl.planning.rollout import rollout
from erlctl.spec.schema import RunSpec
from erlctl.training import seeding
from erlctl.training.chunk import Chunk, Episodes
from erlctl.training.seeding import Stream

if TYPE_CHECKING:
    from erlctl.training.evaluator import Film, PolicyName

# Name in a checkpoint -> name in `planning.State`, whose log_policy follows from h and iteration.
_SAVED = {
    "counters/step": "iteration", "agent/weights/h": "h", "agent/q": "q",
    "agent/error_sum": "error_sum", "agent/discounted_error": "discounted_error",
}
_METRICS = (
    "suboptimality_sup", "suboptimality_l1", "optimality_gap", "entropy", "kl", "action_gap",
    "preference_max", "bound",
)


class PlannerProgram:
    """A `training.protocol.Program` of a planner on the table of its environment.

    Args:
        run: Resolved spec. Its seed is that of the first `start`, which happens here.

    Raises:
        ErlctlError: The environment has no table.
    """

    max_chunk = 1_000_000  # the loop's own half second is what ends a chunk
    replay_names: frozenset[str] = frozenset()
    weights_names = frozenset({"counters/step", "agent/weights/h"})
    metric_names = _METRICS
    updates = 0  # nothing is fitted

    def __init__(self, run: RunSpec) -> None:
        assert isinstance(run.agent, Planner)
        section = run.environment
        table = registry.table_of(section.id, section.kwargs)
        if table is None:  # for callers that did not come through the front door
            raise ErlctlError(
                f"{run.agent.registered_name} needs a tabular environment; {section.id} is none",
                fix=f"use `algorithm: {run.agent.deep}`, or an environment such as Garnet",
            )
        self._planner = run.agent
        keywords = registry.keywords_of(registry.find(section.id), section.kwargs)
        assert isinstance(keywords, TableKeywords)
        assert keywords.time_limit is not None, "refused by the front door"
        self._time_limit, self._reward_noise = keywords.time_limit, keywords.reward_noise
        self._model = model_of([table], run.agent.gamma)
        self._solution = solve(self._model)
        self.start(run)

    def fits(self, run: RunSpec) -> bool:
        """Whether `run`, which has the program's key, can be started: nothing is compiled."""
        del run
        return True

    def start(self, run: RunSpec) -> None:
        """Make this the fresh run `run`, of the program's key."""
        self.run, self._seed = run, run.seed
        self._before: planning.State | None = None
        state = planning.initial_state(self._model)
        self._arrays = {name: np.array(state[of]) for name, of in _SAVED.items()}

    @property
    def step(self) -> int:
        """Iterations done."""
        return int(self._arrays["counters/step"])

    def state(self) -> Mapping[str, np.ndarray]:
        """Return stable name -> array; what is written into it counts until the next `advance`."""
        return self._arrays

    def advance(self, num_steps: int) -> Chunk:
        """Take `num_steps` iterations."""
        last = self.step + num_steps
        self._before = self._plan(self._state(), last - 1)
        state = self._plan(self._before, last)
        self._arrays = {name: np.array(state[of]) for name, of in _SAVED.items()}
        is_finite = np.isfinite(state["q"]).all()
        none = np.empty(0, np.int64)
        return Chunk(last, self.updates, None if is_finite else last,
                     Episodes(steps=none, returns=np.empty(0), lengths=none))

    def _plan(self, state: planning.State, last: int) -> planning.State:
        # The key of the agent's stream, as an unsigned number.
        key = int(seeding.key_of(self._seed, Stream.AGENT)) % 2**64
        return planning.plan(self._model, self._planner, last, [key], self._planner.errors,
                             state=state, solution=self._solution)

    def _state(self) -> planning.State:
        log_pi = planning.initial_state(self._model)["log_policy"]
        if self.step:
            step = self._planner.step(self.step)
            log_pi = planning.log_policy_of(step, self._arrays["agent/weights/h"])
        return {**{of: self._arrays[name] for name, of in _SAVED.items()}, "log_policy": log_pi}

    def take_diagnostics(self) -> None:
        """Nothing: the row is about the iteration at which it is written."""

    def interval_metrics(self) -> dict[str, float]:
        """Return the figures of `planning.Row` of the last iteration, but those that are nan."""
        if self._before is None:
            return {}
        row = planning.row_of(
            self._model, self._solution, self._planner.step(self.step), self._before,
            self._state(), greedy=not self._is_own("evaluation"),
        )
        figures = {name: float(row.metrics[name][0]) for name in _METRICS}
        return {name: value for name, value in figures.items() if not np.isnan(value)}

    def evaluate(
        self, num_episodes: int, *, seed: int | None = None, policy: PolicyName = "evaluation"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (returns float64, lengths int64) of episodes; see `training.base`."""
        key = [self._seed, Stream.EVALUATION, self.step]
        if seed is not None:
            key = [seed, Stream.FRESH_EVALUATION, 0]
        return rollout(
            self._model, self.policy_table(policy), np.random.default_rng(key), num_episodes,
            time_limit=self._time_limit, reward_noise=self._reward_noise,
        )

    def _is_own(self, name: PolicyName) -> bool:
        """Return whether a policy is pi_k itself, not the greedy one of its preferences."""
        is_boltzmann = isinstance(self.run.evaluation.policy, Boltzmann)
        return name == "collect" or (name == "evaluation" and is_boltzmann)

    def policy_table(self, name: PolicyName) -> Array:
        """Return the probabilities [S, A] of a policy."""
        log_pi = self._state()["log_policy"]
        if not self._is_own(name):
            log_pi = log_policy(self._arrays["agent/weights/h"], 0.0)
        probabilities: Array = np.exp(log_pi[0])
        return probabilities

    def film(self, num_episodes: int, *, seed: int, policy: PolicyName) -> Film:
        """Refuse: a planner plays on the table alone.

        Raises:
            ErlctlError: Always.
        """
        del num_episodes, seed, policy
        raise ErlctlError(
            f"{self._planner.registered_name} is a planner, whose episodes are not drawn",
            fix=f"draw one of its agent, {self._planner.deep}",
        )

    def export_policy(self, folder: str) -> None:
        """Write policy.npz: `policy`, the probabilities [S, A], and the `preferences` [S, A]."""
        np.savez(Path(folder, "policy.npz"), policy=self.policy_table("evaluation"),
                 preferences=self._arrays["agent/weights/h"][0])

    def notes_on_resume(self) -> list[str]:
        """Return nothing: a resumed run goes on bit by bit."""
        return []

    def close(self) -> None:
        """Nothing outlives the object."""
