"""One file with an entry of every kind, for `--trust FILE.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from erlctl.algorithms import Backup, ValueAlgorithm, option, register
from erlctl.environments.catalogue import CompiledEntry, Keywords
from erlctl.environments.registry import register as register_environment
from erlctl.environments.space import Space
from erlctl.fields import AT_LEAST_ONE, POSITIVE, UNIT, Options, Schedule
from erlctl.options.optimizers import Optimizer


@register("algorithm", "their_soft_gap")
@dataclass(frozen=True, kw_only=True)
class SoftGap(ValueAlgorithm):
    """Log-sum-exp values with a gap that is not clipped."""

    summary: ClassVar[str] = "log-sum-exp and gap"
    equation: ClassVar[str] = "y = r + alpha * (q(s, a) - V(q(s))) + gamma * discount * V(q(s'))"
    source: ClassVar[str] = "where it comes from"

    temperature: float = option(0.1, "Temperature of softmax(q / t).", domain=POSITIVE)
    alpha: float = option(0.9, "Weight of the gap.", domain=UNIT)

    def backup(self) -> Backup:
        """Return the target's numbers."""
        return Backup(operator="logsumexp", temperature=self.temperature, gap_scale=self.alpha)


@register("network", "their_wide")
@dataclass(frozen=True, kw_only=True)
class Wide(Options):
    """One layer."""

    units: int = option(32, "Units.", domain=AT_LEAST_ONE)

    def layers(self, observation: Any, *, xla: bool) -> list[Any]:
        """Return the layers from an observation to features."""
        import tensorflow as tf

        del observation, xla
        return [tf.keras.layers.Dense(self.units, "tanh", kernel_initializer="glorot_uniform")]


@register("optimizer", "their_sgd")
@dataclass(frozen=True, kw_only=True)
class Sgd(Optimizer):
    """Gradient descent."""

    def build(self, learning_rate: Any, *, xla: bool) -> Any:
        """Return Keras' optimiser."""
        import tensorflow as tf

        del xla
        return tf.keras.optimizers.SGD(learning_rate, jit_compile=False)


@register("policy", "their_half_random")
@dataclass(frozen=True, kw_only=True)
class HalfRandom(Options):
    """Every second action is uniformly random, as a rule."""

    epsilon: Schedule = option(Schedule.constant(0.5), "Probability.", domain=UNIT)


@dataclass(frozen=True, kw_only=True)
class CorridorKeywords(Keywords):
    """Arguments of the corridor."""

    time_limit: int | None = option(20, "Steps.", domain=AT_LEAST_ONE)
    length: int = option(6, "Cells.", domain=AT_LEAST_ONE)


def make_corridor(num_envs: int, generator: Any, *, time_limit: int | None, length: int) -> Any:
    """Return corridors: right to the end gives 1."""
    import tensorflow as tf
    from tf_agents.specs import tensor_spec

    from erlctl.environments.compiled.base import CompiledEnvironment, specs

    class Corridor(CompiledEnvironment):
        state_specs = specs(x=tf.TensorSpec((1,), tf.float32))
        observation = tensor_spec.BoundedTensorSpec(
            (1,), tf.float32, minimum=0.0, maximum=1.0, name="observation"
        )
        action = tensor_spec.BoundedTensorSpec((), tf.int32, 0, 1, name="action")

        def initial_state(self, draws: tf.Tensor) -> Any:
            return {"x": tf.zeros([tf.shape(draws)[0], 1])}

        def transition(self, state: Any, action: tf.Tensor, draws: tf.Tensor) -> Any:
            del draws
            move = tf.cast(2 * action - 1, tf.float32)[:, tf.newaxis] / length
            x = tf.clip_by_value(state["x"] + move, 0.0, 1.0)
            is_over = x[:, 0] > 1.0 - 0.5 / length
            return {"x": x}, tf.cast(is_over, tf.float32), is_over

        def observe(self, state: Any) -> tf.Tensor:
            return state["x"]

    return Corridor(num_envs, generator, time_limit=time_limit)


register_environment(CompiledEntry(
    id="TheirCorridor", module=__name__, class_name="make_corridor", keywords=CorridorKeywords(),
    observation=lambda _: Space((1,), meaning="how far"),
    action=lambda _: Space.discrete("left", "right"), source="this test", doc="walk to the right",
))
