"""Noisy backups: KL regularisation averages the errors, the hard maximum does not."""

import numpy as np
import pytest
import tensorflow as tf

from tests.maths import schemes
from tests.oracles import tabular

GAMMA = 0.9
ITERATIONS = (50, 200, 800)


def sampled_iteration(P, r, rng, backup, start):
    """Return tables at ITERATIONS with one sampled successor for each pair in each backup."""
    @tf.function
    def step(q, successors):
        # A sampled backup is an expected one whose transition matrix has a single 1 in each row.
        transition = tf.one_hot(successors, r.shape[0], dtype=tf.float64)
        return schemes.backup_step(transition, r, GAMMA, backup)(q)

    q, tables = tf.constant(start), {}
    for k in range(1, ITERATIONS[-1] + 1):
        tables[k - 1] = q
        q = step(q, tf.constant(tabular.sample_successors(rng, P), tf.int32))
    return {k: tables[k - 1].numpy() for k in ITERATIONS}


def mean_errors(alpha, temperature, num_garnets=2):
    """Return k -> mean normalised L1 error of the policy of iterate k over Garnets."""
    errors = {k: [] for k in ITERATIONS}
    for seed in range(num_garnets):
        P, r = tabular.garnet(np.random.default_rng(100 + seed))
        optimal = tabular.optimal_q(P, r, GAMMA, 600)
        start = np.full(r.shape, -alpha * temperature * np.log(r.shape[1]))
        tables = sampled_iteration(
            P, r, np.random.default_rng(7 + seed), schemes.munchausen(alpha, temperature), start
        )
        for k, q in tables.items():
            pi = tabular.softmax(q, temperature)
            error = np.abs(optimal - tabular.policy_q(P, r, GAMMA, pi)).sum()
            errors[k].append(error / np.abs(optimal).sum())
    return {k: float(np.mean(values)) for k, values in errors.items()}


def test_kl_averages_sampling_errors_and_the_hard_maximum_does_not():
    kl, hard = mean_errors(1.0, 0.1), mean_errors(0.0, 0.0)
    assert kl[800] < 0.05 < 0.25 < hard[800]
    assert kl[50] > 1.5 * kl[200] > 2.25 * kl[800]


@pytest.mark.slow
def test_more_kl_beside_a_fixed_entropy_lowers_the_plateau():
    """Entropy 1e-3, beta 0, 0.5, 0.9, 0.99: about 0.41, 0.31, 0.12, 0.02 after 800 iterations."""
    plateaus = [
        mean_errors(beta, 1e-3 / (1 - beta), num_garnets=3)[800] for beta in (0.0, 0.5, 0.9, 0.99)
    ]
    assert plateaus[0] > 0.25
    assert plateaus[3] < 0.06
    assert plateaus == sorted(plateaus, reverse=True)


MAZES = {
    # wall tile, shared slip: best return, gap of the uniform policy, return of the uniform policy
    "torch": ("#", True, 18.112675, 15.999373, 0.293527),
    "jax": ("S", False, 11.973267, 10.869947, 0.906447),
}


@pytest.mark.parametrize("name", sorted(MAZES))
def test_maze_has_the_published_exact_quantities(name):
    wall, share_slip, best, uniform_gap, uniform_return = MAZES[name]
    P, r, start = tabular.maze(wall, share_slip=share_slip)
    uniform = np.full_like(r, 1 / r.shape[1])
    greedy = tabular.finite_horizon_q(P, r, 1.0, lambda q: q.max(-1)).max(-1)
    q_best = tabular.finite_horizon_q(P, r, 0.99, lambda q: q.max(-1))


    def expected(gamma):
        return tabular.finite_horizon_q(P, r, gamma, lambda q: (uniform * q).sum(-1))

    assert start @ greedy == pytest.approx(best, abs=1e-6)
    assert np.abs(q_best - expected(0.99)).max() == pytest.approx(uniform_gap, abs=1e-6)
    assert start @ (uniform * expected(1.0)).sum(-1) == pytest.approx(uniform_return, abs=1e-6)


def noisy_maze_gaps(alpha, temperature, seeds=3):
    """Return the mean optimality gap of greedy policies over 150 backups with N(0, 1) noise."""
    P, r, _ = tabular.maze()
    best = tabular.finite_horizon_q(P, r, 0.99, lambda q: q.max(-1))
    step = tf.function(schemes.backup_step(P, r, 0.99, schemes.munchausen(alpha, temperature)))
    gaps = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        q, pi = np.zeros_like(r), np.full_like(r, 1 / r.shape[1])
        for _ in range(150):
            achieved = tabular.finite_horizon_q(P, r, 0.99, lambda q: (pi * q).sum(-1))  # noqa: B023
            gaps.append(np.abs(best - achieved).max())
            q = step(tf.constant(q)).numpy() + rng.standard_normal(q.shape)
            pi = tabular.softmax(q, 0)
    return float(np.mean(gaps))


def test_kl_solves_the_noisy_maze_and_value_iteration_does_not():
    """About 1.9 against 15.5 over twenty seeds."""
    assert noisy_maze_gaps(1.0, 1.0) < 4.0
    assert noisy_maze_gaps(0.0, 0.0) > 12.0
