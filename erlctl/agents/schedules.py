"""Schedules inside a compiled program."""

from __future__ import annotations

import tensorflow as tf

from erlctl.fields import Schedule


def schedule_value(schedule: Schedule, step: tf.Tensor) -> tf.Tensor:
    """Return the float32 value of a schedule at an integer step."""
    start = tf.convert_to_tensor(schedule.start, tf.float32)
    if schedule.is_constant:
        return start
    end, steps = (
        tf.convert_to_tensor(x, tf.float32) for x in (schedule.end, schedule.steps)
    )
    return start + (end - start) * tf.minimum(tf.cast(step, tf.float32) / steps, 1.0)
