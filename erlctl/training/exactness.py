"""What a learned policy loses against the optimum, exactly, where the environment is a table."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import tensorflow as tf
from tf_agents.policies import tf_policy
from tf_agents.trajectories import time_step as ts

from erlctl.environments.compiled.tabular import TabularEnvironment
from erlctl.planning.model import Array, Model, Solution, evaluate, model_of, solve, suboptimality


class ExactLoss:
    """The losses of a policy by solving for its values; draws no random number.

    Args:
        environment: Has the table.
        policy: Gives a distribution, or is greedy where `is_greedy`.
        is_greedy: Whether the policy gives actions alone, the same ones every time.
    """

    names = ("suboptimality_sup", "suboptimality_l1")

    def __init__(
        self, environment: TabularEnvironment, policy: tf_policy.TFPolicy, *, is_greedy: bool,
    ) -> None:
        states, actions = environment.table.rewards.shape

        def probabilities() -> Any:
            observation = environment.observe({"s": tf.range(states)})
            step = ts.restart(observation, batch_size=states)
            if is_greedy:
                return tf.one_hot(policy.action(step).action, actions)
            return policy.distribution(step).action.probs_parameter()

        self._probabilities = tf.function(probabilities, autograph=False)
        self._table = environment.table
        # Of the run that the program has: the next one may have another discount.
        self._solved = functools.lru_cache(maxsize=1)(self._solve)

    def _solve(self, gamma: float) -> tuple[Model, Solution]:
        model = model_of([self._table], gamma)
        return model, solve(model)

    def policy(self) -> Array:
        """Return the probabilities as they are now, float64 [S, A]."""
        return np.asarray(self._probabilities(), np.float64)

    def figures(self, gamma: float) -> dict[str, float]:
        """Return the losses as they are now, at a discount in [0, 1).

        See `planning.model.suboptimality`.
        """
        model, solution = self._solved(gamma)
        losses = suboptimality(solution, evaluate(model, self.policy()[np.newaxis]))
        return {name: float(losses[name][0]) for name in self.names}
