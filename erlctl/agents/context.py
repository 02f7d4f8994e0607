"""Everything that an agent is built from: declaration, specs, optimisers, inputs of the program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf
from tf_agents.networks import network as network_lib
from tf_agents.trajectories import time_step as ts

from erlctl.agents.inputs import Inputs
from erlctl.agents.optimizers import StepSchedule, make_optimizer
from erlctl.fields import Options, Schedule
from erlctl.networks.build import value_network
from erlctl.spec.schema import RunSpec

Observation = Any  # a tensor, or {"observation": tensor, "mask": bool [B, A]}
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class AgentContext:
    """Everything that an agent is built from.

    Attributes:
        algorithm: Declaration.
        time_step_spec: TF-Agents spec of the environment's time steps.
        action_spec: TF-Agents spec of its actions.
        network: Body of every network.
        optimizer: Optimiser of every network.
        target_update_every: Updates between synchronisations of the target networks.
        target_update_polyak: Weight of the new parameters at a synchronisation.
        generator: Source of the random numbers that updates draw (quantiles, actor samples).
        step: int64 variable, environment steps done; read by learning-rate schedules.
        total_steps: Environment steps of the run.
        xla: Whether updates will be compiled by XLA.
        inputs: Inputs of the program that the agent is part of; `algorithm` has them as its
            numbers. None where the agent is all there is.
    """

    algorithm: Any
    time_step_spec: ts.TimeStep
    action_spec: Any
    network: Options
    optimizer: Any
    target_update_every: int
    target_update_polyak: float
    generator: tf.random.Generator
    step: tf.Variable
    total_steps: int
    xla: bool
    inputs: Inputs | None = None

    def lift(self, of: Callable[[Any], T]) -> T:
        """Return `of(algorithm)`, computed with Python's numbers, with inputs in their place."""
        if self.inputs is None:
            return of(self.algorithm)
        return self.inputs.lift(lambda run: of(run.agent))

    def variable(self, of: Callable[[Any], float]) -> tf.Variable:
        """Return a float32 variable that begins each run as `of(algorithm)`."""
        first = of(self.algorithm) if self.inputs is None else of(self.inputs.run.agent)
        variable = tf.Variable(first, dtype=tf.float32)
        if self.inputs is not None:
            self.inputs.bind(variable, lambda run: of(run.agent))
        return variable

    @property
    def observation_spec(self) -> Any:
        """Spec of what the networks read."""
        return split_mask(self.time_step_spec.observation)[0]

    @property
    def num_actions(self) -> int:
        """Number of discrete actions."""
        return int(self.action_spec.maximum - self.action_spec.minimum + 1)

    @property
    def factors(self) -> tuple[int, ...]:
        """Number of values of each factor of multi-discrete actions."""
        sizes = self.action_spec.maximum - self.action_spec.minimum + 1
        return tuple(int(size) for size in np.broadcast_to(sizes, self.action_spec.shape))

    def value_network(self, name: str, num_outputs: int | None = None) -> network_lib.Network:
        """Return a network from observations to one number per action, or to `num_outputs`."""
        outputs = self.num_actions if num_outputs is None else num_outputs
        return value_network(
            self.network, self.observation_spec, outputs, xla=self.xla, name=name
        )

    def make_optimizer(
        self, own_rate: Callable[[Any], float | None] = lambda _: None
    ) -> tf.keras.optimizers.Optimizer:
        """Return a new optimiser.

        Args:
            own_rate: Algorithm -> a learning rate in place of the optimiser's, or None.
        """
        def schedule(algorithm: Any, optimizer: Any, steps: int) -> Schedule:
            own, final = own_rate(algorithm), optimizer.final_learning_rate
            start = optimizer.learning_rate if own is None else own
            end = start if final is None else start * final / optimizer.learning_rate
            return Schedule(start, end, steps)

        def of(run: RunSpec) -> Schedule:
            return schedule(run.agent, run.optimizer, run.training.steps)

        # Another package's optimiser takes its rate as it likes: it is part of the program's key.
        inputs = None if self.optimizer.builds_itself else self.inputs
        now = schedule(self.algorithm, self.optimizer, self.total_steps) \
            if self.inputs is None else of(self.inputs.run)
        if self.optimizer.final_learning_rate is not None:
            moving = now if inputs is None else inputs.lift(of)
            return make_optimizer(self.optimizer, StepSchedule(moving, self.step), xla=self.xla)
        made = make_optimizer(self.optimizer, now.start, xla=self.xla)
        if inputs is not None:
            inputs.bind(made.learning_rate, lambda run: of(run).start)
        return made


def split_mask(observation: Observation) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Return (network input, legal actions or None) of an observation or of its spec."""
    if isinstance(observation, Mapping):
        return observation["observation"], observation["mask"]
    return observation, None
