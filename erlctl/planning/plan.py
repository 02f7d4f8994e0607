"""Runs a planning algorithm: one iteration is a pure function, the state a dict of arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from erlctl.algorithms.planners import Planner, Step
from erlctl.errors import DomainError
from erlctl.options.errors import Errors
from erlctl.planning.errors import Backup, error_of
from erlctl.planning.model import Array, Model, Solution, evaluate, solve, suboptimality
from erlctl.planning.operators import OPERATORS, log_policy, log_sparsemax

State = Mapping[str, np.ndarray]


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """Iteration k: the policy pi_k, greedy in q_0 .. q_{k-1}, and its figures [B].

    Attributes:
        iteration: k = 1, 2, ...
        policy: [B, S, A]; pi_k, or its greedy policy where `plan` was asked for that.
        metrics: Name to [B]: `suboptimality_sup` = max |q* - q^pi|; `suboptimality_l1` =
            sum |q* - q^pi| / sum |q*|; `optimality_gap` = v* - v^pi of the start; `entropy`,
            `kl` (to pi_{k-1}) and `action_gap` (best minus second best preference), means over
            the states; `preference_max` = max |h|; `bound`, which no `suboptimality_sup` of pi_k
            exceeds, where the algorithm has one, else nan (also for a greedy policy that is not
            pi_k).
    """

    iteration: int
    policy: Array
    metrics: Mapping[str, Array]


def initial_state(model: Model) -> State:
    """Return iteration 0: zero tables and a uniform policy."""
    batch, _, actions = model.shape
    return {
        "iteration": np.array(0), "q": np.zeros(model.shape), "h": np.zeros(model.shape),
        "log_policy": np.full(model.shape, -np.log(actions)),
        "error_sum": np.zeros(model.shape), "discounted_error": np.zeros(batch),
    }


def plan(
    model: Model, algorithm: Planner, iterations: int, seeds: Sequence[int],
    errors: Errors | None = None, on_row: Callable[[Row], None] | None = None, *,
    every: int = 1, state: State | None = None, solution: Solution | None = None,
    greedy: bool = False,
) -> State:
    """Iterate up to `iterations` in all; return the state, from which a later call goes on.

    Args:
        model: B problems.
        algorithm: A planner.
        iterations: Last iteration, counted from the very first one.
        seeds: B seeds in [0, 2^64); problem b's errors depend on seeds[b] and the iteration alone.
        errors: What spoils the backups; None is nothing.
        on_row: Called after each `every`-th iteration and after the last.
        every: Iterations between rows.
        state: Where to go on; None starts.
        solution: Optimal values, if known already.
        greedy: Whether rows are about the greedy policy of the preferences.

    Raises:
        DomainError: There is not one seed for each problem.
    """
    if len(seeds) != model.shape[0]:
        raise DomainError("seeds", len(seeds), f"{model.shape[0]}, one for each problem")
    known = solve(model) if solution is None else solution
    state = initial_state(model) if state is None else state
    generators = [np.random.Generator(np.random.Philox(key=seed)) for seed in seeds]
    for k in range(int(state["iteration"]) + 1, iterations + 1):
        step, before = algorithm.step(k), state
        streams = _at_iteration(generators, k)
        state = iterate(model, known, step, before, errors or Errors(), streams)
        if on_row is not None and (k % every == 0 or k == iterations):
            on_row(row_of(model, known, step, before, state, greedy))
    return state


def iterate(
    model: Model, solution: Solution, step: Step, state: State, errors: Errors,
    generators: Sequence[np.random.Generator],
) -> State:
    """Return the state after one iteration of the scheme in `erlctl.algorithms.planners`."""
    q = state["q"]
    h = step.keep * state["h"] + step.take * q
    log_pi = log_policy_of(step, h)
    if step.operator is None:
        v = _regularised_value(step, q, log_pi, state["log_policy"])
    else:
        v = OPERATORS[step.operator](q, step.temperature)
    new = model.backup(v)
    if step.gap_scale:
        gap = q - v[..., np.newaxis]
        new += step.gap_scale * (gap if step.floor is None else np.maximum(gap, step.floor))
    error = error_of(errors, Backup(model, solution, v, generators))
    worst = np.abs(error).max((-2, -1))
    return {
        "iteration": state["iteration"] + 1, "q": new + error, "h": h, "log_policy": log_pi,
        "error_sum": state["error_sum"] + error,
        "discounted_error": model.discount * state["discounted_error"] + worst,
    }


def log_policy_of(step: Step, h: Array) -> Array:
    """Return log pi_k of the preferences h_k, [B, S, A]."""
    return (log_sparsemax if step.operator == "tsallis" else log_policy)(h, step.temperature)


def _at_iteration(
    generators: Sequence[np.random.Generator], iteration: int
) -> Sequence[np.random.Generator]:
    """Move every stream to its part for one iteration: nothing has to be kept for going on."""
    for generator in generators:
        stream = dict(generator.bit_generator.state)
        stream["state"]["counter"] = np.array([0, 0, 0, iteration], np.uint64)
        generator.bit_generator.state = stream | {"buffer_pos": 4, "has_uint32": 0}
    return generators


def _regularised_value(step: Step, q: Array, log_pi: Array, log_previous: Array) -> Array:
    pi = np.exp(log_pi)
    v = (pi * q).sum(-1)
    if step.kl:
        v = v - step.kl * _kl(log_pi, log_previous)
    return v + step.entropy * _entropy(log_pi) if step.entropy else v


def _entropy(log_pi: Array) -> Array:
    return -(np.exp(log_pi) * np.where(np.isfinite(log_pi), log_pi, 0.0)).sum(-1)


def _kl(log_p: Array, log_q: Array) -> Array:
    """Return KL(p || q), inf where p has mass and q has none."""
    ratio = np.subtract(log_p, log_q, out=np.zeros(log_p.shape), where=np.isfinite(log_p))
    # Mass that underflows beside a previous mass of exactly 0 counts as none.
    pi = np.exp(log_p)
    return np.multiply(pi, ratio, out=np.zeros(pi.shape), where=pi > 0.0).sum(-1)


def row_of(
    model: Model, solution: Solution, step: Step, before: State, after: State, greedy: bool
) -> Row:
    """Return the row of the iteration that led from `before` to `after`; see `plan`."""
    h, log_pi = after["h"], after["log_policy"]
    policy = np.exp(log_policy(h, 0.0) if greedy else log_pi)
    q = evaluate(model, policy)
    value = solution.v - (policy * q).sum(-1)
    ordered = np.sort(h, axis=-1)
    gap = ordered[..., -1] - ordered[..., -2] if h.shape[-1] > 1 else np.zeros(h.shape[:-1])
    return Row(iteration=int(after["iteration"]), policy=policy, metrics={
        **suboptimality(solution, q),
        "optimality_gap": (model.start * value).sum(-1),
        "entropy": _entropy(log_pi).mean(-1),
        "kl": _kl(log_pi, before["log_policy"]).mean(-1),
        "action_gap": gap.mean(-1), "preference_max": np.abs(h).max((-2, -1)),
        "bound": np.full(len(h), np.nan) if greedy and step.temperature > 0.0
        else _bound(model, solution, step, before, after),
    })


def _bound(model: Model, solution: Solution, step: Step, before: State, after: State) -> Array:
    """Return a bound on |q* - q^pi_k|, [B]; nan where the algorithm has none.

    `discounted_errors` (AVI): 2 gamma / (1 - gamma) (gamma^{k-1} |q*| + sum_j gamma^{k-1-j}
    |error_j|), the contraction of T and the loss of a greedy policy. `averaged_errors`: Theorem 1
    of "Leverage the Average" for KL alone, 2 / (1 - gamma) |sum of the errors 1..k-1| / k +
    4 v_max / ((1 - gamma) k), v_max = (r_max + kl log A) / (1 - gamma); its constants are
    reconstructed and checked as an inequality.
    """
    k, gamma = int(after["iteration"]), model.discount
    if step.bound == "discounted_errors":
        start = gamma ** (k - 1) * np.abs(solution.q).max((-2, -1))
        return 2.0 * gamma / (1.0 - gamma) * (start + before["discounted_error"])
    if step.bound == "averaged_errors":
        # pi_k has seen the errors before the k-th, which might cancel them.
        error = np.abs(before["error_sum"]).max((-2, -1)) / k
        reward = np.abs(model.rewards).max((-2, -1))
        v_max = (reward + step.kl * np.log(model.shape[2])) / (1.0 - gamma)
        return (2.0 * error + 4.0 * v_max / k) / (1.0 - gamma)
    return np.full(model.shape[0], np.nan)
