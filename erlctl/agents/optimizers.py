"""Options of a spec -> Keras optimisers, each in the form that is fastest where it will run."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf

from erlctl.agents.inputs import number_of
from erlctl.agents.schedules import schedule_value
from erlctl.fields import Options, Schedule
from erlctl.options.optimizers import Adam, RmsProp, Sgd


class StepSchedule(tf.keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that follows the environment steps, not the optimiser's own count.

    Args:
        schedule: Value over environment steps.
        step: Environment steps done.
    """

    def __init__(self, schedule: Schedule, step: tf.Variable) -> None:
        super().__init__()
        self._schedule = schedule
        self._step = step

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Return the learning rate now; `step`, the optimiser's count, is not read."""
        del step
        return schedule_value(self._schedule, self._step.read_value())

    def get_config(self) -> dict[str, Any]:
        """Return the schedule's numbers."""
        return dataclasses.asdict(self._schedule.changed(number_of))


class KernelAdam(tf.keras.optimizers.Adam):
    """Keras' Adam with the same variables, its step done by TensorFlow's one kernel for it.

    Outside XLA Keras' own step is a dozen passes over every weight: for the 1.7 million weights of
    the Nature network 3 ms of an update of 20, where the kernel takes 0.9 to 1.6.
    """

    def _internal_apply_gradients(
        self, grads_and_vars: Iterable[tuple[tf.Tensor, tf.Variable]]
    ) -> tf.Tensor:
        # What Keras' `apply_gradients` calls after building, clipping and setting the rate.
        step = tf.cast(self.iterations + 1, tf.float32)
        apply = functools.partial(
            tf.raw_ops.ResourceApplyAdam,
            beta1_power=tf.pow(self.beta_1, step), beta2_power=tf.pow(self.beta_2, step),
            lr=tf.cast(tf.convert_to_tensor(self.learning_rate), tf.float32),
            beta1=tf.constant(self.beta_1), beta2=tf.constant(self.beta_2),
            epsilon=tf.constant(self.epsilon),
        )
        gradients, variables = zip(*grads_and_vars, strict=True)
        # A weight whose old value the backward pass still has to read would be copied first. Once
        # all gradients but the first kernel's are there, nothing reads weights any more, and that
        # one, often the slowest, is computed beside this on a second core.
        with tf.control_dependencies([tf.group(*gradients[1:])]):
            for gradient, variable in zip(gradients, variables, strict=True):
                index = self._index_dict[self._var_key(variable)]
                apply(
                    var=variable.handle, m=self._momentums[index].handle,
                    v=self._velocities[index].handle, grad=gradient,
                )
        return self.iterations.assign_add(1)


def _adam(options: Adam, learning_rate: Any, *, xla: bool) -> tf.keras.optimizers.Optimizer:
    make = tf.keras.optimizers.Adam if xla else KernelAdam
    return make(
        learning_rate, beta_1=options.beta_1, beta_2=options.beta_2, epsilon=options.epsilon,
        jit_compile=False,
    )


def _rmsprop(options: RmsProp, learning_rate: Any, *, xla: bool) -> tf.keras.optimizers.Optimizer:
    del xla
    return tf.keras.optimizers.RMSprop(
        learning_rate, rho=options.rho, epsilon=options.epsilon, centered=options.centered,
        jit_compile=False,
    )


def _sgd(options: Sgd, learning_rate: Any, *, xla: bool) -> tf.keras.optimizers.Optimizer:
    del xla
    return tf.keras.optimizers.SGD(learning_rate, momentum=options.momentum, jit_compile=False)


BUILDERS: Mapping[type[Options], Callable[..., tf.keras.optimizers.Optimizer]] = {
    Adam: _adam, RmsProp: _rmsprop, Sgd: _sgd,
}


def make_optimizer(
    options: Any, learning_rate: Any, *, xla: bool
) -> tf.keras.optimizers.Optimizer:
    """Return the Keras optimiser of a section; one of another package builds itself.

    The new Keras optimisers, not `legacy`: inside XLA they are nearly twice as fast.

    Args:
        options: A registered optimiser.
        learning_rate: A number or a Keras schedule, in place of the section's.
        xla: Whether its steps will be compiled by XLA.
    """
    if (build := BUILDERS.get(type(options))) is not None:
        return build(options, learning_rate, xla=xla)
    return options.build(learning_rate, xla=xla)
