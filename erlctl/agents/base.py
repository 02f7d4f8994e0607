"""What the training program asks of every agent, and what an agent is built from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import tensorflow as tf
from tf_agents.agents import tf_agent
from tf_agents.networks import network as network_lib
from tf_agents.policies import tf_policy
from tf_agents.trajectories import time_step as ts
from tf_agents.trajectories import trajectory

from erlctl.agents.optimizers import StepSchedule, make_optimizer
from erlctl.algorithms.base import Algorithm
from erlctl.fields import Options, Schedule
from erlctl.networks.build import initialise, value_network

Observation = Any  # a tensor, or {"observation": tensor, "mask": bool [B, A]}


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

    @property
    def observation_spec(self) -> Any:
        """Spec of what the networks read."""
        observation = self.time_step_spec.observation
        return observation["observation"] if isinstance(observation, Mapping) else observation

    @property
    def has_mask(self) -> bool:
        """Whether observations carry a mask of legal actions."""
        return isinstance(self.time_step_spec.observation, Mapping)

    @property
    def num_actions(self) -> int:
        """Number of discrete actions."""
        return int(self.action_spec.maximum - self.action_spec.minimum + 1)

    def value_network(self, name: str, num_outputs: int | None = None) -> network_lib.Network:
        """Return a network from observations to one number per action, or to `num_outputs`."""
        outputs = self.num_actions if num_outputs is None else num_outputs
        return value_network(
            self.network, self.observation_spec, outputs, xla=self.xla, name=name
        )

    def make_optimizer(self, learning_rate: float | None = None) -> tf.keras.optimizers.Optimizer:
        """Return a new optimiser; `learning_rate` replaces the spec's."""
        start = self.optimizer.learning_rate
        chosen = start if learning_rate is None else learning_rate
        final = self.optimizer.final_learning_rate
        if final is None:
            return make_optimizer(self.optimizer, chosen, xla=self.xla)
        end = chosen * final / start
        schedule = Schedule(chosen, end, self.total_steps)
        return make_optimizer(self.optimizer, StepSchedule(schedule, self.step), xla=self.xla)


class TrainableAgent(Protocol):
    """A TF-Agents agent with what the training program needs beside `train`."""

    algorithm: Algorithm

    def train(self, experience: trajectory.Transition, weights: Any = None) -> tf_agent.LossInfo:
        """One update on a batch of transitions."""

    def start(self, seed: np.random.SeedSequence) -> None:
        """Give all networks fresh weights and synchronise their targets."""

    def preferences(self, observation: Observation) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Return what the behaviour policy ranks actions by, [B, A], and the mask or None."""

    def acting_policy(
        self, options: Options, clock: Any, *, random_steps: int
    ) -> tf_policy.TFPolicy:
        """Return the policy that `options` describes on the agent's own networks."""

    def losses(self, info: tf_agent.LossInfo) -> dict[str, tf.Tensor]:
        """Return the scalars of an update that are averaged and logged; "loss" is among them."""

    def diagnostics(self, transition: trajectory.Transition) -> dict[str, tf.Tensor]:
        """Return scalars about a batch; same names at every call."""

    def state_groups(self) -> dict[str, Sequence[tf.Variable]]:
        """Return every variable of the agent by group; group "weights/..." is what acting needs."""


def new_counter() -> tf.Variable:
    """Return a counter at 0; TF-Agents' default is one global step shared by all agents."""
    return tf.Variable(0, dtype=tf.int64, trainable=False)


def split_mask(observation: Observation) -> tuple[tf.Tensor, tf.Tensor | None]:
    """TF-Agents' observation-and-action-constraint splitter: (network input, legal actions)."""
    if isinstance(observation, Mapping):
        return observation["observation"], observation["mask"]
    return observation, None


@contextlib.contextmanager
def unmoved(generator: tf.random.Generator) -> Iterator[None]:
    """Put `generator` back where it was: looking at an agent must not change what it learns."""
    state = generator.state.read_value()
    yield
    generator.state.assign(state)


def start_networks(
    networks: Sequence[network_lib.Network], seed: np.random.SeedSequence
) -> None:
    """Give each network fresh weights from a seed of its own."""
    for network, own_seed in zip(networks, seed.spawn(len(networks)), strict=True):
        initialise(network, own_seed)


def global_norm(gradients: Sequence[tf.Tensor | None]) -> tf.Tensor:
    """Return the Euclidean norm over all gradients, a scalar; None counts as zero."""
    return tf.linalg.global_norm([g for g in gradients if g is not None])
