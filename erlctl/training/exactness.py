"""What a learned policy loses against the optimum, exactly, where the environment is a table."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import tensorflow as tf
from tf_agents.policies import tf_policy
from tf_agents.trajectories import time_step as ts

from erlctl.environments.compiled.tabular import TabularEnvironment
from erlctl.planning.model import Array, Solution, evaluate, model_of, solve, suboptimality


class ExactLoss:
    """The losses of a policy by solving for its values; draws no random number.

    Args:
        environment: Has the table.
        gamma: Discount in [0, 1).
        policy: Gives a distribution, or is greedy where `is_greedy`.
        is_greedy: Whether the policy gives actions alone, the same ones every time.
    """

    names = ("suboptimality_sup", "suboptimality_l1")

    def __init__(
        self, environment: TabularEnvironment, gamma: float, policy: tf_policy.TFPolicy, *,
        is_greedy: bool,
    ) -> None:
        states, actions = environment.table.rewards.shape

        def probabilities() -> Any:
            observation = environment.observe({"s": tf.range(states)})
            step = ts.restart(observation, batch_size=states)
            if is_greedy:
                return tf.one_hot(policy.action(step).action, actions)
            return policy.distribution(step).action.probs_parameter()

        self._probabilities = tf.function(probabilities, autograph=False)
        self._model = model_of([environment.table], gamma)

    @functools.cached_property
    def _solution(self) -> Solution:
        return solve(self._model)

    def policy(self) -> Array:
        """Return the probabilities as they are now, float64 [S, A]."""
        return np.asarray(self._probabilities(), np.float64)

    def figures(self) -> dict[str, float]:
        """Return the losses as they are now; see `planning.model.suboptimality`."""
        q = evaluate(self._model, self.policy()[np.newaxis])
        losses = suboptimality(self._solution, q)
        return {name: float(losses[name][0]) for name in self.names}
