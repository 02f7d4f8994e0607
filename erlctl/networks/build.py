"""Options of a spec -> TF-Agents networks, and their initialisation from the run's own seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tf_agents.networks import network as network_lib
from tf_agents.networks import sequential
from tf_agents.specs import tensor_spec

from erlctl.errors import ErlctlError
from erlctl.fields import Options
from erlctl.networks.layers import (
    Dueling,
    GraphConv2D,
    JoinAction,
    PatchConv2D,
    Squeeze,
    ToFloat,
)
from erlctl.options.networks import Conv, Linear, Mlp

Layers = list[Any]


def hidden_initializer() -> tf.keras.initializers.Initializer:
    """Return He initialisation, which TF-Agents' QNetwork uses for its hidden layers too."""
    return tf.keras.initializers.VarianceScaling(2.0, "fan_in", "truncated_normal")


def head_initializer() -> tf.keras.initializers.Initializer:
    """Return variance 1 / (3 fan_in), which makes first values small beside a reward of 1."""
    return tf.keras.initializers.VarianceScaling(1.0 / 3.0, "fan_in", "uniform")


def _dense(units: tuple[int, ...], activation: str) -> Layers:
    return [
        tf.keras.layers.Dense(n, activation=activation, kernel_initializer=hidden_initializer())
        for n in units
    ]


def _mlp(options: Mlp, observation: tf.TypeSpec, *, xla: bool) -> Layers:
    del xla
    return [ToFloat(_scale(observation), flatten=True), *_dense(options.hidden, options.activation)]


def _conv(options: Conv, observation: tf.TypeSpec, *, xla: bool) -> Layers:
    if observation.shape.rank != 3:
        raise ErlctlError(
            f"network type conv needs observations [height, width, channels], got shape "
            f"{observation.shape.as_list()}",
            fix="use `network: {type: mlp}`",
        )
    make = PatchConv2D if xla else GraphConv2D
    convolutions = [
        make(filters, kernel, stride, activation=options.activation,
             kernel_initializer=hidden_initializer())
        for filters, kernel, stride in zip(
            options.filters, options.kernels, options.strides, strict=True
        )
    ]
    return [
        ToFloat(_scale(observation)), *convolutions, tf.keras.layers.Flatten(),
        *_dense(options.hidden, options.activation),
    ]


def _linear(options: Linear, observation: tf.TypeSpec, *, xla: bool) -> Layers:
    del options, xla
    return [ToFloat(_scale(observation), flatten=True)]


BODIES: Mapping[type[Options], Callable[..., Layers]] = {Mlp: _mlp, Conv: _conv, Linear: _linear}


def _scale(observation: tf.TypeSpec) -> float:
    # Image bytes become 0..1; bytes whose spec says 0..1 (MinAtar's channels) stay as they are.
    maximum = np.max(getattr(observation, "maximum", 1))
    return 1.0 / 255.0 if observation.dtype == tf.uint8 and maximum > 1 else 1.0


def samplable(observation: Any) -> Any:
    """Return the spec with an entry of its bounds for each of the observation's.

    TF-Agents draws from it to make the weights and adds one to a scalar maximum in the spec's own
    dtype, where NumPy 2 wraps 255 to 0.
    """
    if observation.dtype != tf.uint8 or not hasattr(observation, "maximum"):
        return observation
    low, high = (np.broadcast_to(bound, observation.shape)
                 for bound in (observation.minimum, observation.maximum))
    return tensor_spec.BoundedTensorSpec(
        observation.shape, observation.dtype, low, high, name=observation.name)


def body(options: Any, observation: tf.TypeSpec, *, xla: bool) -> Layers:
    """Return the layers from an observation [B, ...] to features [B, F].

    A body of another package brings them itself, as a method `layers(observation, *, xla)`.
    """
    if (build := BODIES.get(type(options))) is not None:
        return build(options, observation, xla=xla)
    layers: Layers = options.layers(observation, xla=xla)
    return layers


def value_network(
    options: Options, observation: tf.TypeSpec, num_outputs: int, *, xla: bool, name: str
) -> network_lib.Network:
    """Return a network from an observation [B, ...] to `num_outputs` numbers [B, num_outputs].

    Args:
        options: Body; its `dueling` field, where it has one, chooses the head.
        observation: Spec of one observation without the batch axis.
        num_outputs: Actions, or any other number of outputs.
        xla: Whether the network will run inside XLA (decides the form of convolutions).
        name: Name of the network.
    """
    centre = getattr(options, "dueling", None)
    if isinstance(options, Linear):
        head: Any = tf.keras.layers.Dense(
            num_outputs, use_bias=False, kernel_initializer="zeros"
        )
    elif centre is not None:
        head = Dueling(num_outputs, centre, kernel_initializer=head_initializer())
    else:
        head = tf.keras.layers.Dense(num_outputs, kernel_initializer=head_initializer())
    layers = [*body(options, observation, xla=xla), head]
    return sequential.Sequential(layers, input_spec=samplable(observation), name=name)


def state_action_network(
    options: Options, observation: Any, action: Any, *, name: str
) -> network_lib.Network:
    """Return a critic from (observation [B, ...], action [B, D]) to a value [B].

    Raises:
        ErlctlError: The body is not fully connected.
    """
    if not isinstance(options, Mlp):
        raise ErlctlError(
            "critics of continuous actions have fully connected bodies only",
            fix="use `network: {type: mlp}`",
        )
    head = tf.keras.layers.Dense(1, kernel_initializer=head_initializer())
    layers = [JoinAction(), *_dense(options.hidden, options.activation), head, Squeeze()]
    return sequential.Sequential(layers, input_spec=(observation, action), name=name)


def initialise(module: tf.Module, seed: np.random.SeedSequence) -> None:
    """Give every weight of `module` a fresh initial value that depends on `seed` alone.

    The values come from each layer's own initialisers, seeded one by one in the order of the
    layers, so that a compiled program can start another run without being built again.
    """
    for layer in _layers_with_weights(module):
        for weight, initializer in _weights(layer):
            config = initializer.get_config()
            if "seed" in config:
                config["seed"] = int(seed.spawn(1)[0].generate_state(1)[0])
            weight.assign(type(initializer).from_config(config)(weight.shape, dtype=weight.dtype))


def _weights(layer: tf.keras.layers.Layer) -> Iterator[tuple[tf.Variable, Any]]:
    for weight, initializer in (("kernel", "kernel_initializer"), ("bias", "bias_initializer")):
        variable = getattr(layer, weight, None)
        if variable is not None:
            yield variable, getattr(layer, initializer)


def _layers_with_weights(module: tf.Module) -> Iterator[tf.keras.layers.Layer]:
    seen: set[int] = set()
    for layer in module.submodules:
        kernel = getattr(layer, "kernel", None)
        if isinstance(kernel, tf.Variable) and id(kernel) not in seen:
            seen.add(id(kernel))
            yield layer
