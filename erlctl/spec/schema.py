"""The spec as frozen dataclasses: sections, one resolved run, the whole experiment. No TensorFlow.

Types tell the reader what to accept: `Literal` for a fixed choice, `Schedule` for a number or
{start, end, steps}, a `Choice` for a section whose class is named by one of its keys.

A spec file holds the keys of `RunSpec` without `variant` and `seed`, three that span runs:

    seeds: 10                     # 10 = seeds 0..9; or [0, 7, 8], or "0-4,10"
    variants:                     # one variant for each label, which is also its folder's name
      dqn: {agent.algorithm: dqn}
      munchausen: {agent: {algorithm: munchausen_dqn, alpha: 0.5}}
    sweep:                        # grid over dotted paths; a list is expanded only here
      optimizer.learning_rate: [1e-3, 3e-4]

and two that belong to `erlctl tune`: `search`, see `SearchSection`, and `tuned`, which says how
many trials of a search stand behind the settings of a variant.

Runs are the product variants x sweep x seeds. `variants` is the way to compare algorithms that
need fields of their own; its paths may be dotted or nested and override the base.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from erlctl.algorithms.base import Algorithm
from erlctl.fields import (
    AT_LEAST_ONE,
    FINITE,
    NON_NEGATIVE,
    POSITIVE,
    UNIT_OPEN_LOW,
    Choice,
    Interval,
    Options,
    Text,
    option,
)
from erlctl.options.networks import Mlp
from erlctl.options.optimizers import Adam, Optimizer
from erlctl.options.policies import Greedy, PolicySection
from erlctl.options.wrappers import Wrappers

SCHEMA_VERSION = 1
NAME = Text(
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}",
    "a folder name of 1 to 80 letters, digits, '.', '_' and '-' that starts with a letter or digit",
)
VARIANT = Text(
    r"[A-Za-z0-9][A-Za-z0-9._=,+-]{0,199}",
    "a folder name of 1 to 200 letters, digits and '._=,+-' that starts with a letter or digit",
)
ENVIRONMENT_ID = Text(r"[^\s\x00-\x1f]{1,200}", "a name without spaces")
Scalar = bool | int | float | str | None
Backend = Literal["auto", "compiled", "gym", "gymnasium", "envpool", "python"]

AlgorithmSection = Annotated[Algorithm, Choice("algorithm", "algorithm")]
NetworkSection = Annotated[Options, Choice("network", "type")]
OptimizerSection = Annotated[Optimizer, Choice("optimizer", "type")]


@dataclass(frozen=True, kw_only=True)
class EnvironmentSection(Options):
    """Which environment, where it runs, how many side by side."""

    id: str = option(doc="Name, as in Gym: CartPole-v1.", domain=ENVIRONMENT_ID)
    backend: Backend = option(
        "auto", "Where it runs; auto is the compiled one where it exists, else gym. Decided when "
        "the run is made: spec.yaml never says auto."
    )
    num_envs: int = option(1, "Environments stepped side by side.", domain=AT_LEAST_ONE)
    kwargs: Mapping[str, Scalar] = option(
        doc="Arguments of the environment; `erlctl environments ID` lists a compiled one's.",
        factory=dict,
    )
    wrappers: Wrappers = option(Wrappers(), "Changes of the environment (host backends only).")
    vectorise: Literal["inline", "subprocess"] = option(
        "inline", "Where host environments are stepped: in the run's own process, or in others."
    )
    step_timeout: float = option(
        60.0, "Seconds after which a host environment counts as hung.", domain=POSITIVE
    )


@dataclass(frozen=True, kw_only=True)
class TrainingSection(Options):
    """How much, how often, on what. Steps are environment steps over all environments."""

    steps: int = option(
        50_000, "Environment steps of the run; iterations of a planner.", domain=AT_LEAST_ONE
    )
    learning_starts: int = option(1000, "Steps before the first update.", domain=NON_NEGATIVE)
    train_every: int = option(
        1, "Vector steps (num_envs environment steps each) between updates.", domain=AT_LEAST_ONE
    )
    updates: int = option(1, "Gradient updates each time.", domain=AT_LEAST_ONE)
    batch_size: int = option(64, "Transitions of an update.", domain=AT_LEAST_ONE)
    replay_capacity: int = option(50_000, "Transitions kept.", domain=AT_LEAST_ONE)
    target_update_every: int = option(
        100, "Updates between synchronisations of the target networks.", domain=AT_LEAST_ONE
    )
    target_update_polyak: float = option(
        1.0, "Weight of the new parameters at a synchronisation.", domain=UNIT_OPEN_LOW
    )
    compile: Literal["auto", "xla", "graph"] = option(
        "auto", "How the program is compiled; auto is what was measured to be faster. Decided when "
        "the run is made: spec.yaml says auto for planners alone, of which nothing is compiled."
    )
    initial_checkpoint: str | None = option(
        None, "Weights to start from: RUN, RUN@STEP, RUN@best or RUN@latest, RUN a run directory."
    )

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """A batch is drawn from what the buffer can hold."""
        if self.batch_size > self.replay_capacity:
            yield "batch_size", f"at most replay_capacity ({self.replay_capacity})"


@dataclass(frozen=True, kw_only=True)
class EvaluationSection(Options):
    """Evaluation on environments and random numbers of its own."""

    every: int = option(5000, "Steps between evaluations; also at the end.", domain=AT_LEAST_ONE)
    episodes: int = option(20, "Episodes of one evaluation.", domain=AT_LEAST_ONE)
    policy: PolicySection = option(Greedy(), "Policy that is evaluated.")


@dataclass(frozen=True, kw_only=True)
class CheckpointSection(Options):
    """Checkpoints of everything that a run is."""

    every: int = option(10_000, "Steps between checkpoints; also at the end.", domain=AT_LEAST_ONE)
    keep: int = option(2, "How many of the newest are kept (the best is kept besides).",
                       domain=AT_LEAST_ONE)
    replay: bool = option(True, "Whether the replay buffer is saved; needed for bit-exact resume.")


@dataclass(frozen=True, kw_only=True)
class LoggingSection(Options):
    """Rows of progress.csv and TensorBoard."""

    every: int = option(1000, "Steps between rows.", domain=AT_LEAST_ONE)
    tensorboard: bool = option(True, "Whether event files are written.")


@dataclass(frozen=True, kw_only=True)
class RunSpec(Options):
    """One resolved run: what `spec.yaml` of a run directory holds.

    Attributes:
        variant: Readable name of the sweep point, a folder name.
        seed: Seed of the run.
    """

    schema: int = option(
        SCHEMA_VERSION, "Version of the spec's format.",
        domain=Interval(SCHEMA_VERSION, SCHEMA_VERSION),
    )
    name: str = option(doc="Folder below the runs directory.", domain=NAME)
    variant: str = option(doc="Folder below the name.", domain=VARIANT)
    seed: int = option(doc="Seed of the run.", domain=NON_NEGATIVE)
    environment: EnvironmentSection = option(doc="Environment.")
    agent: AlgorithmSection = option(doc="Algorithm and its fields.")
    network: NetworkSection = option(Mlp(), "Network body.")
    optimizer: OptimizerSection = option(Adam(), "Optimiser.")
    training: TrainingSection = option(TrainingSection(), "Amounts and frequencies.")
    evaluation: EvaluationSection = option(EvaluationSection(), "Evaluation protocol.")
    checkpoint: CheckpointSection = option(CheckpointSection(), "Checkpoints.")
    logging: LoggingSection = option(LoggingSection(), "Metrics.")

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Steps are counted over all environments, so a vector step is the smallest unit."""
        num_envs = self.environment.num_envs
        if self.training.steps % num_envs:
            nearest = max(num_envs, round(self.training.steps / num_envs) * num_envs)
            yield (
                "training.steps",
                f"a multiple of environment.num_envs ({num_envs}), for example {nearest}",
            )
        if self.training.replay_capacity < num_envs:
            yield "training.replay_capacity", f"at least environment.num_envs ({num_envs})"
        yield from self.agent.conflicts_in(self)

    def warnings(self) -> Iterator[str]:
        """Name settings under which something never happens."""
        steps = self.training.steps
        for path, value, consequence in (
            ("training.learning_starts", self.training.learning_starts, "nothing is ever learned"),
            ("evaluation.every", self.evaluation.every, "it is evaluated only at the end"),
        ):
            is_read = path != "training.learning_starts" or self.agent.base != "planner"
            if is_read and value > steps:
                yield f"{path} ({value}) is more than training.steps ({steps}): {consequence}"
        yield from self.agent.warnings_in(self)


@dataclass(frozen=True, kw_only=True)
class SearchDomain(Options):
    """The values that one field may take in a search."""

    type: Literal["float", "int", "categorical"] = option(doc="Kind of the values.")
    low: float | None = option(None, "Smallest value.", domain=FINITE)
    high: float | None = option(None, "Largest value.", domain=FINITE)
    step: float | None = option(None, "Distance of values; a grid of floats needs it.",
                                domain=POSITIVE)
    log: bool = option(False, "Whether equal factors are equally likely, not equal distances.")
    choices: tuple[str, ...] = option((), "The values, written as in a spec (categorical only).")

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Ends for numbers, choices for the rest."""
        if self.type == "categorical":
            yield from ((name, "absent for type categorical") for name in ("low", "high", "step")
                        if getattr(self, name) is not None)
            if self.log:
                yield "log", "absent for type categorical"
            if len(set(self.choices)) < max(len(self.choices), 2):
                yield "choices", "a list of at least two different values"
            return
        if self.choices:
            yield "choices", f"absent for type {self.type}"
        if self.low is None or self.high is None:
            yield "low" if self.low is None else "high", "a number"
            return
        if not self.low < self.high:
            yield "high", f"greater than low ({self.low:g})"
        if self.log and self.low <= 0:
            yield "low", "greater than 0 with log: true"
        if self.log and self.step is not None:
            yield "step", "absent with log: true"
        if self.type == "int":
            yield from ((name, "a whole number for type int") for name in ("low", "high", "step")
                        if not float(getattr(self, name) or 0).is_integer())


@dataclass(frozen=True, kw_only=True)
class SearchSection(Options):
    """What `erlctl tune` searches. Every variant of the spec gets a search and a budget of its own.

    Attributes:
        space: Dotted path to its domain.
    """

    space: Mapping[str, SearchDomain] = option(
        doc="For each dotted path {type: float | int, low, high, step, log}, or "
        "{type: categorical, choices}.")
    trials: int = option(30, "Settings that are tried, for every variant; a grid has no more than "
                         "its points.", domain=AT_LEAST_ONE)
    sampler: Literal["tpe", "random", "grid", "cmaes"] = option(
        "tpe", "How settings are chosen; cmaes takes numbers alone.")
    pruner: Literal["none", "median", "successive_halving"] = option(
        "none", "Which trials end at a third (a ninth, ...) of their steps: none, those below the "
        "median of the earlier ones, or all but the best third.")
    objective: Literal["final", "best", "area"] = option(
        "final", "What makes a run good: its last or best evaluation, or the mean over training.")
    statistic: Literal["mean", "iqm"] = option("mean", "Over the seeds of a trial.")
    seed: int = option(0, "Seed of the sampler.", domain=NON_NEGATIVE)

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """There is something to search."""
        if not self.space:
            yield "space", "a mapping with at least one path"


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """All runs of one spec file.

    Attributes:
        name: Folder below the runs directory.
        source: Path of the file as the user gave it.
        runs: Variants in the order of the sweep, seeds inside.
        warnings: Sentences about settings that are allowed but probably not meant.
        search: What to search, None where the runs are to be trained as they are.
        tuned: Variant to the number of trials of the search that chose its settings.
    """

    name: str
    source: str
    runs: tuple[RunSpec, ...]
    warnings: tuple[str, ...] = ()
    search: SearchSection | None = None
    tuned: Mapping[str, int] = dataclasses.field(default_factory=dict)
