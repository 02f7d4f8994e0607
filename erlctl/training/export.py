"""Policies as SavedModels."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging
from tf_agents.policies import policy_saver, tf_policy
from tf_agents.trajectories import policy_step
from tf_agents.trajectories import time_step as ts

from erlctl.training.host_preprocessing import Normaliser


def export_policy(policy: tf_policy.TFPolicy, folder: str) -> None:
    """Write a policy as a TF-Agents SavedModel (`tf.saved_model.load`; it needs TensorFlow only).

    Args:
        policy: Policy; only its actions are saved where it gives no distributions.
        folder: Where to write.
    """
    verbosity = logging.get_verbosity()
    # Upstream warns about names of arguments that it changes and distributions that there are not.
    logging.set_verbosity(logging.ERROR)
    try:
        policy_saver.PolicySaver(policy).save(folder)
    finally:
        logging.set_verbosity(verbosity)


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
