"""Tabular iteration built from `erlctl.maths`: what the identities are checked on, in float64."""

import numpy as np
import tensorflow as tf

from erlctl.algorithms.base import Backup
from erlctl.maths import companion_rules, policies, targets


def zeros(r):
    return np.zeros_like(r)


def backup_step(P, r, gamma, backup):
    """Return q -> expected target of every state-action pair, by `erlctl.maths.targets`."""
    num_states, num_actions = r.shape
    states = tf.repeat(tf.range(num_states), num_actions)
    actions = tf.tile(tf.range(num_actions), [num_states])
    transition, reward = tf.convert_to_tensor(P), tf.constant(r)

    def step(q):
        rows = tf.gather(q, states)
        bonus = targets.gap_term(backup, rows, actions, rows)
        value = targets.next_value(backup, q)
        return reward + tf.reshape(bonus, r.shape) + gamma * tf.linalg.matvec(transition, value)

    return step


def iterate(step, count, table):
    """Return `step` applied `count` times, as one compiled loop."""
    @tf.function
    def loop(x):
        return tf.while_loop(lambda i, _: i < count, lambda i, x: (i + 1, step(x)), (0, x))[1]

    return loop(tf.constant(table)).numpy()


def backup_iteration(P, r, gamma, backup, count, table=None):
    """Return the table after `count` expected targets of `backup`."""
    start = np.zeros_like(r) if table is None else table
    return iterate(backup_step(P, r, gamma, backup), count, start)


def munchausen(alpha, temperature, floor=None):
    """Return Munchausen value iteration's backup; temperature 0 is advantage learning."""
    bounds = (None, None) if floor is None else (floor, 0.0)
    return Backup(
        operator="logsumexp", temperature=temperature, gap_scale=alpha, gap_range=bounds
    )


def policy(q, temperature):
    """Return softmax(q / t) by `erlctl.maths.policies`."""
    return np.exp(policies.log_policy(tf.constant(q), temperature).numpy())


def companion_period(P, r, gamma, declaration, q, companion, syncs):
    """Return (q, C) after one period in which both networks are fitted exactly.

    First C, whose targets are fixed within the period, then Q. `fit_companion` finds the C of zero
    loss from the rule's own loss: squared loss of one entry at a time has its minimum one gradient
    step of size 1/2 away.
    """
    rule = companion_rules.COMPANION_RULES[declaration.rule]
    k = tf.constant(float(syncs), tf.float64)
    new = fit_companion(rule, declaration, q, companion, k)
    at = outputs(q, q, new, companion)
    value = rule.next_value(declaration, at, k)
    return r + gamma * P @ value.numpy(), new


def outputs(q, q_target, companion, companion_target):
    """Return the four networks' outputs at every state."""
    return companion_rules.Outputs(
        tf.constant(q), tf.constant(q_target), tf.constant(companion),
        tf.constant(companion_target),
    )


def fit_companion(rule, declaration, q, companion, syncs):
    """Return the companion table that minimises the rule's squared loss over all pairs."""
    num_states, num_actions = q.shape
    states = np.repeat(np.arange(num_states), num_actions)
    actions = tf.constant(np.tile(np.arange(num_actions), num_states), tf.int32)
    table = tf.Variable(companion)
    with tf.GradientTape() as tape:
        at = companion_rules.Outputs(
            tf.gather(tf.constant(q), states), tf.gather(tf.constant(q), states),
            tf.gather(table, states), tf.gather(tf.constant(companion), states),
        )
        loss = tf.reduce_sum(rule.loss(declaration, at, actions, syncs, tf.math.squared_difference))
    gradient = tf.convert_to_tensor(tape.gradient(loss, table))
    # Losses over all actions visit each entry A times with weight 1 / A: 1 square per entry.
    return companion - 0.5 * gradient.numpy()


def companion_gradient(rule, declaration, q, companion_target, companion):
    """Return the gradient of a direct loss with respect to the companion table."""
    table = tf.Variable(companion)
    with tf.GradientTape() as tape:
        at = companion_rules.Outputs(
            tf.constant(q), tf.constant(q), table, tf.constant(companion_target)
        )
        loss = tf.reduce_sum(rule.loss(declaration, at, None, None, None))
    return tape.gradient(loss, table).numpy()
