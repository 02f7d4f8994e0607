"""Agents whose networks are tables: one-hot observations into linear networks without bias.

State i is the i-th unit vector, so a weight matrix [S, A] is the network's output at every state,
and a gradient with respect to it says which outputs a loss depends on.
"""

import numpy as np
import tensorflow as tf
from tf_agents.specs import tensor_spec
from tf_agents.trajectories import policy_step, trajectory
from tf_agents.trajectories import time_step as ts

from erlctl.agents import build_agent
from erlctl.agents.context import AgentContext
from erlctl.options.networks import Linear
from erlctl.options.optimizers import Sgd
from erlctl.training import seeding


def make_context(
    algorithm, *, num_states=8, num_actions=3, masked=False, network=None, optimizer=None,
    target_update_every=1000, observation=None, action=None,
):
    """Return what `build_agent` needs; targets are not synchronised unless asked."""
    if observation is None:
        observation = tf.TensorSpec([num_states], tf.float32, "observation")
    if masked:
        mask = tf.TensorSpec([num_actions], tf.bool, "mask")
        observation = {"observation": observation, "mask": mask}
    if action is None:
        action = tensor_spec.BoundedTensorSpec((), tf.int32, 0, num_actions - 1, name="action")
    return AgentContext(
        algorithm=algorithm,
        time_step_spec=ts.time_step_spec(observation),
        action_spec=action,
        network=Linear() if network is None else network,
        optimizer=Sgd(learning_rate=1.0) if optimizer is None else optimizer,
        target_update_every=target_update_every,
        target_update_polyak=1.0,
        generator=seeding.make_generator(),
        step=tf.Variable(0, dtype=tf.int64, trainable=False),
        total_steps=1000,
        xla=False,
    )


def make_agent(algorithm, *, seed=0, **kwargs):
    """Return a started agent."""
    agent = build_agent(make_context(algorithm, **kwargs))
    agent.start(np.random.SeedSequence(seed))
    return agent


def set_table(network, rows):
    """Make a linear network return `rows` [S, A]."""
    network.trainable_weights[0].assign(np.asarray(rows, np.float32))


def table(network):
    """Return what a linear network gives at every state, [S, A]."""
    return network.trainable_weights[0].numpy()


def one_hot(states, num_states=8):
    return np.eye(num_states, dtype=np.float32)[states]


def transition(observation, action, reward, discount, next_observation):
    """Return a batch of transitions."""
    size = len(reward)
    kind = np.full(size, ts.StepType.MID)
    tensors = tf.nest.map_structure(tf.convert_to_tensor, (observation, next_observation))
    number = np.asarray(action)
    number = number.astype(np.int32 if number.dtype.kind == "i" else np.float32)
    return trajectory.Transition(
        ts.TimeStep(
            tf.constant(kind, tf.int32), tf.zeros(size), tf.ones(size), tensors[0]
        ),
        policy_step.PolicyStep(tf.constant(number), (), ()),
        ts.TimeStep(
            tf.constant(kind, tf.int32), tf.constant(reward, tf.float32),
            tf.constant(discount, tf.float32), tensors[1],
        ),
    )


def table_batch(batch, gamma):
    """Return (rows [2B, A] of q_t above q_tp1, transitions from state i to state B + i)."""
    size = len(batch["r_tp1"])
    rows = np.vstack([batch["q_t"], batch["q_tp1"]])
    states = np.arange(size)
    experience = transition(
        one_hot(states, 2 * size), batch["a_t"], batch["r_tp1"],
        np.asarray(batch["discount_tp1"]) / gamma, one_hot(states + size, 2 * size),
    )
    return rows, experience


def target_of(agent, experience, actions):
    """Return the targets y [B] that one update of a table agent's Q uses."""
    before = table(agent._q_network)
    info = agent.train(experience)
    return info.extra["loss"].extra.td_error.numpy() + before[np.arange(len(actions)), actions]
