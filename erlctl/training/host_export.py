"""A policy that normalises what it sees, for saving."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from tf_agents.policies import tf_policy
from tf_agents.trajectories import policy_step
from tf_agents.trajectories import time_step as ts

from erlctl.training.host_signals import Normaliser


class NormalisedPolicy(tf_policy.TFPolicy):
    """`policy` on observations that are shifted and scaled by the statistics of now.

    Args:
        policy: Acts on normalised observations.
        normaliser: Its figures are copied.
        frame_stack: Frames of an observation, joined on the last axis.
    """

    def __init__(
        self, policy: tf_policy.TFPolicy, normaliser: Normaliser, frame_stack: int
    ) -> None:
        super().__init__(
            policy.time_step_spec, policy.action_spec, clip=False, automatic_state_reset=False
        )
        self._policy = policy
        self._low, self._high = -normaliser.clip, normaliser.clip
        self._mean, self._deviation = (
            tf.constant(np.concatenate([figure] * frame_stack, axis=-1), tf.float32)
            for figure in (normaliser.mean, normaliser.deviation)
        )

    def _variables(self) -> list[tf.Variable]:
        return list(self._policy.variables())

    def _action(
        self, time_step: ts.TimeStep, policy_state: Any, seed: Any
    ) -> policy_step.PolicyStep:
        scaled = (time_step.observation - self._mean) / self._deviation
        scaled = tf.clip_by_value(scaled, self._low, self._high)
        return self._policy.action(time_step._replace(observation=scaled), policy_state, seed)

    def _distribution(self, time_step: ts.TimeStep, policy_state: Any) -> policy_step.PolicyStep:
        raise NotImplementedError("only actions are saved")
