"""The one base of all agents: descents and target pairs, from which all the rest follows.

A family says which networks there are, which losses train them and which networks have target
copies; training, `start`, state, clipping, synchronisation and the names of losses are here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tf_agents.agents import tf_agent
from tf_agents.networks import network as network_lib
from tf_agents.policies import tf_policy
from tf_agents.trajectories import trajectory
from tf_agents.utils import common, eager_utils

from erlctl.agents.context import AgentContext, Observation, split_mask
from erlctl.agents.policies import Clock, Temperature, preference_policy
from erlctl.fields import Options, Schedule
from erlctl.maths.values import take_action
from erlctl.networks.build import initialise
from erlctl.networks.features import Landmarks
from erlctl.options.policies import Greedy

LOSSES = {
    "huber": common.element_wise_huber_loss,
    "squared": common.element_wise_squared_loss,
}


@dataclass(frozen=True, eq=False)
class Descent:
    """One descent of an update: which weights follow which loss.

    Attributes:
        loss_name: Name of the loss in the logs; that of the values is "loss".
        optimizer_name: Name of the optimiser's variables in the state.
        optimizer: Optimiser of these weights alone; None where a family's `_descend` needs none.
        weights: What is trained.
        loss: What `Agent._prepare` returned -> the loss, a scalar, and extra tensors.
    """

    loss_name: str
    optimizer_name: str
    optimizer: tf.keras.optimizers.Optimizer | None
    weights: Sequence[tf.Variable]
    loss: Callable[[Any], tf_agent.LossInfo]


class TargetPair(NamedTuple):
    """A network and the copy of it that follows at each synchronisation."""

    online: network_lib.Network
    target: network_lib.Network

    @classmethod
    def of(cls, online: network_lib.Network) -> TargetPair:
        """Return `online`, its variables created, with a copy that shares none of them."""
        online.create_variables()
        return cls(online, common.maybe_copy_target_network_with_checks(
            online, name=f"target_{online.name}"
        ))


class Agent(tf_agent.TFAgent):
    """A TF-Agents agent made of descents and target pairs.

    An update is one step of each descent, in order, on the same batch; then the target networks
    are synchronised where it is time. A family calls this constructor with its parts and gives
    the losses, `preferences` and `_figures`.

    Args:
        context: What every agent is built from.
        networks: Name of the state group -> network with variables; what acting reads is called
            "weights/...". `start` draws their weights in this order.
        targets: Name of the state group of the copy -> pair.
        descents: In the order of their steps.
        extra_state: Further groups of variables.

    Attributes:
        algorithm: Declaration.
        descents: The descents.
        loss_names: Names of the logged losses, "loss" first.
        diagnostic_names: Names of what `diagnostics` returns.
    """

    figure_names: tuple[str, ...] = (
        "q_mean", "action_gap", "preference_max", "entropy", "kl_to_target", "clipped_fraction",
    )

    def __init__(
        self,
        context: AgentContext,
        *,
        networks: Mapping[str, network_lib.Network],
        targets: Mapping[str, TargetPair],
        descents: Sequence[Descent],
        extra_state: Mapping[str, Sequence[tf.Variable]] | None = None,
    ) -> None:
        tf.Module.__init__(self)
        self.algorithm = context.algorithm
        self._policy_temperature = context.lift(lambda algorithm: algorithm.policy_temperature)
        self.descents = tuple(descents)
        # Update order need not be the order of the logs' columns.
        self.loss_names = tuple(
            sorted((descent.loss_name for descent in descents), key=lambda name: name != "loss")
        )
        self.diagnostic_names = (*self.figure_names, "gradient_norm")
        self._optimizers = _built_optimizers(descents)
        self._networks, self._targets = dict(networks), dict(targets)
        self._extra_state = dict(extra_state or {})
        self._adaptive = _landmark_layers(networks.values())
        self._generator = context.generator
        self._acting = tf.Module()  # what policies track
        self._acting.networks = [
            network for name, network in networks.items() if name.startswith("weights/")
        ]
        self._update_target = common.Periodically(
            lambda: self._synchronise(context.target_update_polyak),
            context.target_update_every, "synchronise_targets",
        )
        # Here already, because the policy that upstream's constructor wants reads them.
        self._time_step_spec, self._action_spec = context.time_step_spec, context.action_spec
        policy = self.acting_policy(Greedy(), None)
        super().__init__(
            context.time_step_spec, context.action_spec, policy, policy,
            train_sequence_length=None,
            # TF-Agents' default is one global step that all agents share.
            train_step_counter=tf.Variable(0, dtype=tf.int64, trainable=False),
        )

    def preferences(self, observation: Observation) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Return what policies rank actions by, [B, A], and the mask of legal actions or None."""
        raise NotImplementedError

    def own_temperature(self) -> Temperature:
        """Return the temperature of Boltzmann policies whose section gives none."""
        temperature = self._policy_temperature
        return Schedule.constant(0.0).changed(lambda _: temperature)

    def acting_policy(
        self, options: Options, clock: Clock | None, *, random_steps: int = 0
    ) -> tf_policy.TFPolicy:
        """Return the policy that a section describes on the agent's own networks.

        Args:
            options: A registered policy.
            clock: Time and random numbers; None for the greedy policy only.
            random_steps: Before this environment step every action is uniform.
        """
        return preference_policy(
            self, self._acting, options, clock, random_steps=random_steps,
            own_temperature=self.own_temperature(),
        )

    def start(self, seed: np.random.SeedSequence) -> None:
        """Give each network fresh weights from a seed of its own and copy them to the targets."""
        seeds = seed.spawn(len(self._networks))
        for network, own_seed in zip(self._networks.values(), seeds, strict=True):
            initialise(network, own_seed)
        self.initialize()

    @property
    def is_adapted(self) -> bool:
        """Whether nothing of the networks waits for observations (see `adapt`)."""
        return all(layer.is_adapted for layer in self._adaptive)

    @property
    def num_candidates(self) -> int:
        """N of the observations that `adapt` wants: four for each landmark, as many are alike."""
        return 4 * max(layer.options.count for layer in self._adaptive)

    def adapt(self, observation: Observation) -> None:
        """Choose from observations [N, ...] what networks fix before the first update."""
        for layer in self._adaptive:
            layer.adapt(split_mask(observation)[0])
        self._copy_to_targets(1.0)

    def state_groups(self) -> dict[str, Sequence[tf.Variable]]:
        """Return every variable of the agent by group; group "weights/..." is what acting needs."""
        return {
            **{name: network.variables for name, network in self._networks.items()},
            **{name: pair.target.variables for name, pair in self._targets.items()},
            **{name: optimizer.variables for name, optimizer in self._optimizers.items()},
            **self._extra_state,
            "counters": [self.train_step_counter, *self._update_target.variables],
        }

    def losses(self, info: tf_agent.LossInfo) -> dict[str, tf.Tensor]:
        """Return the scalars of an update that are averaged and logged, by `loss_names`."""
        return {name: info.extra[name].loss for name in self.loss_names}

    def diagnostics(self, transition: trajectory.Transition) -> dict[str, tf.Tensor]:
        """Return scalars about a batch, by `diagnostic_names`; nothing that is learned moves."""
        descent = next(each for each in self.descents if each.loss_name == "loss")
        with unmoved(self._generator):
            batch = self._prepare(transition)
            _, gradients = _loss_and_gradients(descent, batch)
            return {
                **self._figures(batch),
                "gradient_norm": tf.linalg.global_norm([g for g in gradients if g is not None]),
            }

    def _figures(self, batch: Any) -> dict[str, tf.Tensor]:
        """Return the scalars of `figure_names`."""
        raise NotImplementedError

    def _prepare(self, transition: trajectory.Transition) -> Any:
        """Return what all losses of one update read; computed once, before the first step."""
        return transition

    def _initialize(self) -> None:
        self._copy_to_targets(1.0)

    def _copy_to_targets(self, polyak: float) -> tf.Operation:
        return tf.group(*(
            common.soft_variables_update(
                pair.online.variables, pair.target.variables, polyak, tau_non_trainable=1.0
            )
            for pair in self._targets.values()
        ))

    def _synchronise(self, polyak: float) -> tf.Operation:
        """Move the targets; called every `target_update_every` updates."""
        return self._copy_to_targets(polyak)

    def _train(self, experience: trajectory.Transition, weights: Any = None) -> tf_agent.LossInfo:
        assert weights is None, "importance weights are not supported"
        batch = self._prepare(experience)
        infos = {each.loss_name: self._descend(each, batch) for each in self.descents}
        self.train_step_counter.assign_add(1)
        self._update_target()
        return tf_agent.LossInfo(infos["loss"].loss, infos)

    def _loss(
        self, experience: trajectory.Transition, weights: Any = None, training: bool = False
    ) -> tf_agent.LossInfo:
        del weights, training
        batch = self._prepare(experience)
        infos = {each.loss_name: each.loss(batch) for each in self.descents}
        return tf_agent.LossInfo(infos["loss"].loss, infos)

    def _descend(self, descent: Descent, batch: Any) -> tf_agent.LossInfo:
        info, gradients = _loss_and_gradients(descent, batch)
        pairs = list(zip(gradients, descent.weights, strict=True))
        if self.algorithm.gradient_clip_norm is not None:
            pairs = eager_utils.clip_gradient_norms(pairs, self.algorithm.gradient_clip_norm)
        # Keras' sum over replicas, of which a run has one, would join all gradients in one step and
        # keep the program for ever: it is a custom gradient, of which TensorFlow forgets none.
        self._optimizers[descent.optimizer_name].apply_gradients(
            pairs, skip_gradients_aggregation=True
        )
        return info


class TdLossInfo(NamedTuple):
    """Extra of a TD loss, [B] each (quantiles: the mean error of a sample)."""

    td_loss: tf.Tensor
    td_error: tf.Tensor


def td_loss(
    name: str, target: tf.Tensor, q: tf.Tensor, action: tf.Tensor
) -> tf_agent.LossInfo:
    """Return the mean of the loss `name` between `target` [B] and `q` [B, A] at `action` [B]."""
    prediction = take_action(q, action)
    losses = LOSSES[name](target, prediction)
    return tf_agent.LossInfo(tf.reduce_mean(losses), TdLossInfo(losses, target - prediction))


def both_values(
    network: Any, inputs: tf.Tensor, next_inputs: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return `network` at s and at s', [B, A] each, in one pass: cheaper than two small ones."""
    q_t, q_tp1 = tf.split(network(tf.concat([inputs, next_inputs], axis=0))[0], 2)
    return q_t, q_tp1


@contextlib.contextmanager
def unmoved(generator: tf.random.Generator) -> Iterator[None]:
    """Put `generator` back where it was: looking at an agent must not change what it learns."""
    state = generator.state.read_value()
    yield
    generator.state.assign(state)


def _built_optimizers(descents: Iterable[Descent]) -> dict[str, tf.keras.optimizers.Optimizer]:
    built = {}
    for descent in descents:
        if descent.optimizer is not None:
            descent.optimizer.build(descent.weights)
            built[descent.optimizer_name] = descent.optimizer
    return built


def _landmark_layers(networks: Iterable[network_lib.Network]) -> list[Landmarks]:
    return [layer for network in networks for layer in network.submodules
            if isinstance(layer, Landmarks)]


def _loss_and_gradients(
    descent: Descent, batch: Any
) -> tuple[tf_agent.LossInfo, Sequence[tf.Tensor | None]]:
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(descent.weights)
        info = descent.loss(batch)
    return info, tape.gradient(info.loss, descent.weights)
