"""A policy as a SavedModel."""

from __future__ import annotations

from absl import logging
from tf_agents.policies import policy_saver, tf_policy


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
