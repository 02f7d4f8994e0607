"""What the companion network C of each two-network algorithm means: one table, read by the agent.

A rule gives the temperature of the policy softmax(C / t), the value of the next state and the
companion's loss. Each takes the outputs of the four networks and the count of synchronisations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import tensorflow as tf

from erlctl.algorithms.companion import Companion
from erlctl.maths import companion as terms
from erlctl.maths import policies, values

ElementLoss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


@dataclass(frozen=True)
class Outputs:
    """Outputs of the four networks for one batch of observations, each of shape [B, A].

    Attributes:
        q: Online Q.
        q_target: Target Q.
        companion: Online C.
        companion_target: Target C.
        mask: Legal actions, or None for all.
    """

    q: tf.Tensor
    q_target: tf.Tensor
    companion: tf.Tensor
    companion_target: tf.Tensor
    mask: tf.Tensor | None = None


@dataclass(frozen=True)
class Rule:
    """Functions of one two-network scheme.

    Attributes:
        temperature: (declaration, syncs) -> t of the algorithm's own policy softmax(C / t), a
            scalar; 0 where it is greedy.
        next_value: (declaration, outputs at s', syncs) -> value [B], without a gradient.
        loss: (declaration, outputs at s, action, syncs, element loss) -> loss [B] of C.
        ranks_by_sum: Whether policies rank actions by Q + C, and not by C alone.
    """

    temperature: Callable[[Companion, tf.Tensor], tf.Tensor]
    next_value: Callable[[Companion, Outputs, tf.Tensor], tf.Tensor]
    loss: Callable[[Companion, Outputs, tf.Tensor, tf.Tensor, ElementLoss], tf.Tensor]
    ranks_by_sum: bool = False


def _zero(declaration: Companion, syncs: tf.Tensor) -> tf.Tensor:
    del declaration
    return tf.zeros_like(syncs)


def _one(declaration: Companion, syncs: tf.Tensor) -> tf.Tensor:
    del declaration
    return tf.ones_like(syncs)


def _kl_coefficient(declaration: Companion, syncs: tf.Tensor) -> tf.Tensor:
    return tf.convert_to_tensor(declaration.kl_coefficient, syncs.dtype)


def _averaging_temperature(declaration: Companion, syncs: tf.Tensor) -> tf.Tensor:
    return terms.dual_averaging_temperature(
        declaration.kl_coefficient, declaration.entropy_coefficient, syncs
    )


def _momentum_value(declaration: Companion, at: Outputs, syncs: tf.Tensor) -> tf.Tensor:
    del declaration, syncs
    return terms.greedy_companion_value(at.q_target, at.companion_target, at.mask)


def _evaluate(
    declaration: Companion, at: Outputs, log_pi: tf.Tensor, log_prior: tf.Tensor
) -> tf.Tensor:
    return terms.evaluation_value(
        at.q_target,
        log_pi,
        log_prior,
        kl_coefficient=declaration.kl_coefficient,
        entropy_coefficient=declaration.entropy_coefficient,
        regularised=declaration.regularised_evaluation,
    )


def _averaged_value(declaration: Companion, at: Outputs, syncs: tf.Tensor) -> tf.Tensor:
    """Online C makes the evaluated policy, target C the previous one (uniform at the start)."""
    log_pi = policies.log_policy(
        at.companion, _averaging_temperature(declaration, syncs), at.mask
    )
    if declaration.entropy_coefficient > 0:
        inverse = 1.0 / tf.convert_to_tensor(declaration.entropy_coefficient, syncs.dtype)
    else:
        # One iteration behind: k / lambda; as a factor, because the temperature is infinite at 0.
        inverse = syncs / declaration.kl_coefficient
    log_prior = policies.log_policy(at.companion_target * inverse, 1.0, at.mask)
    return _evaluate(declaration, at, log_pi, log_prior)


def _mirror_descent_value(declaration: Companion, at: Outputs, syncs: tf.Tensor) -> tf.Tensor:
    del syncs
    log_pi = policies.log_policy(at.companion, 1.0, at.mask)
    log_prior = policies.log_policy(at.companion_target, 1.0, at.mask)
    return _evaluate(declaration, at, log_pi, log_prior)


def _preference_value(declaration: Companion, at: Outputs, syncs: tf.Tensor) -> tf.Tensor:
    """Return t * log sum_a exp((Q + C) / t) with C = t * log pi, both targets."""
    del syncs
    preference = at.q_target + at.companion_target
    return tf.stop_gradient(values.logsumexp(preference, declaration.kl_coefficient, at.mask))


def _momentum_loss(
    declaration: Companion, at: Outputs, action: tf.Tensor, syncs: tf.Tensor, loss: ElementLoss
) -> tf.Tensor:
    """Fit C(s, a) to the average with the ONLINE Q, as Vieillard et al. do."""
    return _averaging_loss(declaration, at, at.q, action, syncs, loss)


def _dual_averaging_loss(
    declaration: Companion, at: Outputs, action: tf.Tensor, syncs: tf.Tensor, loss: ElementLoss
) -> tf.Tensor:
    """Fit C(s, a) to the average with the TARGET Q, so that a period is one iteration."""
    return _averaging_loss(declaration, at, at.q_target, action, syncs, loss)


def _averaging_loss(
    declaration: Companion, at: Outputs, q: tf.Tensor, action: tf.Tensor, syncs: tf.Tensor,
    loss: ElementLoss,
) -> tf.Tensor:
    assert declaration.weight is not None, declaration
    target = terms.averaging_target(
        values.take_action(at.companion_target, action),
        values.take_action(q, action),
        terms.averaging_weight(declaration.weight, syncs),
    )
    return loss(target, values.take_action(at.companion, action))


def _direct_loss(
    declaration: Companion, at: Outputs, action: tf.Tensor, syncs: tf.Tensor, loss: ElementLoss
) -> tf.Tensor:
    del action, syncs, loss
    return terms.mirror_descent_loss(
        at.q_target,
        policies.log_policy(at.companion, 1.0, at.mask),
        policies.log_policy(at.companion_target, 1.0, at.mask),
        kl_coefficient=declaration.kl_coefficient,
        entropy_coefficient=declaration.entropy_coefficient,
    )


def _indirect_loss(
    declaration: Companion, at: Outputs, action: tf.Tensor, syncs: tf.Tensor, loss: ElementLoss
) -> tf.Tensor:
    """Fit the logits of every legal action to those of the mirror-descent step."""
    del action, syncs
    target = terms.mirror_descent_logits(
        at.q_target,
        policies.log_policy(at.companion_target, 1.0, at.mask),
        kl_coefficient=declaration.kl_coefficient,
        entropy_coefficient=declaration.entropy_coefficient,
        mask=at.mask,
    )
    return _mean_over_legal(at, target, loss)


def _preference_loss(
    declaration: Companion, at: Outputs, action: tf.Tensor, syncs: tf.Tensor, loss: ElementLoss
) -> tf.Tensor:
    """Fit C(s, .) to t * log softmax((Q + C) / t), clipped, for every legal action."""
    del action, syncs
    target = terms.scaled_log_policy(
        at.q_target + at.companion_target, declaration.kl_coefficient, declaration.log_policy_clip,
        at.mask,
    )
    return _mean_over_legal(at, target, loss)


def _mean_over_legal(at: Outputs, target: tf.Tensor, loss: ElementLoss) -> tf.Tensor:
    """Return the mean over legal actions of the loss of C against `target` [B, A]: shape [B]."""
    if at.mask is None:
        return tf.reduce_mean(loss(target, at.companion), axis=-1)
    prediction = tf.where(at.mask, at.companion, tf.zeros_like(at.companion))
    errors = loss(target, prediction)  # 0 for illegal actions: both are 0
    return tf.reduce_sum(errors, axis=-1) / values.count_legal(target, at.mask)


COMPANION_RULES: Mapping[str, Rule] = {
    "momentum": Rule(_zero, _momentum_value, _momentum_loss),
    "dual_averaging": Rule(_averaging_temperature, _averaged_value, _dual_averaging_loss),
    "mirror_descent_direct": Rule(_one, _mirror_descent_value, _direct_loss),
    "mirror_descent_indirect": Rule(_one, _mirror_descent_value, _indirect_loss),
    "dynamic_policy_programming": Rule(
        _kl_coefficient, _preference_value, _preference_loss, ranks_by_sum=True
    ),
}
