"""Schedules inside a compiled program."""

from __future__ import annotations

import tensorflow as tf

from erlctl.fields import Schedule


def schedule_value(schedule: Schedule, step: tf.Tensor) -> tf.Tensor:
    """Return the float32 value of a schedule at an integer step."""
    start = tf.convert_to_tensor(schedule.start, tf.float64)
    if schedule.is_constant:
        return tf.cast(start, tf.float32)
    slope = tf.cast(tf.convert_to_tensor(schedule.end, tf.float64) - start, tf.float32)
    steps = tf.convert_to_tensor(schedule.steps, tf.float32)
    fraction = tf.minimum(tf.cast(step, tf.float32) / steps, 1.0)
    return tf.cast(start, tf.float32) + slope * fraction
