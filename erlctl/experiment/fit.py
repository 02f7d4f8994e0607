"""Whether algorithm, network and environment of a run go together. No TensorFlow."""

from __future__ import annotations

import bisect
import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any

from erlctl import registry
from erlctl.algorithms.base import Algorithm
from erlctl.algorithms.planners import Planner
from erlctl.environments.catalogue import FACTORED, MAX_JOINT_ACTIONS, TABULAR
from erlctl.environments.host import backends
from erlctl.environments.space import Space, Spaces
from erlctl.experiment import compilation
from erlctl.options.networks import Conv, Features, Linear, Mlp
from erlctl.spec.reader import default_of
from erlctl.spec.schema import CheckpointSection, EnvironmentSection, RunSpec, TrainingSection

# Agents whose networks all give action values; an actor's or a quantile network has other heads.
_VALUE_BASES = ("regularised_dqn", "companion")
# Weights between convolutions and fully connected layers: Nature's network on 84 x 84 has 1.6
# million, MinAtar's there 13.8 million, 75 times as slow per update.
_MAX_DENSE_WEIGHTS = 5_000_000
_TABULAR = tuple(entry.id for entry in TABULAR)
# Sections and fields that nothing reads, by the base of the algorithm: there a run is refused what
# is not the default, which means nothing.
UNREAD: Mapping[str, tuple[str, ...]] = {
    "planner": (
        "network", "optimizer", "environment.num_envs", "environment.wrappers",
        "environment.vectorise", "environment.step_timeout", "training.learning_starts",
        "training.train_every", "training.updates", "training.batch_size",
        "training.replay_capacity", "training.target_update_every",
        "training.target_update_polyak", "training.compile", "training.initial_checkpoint",
        "checkpoint.replay",
    ),
    # An update of kernel_dpp is a whole iteration and sets the target copy itself.
    "kernel": ("optimizer", "training.target_update_every", "training.target_update_polyak"),
}
_DEFAULTS = {
    "environment": EnvironmentSection(id="any"), "training": TrainingSection(),
    "checkpoint": CheckpointSection(),
}
# Memory of fixed features at most; the rest of a run needs far less.
_MAX_FEATURE_BYTES = 2**30
# In a batch: 2.9 million compile, as 45,000 x 64 and 80,000 x 32; 8,192 x 512 abort.
_MAX_XLA_FEATURES = 2_900_000


def misfits(run: RunSpec, spaces: Spaces | None) -> Iterator[tuple[str, str]]:
    """Yield (path, message) for what does not go together.

    Args:
        run: The run.
        spaces: Of its environment, None where they are not known.
    """
    if isinstance(run.agent, Planner):
        yield from _planner_misfits(run.agent, run)
        return
    yield from _network_misfits(run)
    if spaces is None:
        return
    if run.agent.action_kind != spaces.action_kind:
        known = registry.all_of("algorithm").items()
        fitting = [name for name, cls in known
                   if issubclass(cls, Algorithm) and cls.action_kind == spaces.action_kind
                   and not issubclass(cls, Planner)]
        yield "agent.algorithm", (
            f"{run.agent.registered_name} needs {run.agent.action_kind} actions; "
            f"{run.environment.id} has {spaces.action_kind} ones ({spaces.action}), for which "
            f"there are: {', '.join(fitting)}{_joint_advice(run, spaces)}"
        )
    if run.environment.wrappers.normalise_observations and spaces.observation.dtype == "uint8":
        yield "environment.wrappers.normalise_observations", (
            f"{run.environment.id} has pictures of bytes, which networks scale themselves: "
            "remove it"
        )
    if isinstance(run.network, Conv):
        yield from _conv_misfits(run.network, run.environment.id, spaces.observation)
    if isinstance(run.network, Features):
        yield from _feature_misfits(run, run.network, spaces)
    elif isinstance(run.network, Linear) and run.agent.base == "kernel":
        yield from _table_misfits(run, spaces)


def has_table(environment: EnvironmentSection) -> bool:
    """Return whether planners can plan on an environment: it is a compiled tabular one."""
    return environment.id in _TABULAR and backends.resolve(environment) == "compiled"


def _joint_advice(run: RunSpec, spaces: Spaces) -> str:
    """Return how a discrete algorithm gets actions of several factors after all, if it does."""
    factors, environment = spaces.action.factors, run.environment
    has_form = environment.id in [entry.id for entry in FACTORED]
    if not (factors and has_form and backends.resolve(environment) == "compiled"
            and run.agent.action_kind == "discrete" and math.prod(factors) <= MAX_JOINT_ACTIONS):
        return ""
    return (
        f"; or write `environment.kwargs.actions: joint`, which makes {math.prod(factors)} "
        "discrete ones"
    )


def _planner_misfits(planner: Planner, run: RunSpec) -> Iterator[tuple[str, str]]:
    name, environment = planner.registered_name, run.environment
    if not has_table(environment):
        yield "agent.algorithm", (
            f"{name} plans on the table of a compiled tabular environment ({', '.join(_TABULAR)}), "
            f"which {environment.id} is not; the nearest agent is {planner.deep}"
        )
    yield from _unread(run, f"{name} is a planner")


def _unread(run: RunSpec, reason: str) -> Iterator[tuple[str, str]]:
    """Refuse anything but the defaults where the run's algorithm reads nothing."""
    for path in UNREAD[run.agent.base]:
        section, _, name = path.partition(".")
        given = getattr(run, section)
        if not name and given != default_of(RunSpec.__dataclass_fields__[section]):
            yield path, f"{reason} and has none: remove this section"
        elif name and getattr(given, name) != getattr(_DEFAULTS[section], name):
            yield path, (
                f"{reason}, for which this means nothing: remove it, or give it in the variants of "
                "the others alone"
            )


def _network_misfits(run: RunSpec) -> Iterator[tuple[str, str]]:
    name = run.agent.registered_name
    if run.agent.base == "sac" and not isinstance(run.network, Mlp):
        yield "network.type", f"{name} has fully connected networks only; write `type: mlp`"
    elif run.agent.base == "kernel":
        if not isinstance(run.network, (Features, Linear)):
            yield "network.type", (
                f"{name} is linear in fixed features; write `type: features`, or `type: linear` "
                "where observations are features themselves"
            )
        yield from _unread(run, f"{name} solves for its weights")
    elif getattr(run.network, "dueling", None) and run.agent.base not in _VALUE_BASES:
        yield "network.dueling", (
            f"{name} has heads other than action values, which a dueling head means nothing for; "
            "remove it"
        )


def _conv_misfits(network: Conv, name: str, observation: Space) -> Iterator[tuple[str, str]]:
    if len(observation.shape) != 3:
        yield "network.type", (
            f"conv needs observations [height, width, channels]; {name} has {observation}; write "
            "`type: mlp`"
        )
        return
    for side, word in zip(observation.shape, ("high", "wide"), strict=False):
        for index, after in enumerate(sizes := [side, *network.sizes(side)]):
            if after < 1:
                yield f"network.kernels[{index - 1}]", (
                    f"{network.kernels[index - 1]} is more than what this convolution gets: "
                    f"{sizes[index - 1]} pixels {word}"
                )
                return


def _feature_misfits(
    run: RunSpec, network: Features, spaces: Spaces
) -> Iterator[tuple[str, str]]:
    inputs = math.prod(spaces.observation.shape)
    for name in ("lengthscale", "low", "high"):
        if len(getattr(network, name)) not in (1, inputs):
            yield f"network.{name}", (
                f"{run.environment.id}'s observations have {inputs} entries; give one number, or "
                f"{inputs}"
            )
    num_envs = run.environment.num_envs
    if network.features == "nystroem" and run.training.learning_starts < network.count + num_envs:
        yield "training.learning_starts", (
            f"{network.count} landmarks are drawn from the replay when learning starts; must be at "
            f"least {network.count + num_envs}, with num_envs: {num_envs}"
        )
    if network.features == "ald" and run.training.learning_starts < num_envs:
        yield "training.learning_starts", (
            "the dictionary begins with observations of the replay; must be at least "
            f"{num_envs}, the number of environments"
        )
    # XLA's evaluator of constants fails a check on the dictionary's loop inside the run's ("could
    # not find evaluated value for while") with the CPU runtime of `tensorflow_setup`. The newer one
    # compiles it, but takes 1.5 to 2 times as much processor time as graph mode.
    grows = network.features == "ald" and run.agent.base == "kernel"
    if grows and run.training.compile == "xla":
        yield "training.compile", (
            "a dictionary that grows in every update is more than XLA compiles (TensorFlow 2.20 "
            "aborts): write `compile: graph`, which `auto` is too"
        )
    too_large = list(_feature_memory_misfits(run, network, spaces, inputs))
    yield from too_large or _feature_compilation_misfits(run, network.num_features(inputs))


def _feature_compilation_misfits(run: RunSpec, count: int) -> Iterator[tuple[str, str]]:
    """Refuse a batch of features with which XLA fails the check that a growing dictionary fails."""
    batch, mode = run.training.batch_size, run.training.compile
    mode = compilation.choose(run) if mode == "auto" else mode
    if count * batch > _MAX_XLA_FEATURES and mode == "xla":
        yield "training.compile", (
            f"{_short(count)} features of {batch} observations are more than XLA compiles "
            "(TensorFlow 2.20 aborts): write `compile: graph`"
        )


def _feature_bytes(run: RunSpec, num_features: int, num_actions: int) -> int:
    """Return about how much memory updates on fixed features take, without their own weights."""
    batch = run.training.batch_size
    if run.agent.base == "kernel":
        # Float64: normal equations and factors of every action; features at s and s', once in
        # float32, and of an action alone.
        return 8 * num_features * (3 * num_actions * num_features + 4 * batch)
    # Activations at s and s' and their gradient; the head, its target and Adam's two moments.
    return 4 * num_features * (3 * batch + 4 * num_actions)


def _feature_memory_misfits(
    run: RunSpec, network: Features, spaces: Spaces, inputs: int
) -> Iterator[tuple[str, str]]:
    def size(candidate: Features) -> int:
        features = candidate.num_features(inputs)
        # Both copies of the landmarks and of their whitening, which ald has in float64.
        words = {"nystroem": 2, "ald": 4}.get(candidate.features, 0)
        return (_feature_bytes(run, features, spaces.action.num_preferences)
                + 4 * words * features * (features + inputs))

    if (needed := size(network)) <= _MAX_FEATURE_BYTES:
        return
    field, step = ("points", 1) if network.features == "rbf_grid" else ("count", 2)

    def size_with(value: int) -> int:
        changed: dict[str, Any] = {field: value}
        return size(dataclasses.replace(network, **changed))

    candidates = range(2, getattr(network, field), step)
    fitting = bisect.bisect_right(candidates, _MAX_FEATURE_BYTES, key=size_with)
    advice = f"{field}: {candidates[fitting - 1]}" if fitting else "features: fourier"
    yield f"network.{field}", (
        f"{_short(network.num_features(inputs))} features need {_gibibytes(needed)} GiB of "
        f"memory; at most 1 GiB is allowed, which `{advice}` keeps to"
    )


def _short(number: int) -> str:
    """Return a number as text; those of grids in many dimensions have hundreds of digits."""
    return f"{number:,}" if number < 10**12 else f"10^{len(str(number)) - 1}"


def _gibibytes(size: int) -> str:
    # In integers where it is large: it may be more than a float holds.
    return f"{size / 2**30:,.1f}" if size < 2**60 else _short(size // 2**30)


def _table_misfits(run: RunSpec, spaces: Spaces) -> Iterator[tuple[str, str]]:
    inputs = math.prod(spaces.observation.shape)
    needed = _feature_bytes(run, inputs, spaces.action.num_preferences)
    if needed > _MAX_FEATURE_BYTES:
        yield "network.type", (
            f"the normal equations of {inputs:,} observation entries need {needed / 2**30:,.1f} "
            "GiB of memory; at most 1 GiB is allowed: write `{type: features, features: fourier}`"
        )


def warnings(run: RunSpec, spaces: Spaces | None) -> Iterator[str]:
    """Yield sentences about combinations that are allowed but probably not meant."""
    if spaces is None:
        return
    if isinstance(run.network, Conv) and run.network.hidden:
        yield from _conv_warnings(run, run.network, spaces)
    if run.agent.base == "kernel" and isinstance(run.network, Features):
        features = run.network.num_features(math.prod(spaces.observation.shape))
        batch = run.training.batch_size
        if batch < features:
            yield (
                f"training.batch_size: an update of {run.agent.registered_name} fits {features:,} "
                f"weights for each action to {batch:,} transitions alone; thousands are usual, "
                "with training.train_every of 100 or so"
            )


def _conv_warnings(run: RunSpec, network: Conv, spaces: Spaces) -> Iterator[str]:
    height, width = ([side, *network.sizes(side)][-1] for side in spaces.observation.shape[:2])
    channels = (*spaces.observation.shape[-1:], *network.filters)[-1]
    weights = math.prod((height, width, channels, network.hidden[0]))
    if weights > _MAX_DENSE_WEIGHTS:
        yield (
            f"network: {weights / 1e6:.1f} million weights follow the convolutions on "
            f"{run.environment.id}'s {spaces.observation}, which is slow; Nature DQN's network has "
            "filters: [32, 64, 64], kernels: [8, 4, 3], strides: [4, 2, 1], hidden: [512]"
        )
