"""Schedules inside a compiled program."""

from __future__ import annotations

import tensorflow as tf

from erlctl.fields import Schedule


def schedule_value(schedule: Schedule, step: tf.Tensor) -> tf.Tensor:
    """Return the float32 value of a schedule at an integer step."""
    if schedule.is_constant:
        return tf.constant(schedule.start, tf.float32)
    fraction = tf.minimum(tf.cast(step, tf.float32) / float(schedule.steps), 1.0)
    return schedule.start + (schedule.end - schedule.start) * fraction
