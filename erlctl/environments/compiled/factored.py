"""Actions of several factors, given as such or as the index of one of their combinations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf
from tf_agents.specs import tensor_spec


class Factored:
    """A compiled environment whose action has factors; mix in before `CompiledEnvironment`.

    Attributes:
        action: Spec of one action: int32 [M], or a scalar for joint actions.
    """

    action: Any

    def set_factors(self, sizes: tuple[int, ...], *, joint: bool) -> None:
        """Choose the action's form; to be called before the base class's constructor."""
        self._sizes, self._joint = sizes, joint
        high: Any = math.prod(sizes) - 1 if joint else np.array(sizes, np.int32) - 1
        self.action = tensor_spec.BoundedTensorSpec(
            () if joint else (len(sizes),), tf.int32, 0, high, name="action"
        )

    def factors_of(self, action: tf.Tensor) -> tf.Tensor:
        """Return the value of each factor, int32 [N, M]; the first runs fastest in an index."""
        if not self._joint:
            return action
        values = []
        for size in self._sizes:
            values.append(action % size)
            action = action // size
        return tf.stack(values, axis=-1)
