"""O12: on one-hot observations the deep algorithms are the tabular schemes, iterate by iterate.

A linear network, a sweep over all state-action pairs with every successor as often as its
probability says, squared loss, and a step of gradient descent that goes exactly to the mean target:
one update fits the networks, and a synchronisation ends the iteration.
"""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from erlctl import registry
from erlctl.options.optimizers import Sgd
from tests.agents.build import make_agent, one_hot, set_table, table, transition
from tests.oracles import tabular

GAMMA = 0.9
NUM_STATES, NUM_ACTIONS, NUM_SUCCESSORS = 6, 3, 2
ITERATIONS = 12
# The gradient of the mean over the sweep with respect to an entry is 2 * 2 (q - y) / size.
SIZE = NUM_STATES * NUM_ACTIONS * NUM_SUCCESSORS
EXACT_STEP = Sgd(learning_rate=SIZE / (2 * NUM_SUCCESSORS))


def problem():
    """Return P with two equally likely successors a pair, r, the sweep; one pair is terminal."""
    rng = np.random.default_rng(0)
    pairs = [(s, a) for s in range(NUM_STATES) for a in range(NUM_ACTIONS)]
    successors = np.array([
        rng.choice(NUM_STATES, NUM_SUCCESSORS, replace=False) for _ in pairs
    ])
    P = np.zeros((NUM_STATES, NUM_ACTIONS, NUM_STATES))
    for (s, a), found in zip(pairs, successors, strict=True):
        P[s, a, found] = 1 / NUM_SUCCESSORS
    P[2, 1] = 0.0
    r = rng.random((NUM_STATES, NUM_ACTIONS))
    states, actions = np.repeat(pairs, NUM_SUCCESSORS, axis=0).T
    discount = np.where((states == 2) & (actions == 1), 0.0, 1.0)
    sweep = transition(
        one_hot(states, NUM_STATES), actions, r[states, actions], discount,
        one_hot(successors.ravel(), NUM_STATES),
    )
    return P, r, sweep


P, R, SWEEP = problem()
ZEROS = np.zeros_like(R)


def declare(name, **fields):
    return registry.get("algorithm", name)(gamma=GAMMA, loss="squared", **fields)


def iterates(algorithm, networks, updates=1, start=0.0):
    """Yield the tables of the named networks after each of `ITERATIONS` synchronisations."""
    agent = make_agent(
        algorithm, num_states=NUM_STATES, num_actions=NUM_ACTIONS, optimizer=EXACT_STEP,
        target_update_every=updates,
    )
    for network in (agent._q_network, agent._target_q_network):
        set_table(network, ZEROS + start)

    def turn(i):
        agent.train(SWEEP)
        return (i + 1,)

    @tf.function(autograph=False)
    def period():
        tf.while_loop(lambda i: i < updates, turn, [0], parallel_iterations=1)

    for _ in range(ITERATIONS):
        if updates == 1:
            agent.train(SWEEP)
        else:
            period()
        yield [table(getattr(agent, name)) for name in networks]


def max_step(q):
    return R + GAMMA * P @ q.max(-1)


def munchausen(**parameters):
    return lambda q: tabular.munchausen_vi(P, R, GAMMA, q, **parameters)


def gap_increasing(**parameters):
    return lambda q: tabular.gap_increasing_vi(P, R, GAMMA, q, **parameters)


# Declaration and the step of its tabular scheme.
ONE_NETWORK = {
    "dqn": ("dqn", {}, max_step),
    "double_dqn": ("double_dqn", {}, max_step),
    "soft_dqn": ("soft_dqn", {"temperature": 0.3}, munchausen(alpha=0.0, t=0.3)),
    "soft_dqn mellowmax": (
        "soft_dqn", {"temperature": 0.3, "operator": "mellowmax"},
        gap_increasing(alpha=0.0, t=0.3, operator="mellowmax"),
    ),
    "advantage_learning": (
        "advantage_learning", {"alpha": 0.7},
        gap_increasing(alpha=0.7, t=0.0, operator="logsumexp"),
    ),
    "dpp preference": (
        "dpp", {"form": "preference", "temperature": 0.2},
        gap_increasing(alpha=1.0, t=0.2, operator="logsumexp"),
    ),
    "dpp preference boltzmann": (
        "dpp", {"form": "preference", "operator": "boltzmann", "temperature": 0.2},
        gap_increasing(alpha=1.0, t=0.2, operator="boltzmann"),
    ),
    "dpp bounded": (
        "dpp", {"form": "bounded", "temperature": 0.2, "log_policy_clip": -0.5},
        munchausen(alpha=1.0, t=0.2, floor=-0.5),
    ),
    "cvi": (
        "cvi", {"temperature": 0.2, "alpha": 0.8},
        gap_increasing(alpha=0.8, t=0.2, operator="mellowmax"),
    ),
    "cvi logsumexp": (
        "cvi", {"temperature": 0.2, "alpha": 0.8, "operator": "logsumexp"},
        gap_increasing(alpha=0.8, t=0.2, operator="logsumexp"),
    ),
    "munchausen_dqn": (
        "munchausen_dqn", {"temperature": 0.1, "log_policy_clip": -0.4},
        munchausen(alpha=0.9, t=0.1, floor=-0.4),
    ),
    "munchausen_dqn without clip": (
        "munchausen_dqn", {"temperature": 0.1, "log_policy_clip": None},
        munchausen(alpha=0.9, t=0.1),
    ),
    "tsallis_dqn": (
        "tsallis_dqn", {"temperature": 0.4, "log_policy_clip": None},
        gap_increasing(alpha=0.9, t=0.4, operator="sparsemax"),
    ),
    "original_dpp": (
        "original_dpp", {"temperature": 0.5},
        gap_increasing(alpha=0.9, t=0.5, operator="boltzmann"),
    ),
}


@pytest.mark.parametrize("name", ONE_NETWORK)
def test_the_one_network_agent_is_the_tabular_iteration(name):
    algorithm, fields, step = ONE_NETWORK[name]
    q = ZEROS
    for (actual,) in iterates(declare(algorithm, **fields), ["_q_network"]):
        q = step(q)
        np.testing.assert_allclose(actual, q, rtol=0, atol=1e-4)


def test_clipped_cases_do_clip():
    """Otherwise the clipped forms above would be tested on targets without a clip."""
    for name, t, floor in (("dpp bounded", 0.2, -0.5), ("munchausen_dqn", 0.1, -0.4)):
        q = tabular.repeat(ONE_NETWORK[name][2], ITERATIONS, ZEROS)
        assert (tabular.scaled_log_policy(q, t) < floor).any()


@pytest.mark.parametrize("clip", [None, -0.5])
def test_q_plus_log_policy_sums_to_the_one_network_forms(clip):
    """And Q alone stays within the range of returns."""
    algorithm = declare("dpp", form="q_plus_log_policy", temperature=0.2, log_policy_clip=clip)
    psi = ZEROS
    for q, log_policy in iterates(algorithm, ["_q_network", "_companion_network"]):
        psi = tabular.munchausen_vi(P, R, GAMMA, psi, alpha=1.0, t=0.2, floor=clip)
        np.testing.assert_allclose(q + log_policy, psi, rtol=0, atol=1e-4)
        assert np.abs(q).max() < 1.2 / (1 - GAMMA)
        assert log_policy.max() <= 1e-6


@pytest.mark.parametrize(("offset", "largest"), [(0.0, 1.0), (2.0, 0.8), (0.0, 0.0)])
def test_momentum_dqn_is_momentum_value_iteration(offset, largest):
    """The average takes the fitted Q, so the average's own fit needs a second update."""
    algorithm = declare(
        "momentum_dqn", averaging_offset=offset, averaging_weight_max=largest
    )
    q = h = ZEROS
    networks = ["_q_network", "_companion_network"]
    for k, actual in enumerate(iterates(algorithm, networks, updates=2)):
        beta = min((k + offset) / (k + offset + 1), largest)
        q, h = tabular.momentum_vi(P, R, GAMMA, q, h, beta)
        np.testing.assert_allclose(actual, [q, h], rtol=0, atol=1e-4)


def dual_averaging_vi(lam, tau, regularised):
    """Yield (q_{k+1}, h_k): pi_{k+1} = softmax(h_k / tau), or of the sum of q over lam."""
    q, h, log_pi = ZEROS, ZEROS, np.full_like(R, -np.log(NUM_ACTIONS))
    for k in range(ITERATIONS):
        beta = lam / (lam + tau) if tau > 0 else k / (k + 1)
        h = beta * h + (1 - beta) * q
        new = tabular.scaled_log_policy(h / tau if tau > 0 else (k + 1) * h / lam, 1.0)
        pi = np.exp(new)
        value = (pi * q).sum(-1)
        if regularised:
            value += -lam * tabular.kl_divergence(pi, np.exp(log_pi)) + tau * tabular.entropy(pi)
        q, log_pi = R + GAMMA * P @ value, new
        yield q, h


@pytest.mark.parametrize("regularised", [True, False])
@pytest.mark.parametrize(("lam", "tau"), [(0.6, 0.2), (0.5, 0.0), (0.0, 0.3)])
def test_dual_averaging_vi_is_its_tabular_form(lam, tau, regularised):
    algorithm = declare(
        "dual_averaging_vi", kl_coefficient=lam, entropy_coefficient=tau,
        regularised_evaluation=regularised,
    )
    actual = iterates(algorithm, ["_q_network", "_companion_network"])
    for (q, h), expected in zip(actual, dual_averaging_vi(lam, tau, regularised), strict=True):
        np.testing.assert_allclose([q, h], expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("regularised", [True, False])
@pytest.mark.parametrize("form", ["indirect", "direct"])
def test_mirror_descent_vi_is_its_tabular_form(form, regularised):
    """The direct loss is no square: it takes many steps of gradient descent to its minimum."""
    lam, tau = 1.0, 1.0
    algorithm = declare(
        "mirror_descent_vi", form=form, kl_coefficient=lam, entropy_coefficient=tau,
        regularised_evaluation=regularised, **(
            {"companion_learning_rate": 2.0 * NUM_STATES / (lam + tau)} if form == "direct" else {}
        ),
    )
    updates = 400 if form == "direct" else 1
    q, log_pi = ZEROS, np.full_like(R, -np.log(NUM_ACTIONS))
    networks = ["_q_network", "_companion_network"]
    # After six periods the direct form's policies come so near to 0 that its descent is slow.
    for actual, logits in itertools.islice(iterates(algorithm, networks, updates), 6):
        q, log_pi = tabular.mirror_descent_vi(
            P, R, GAMMA, q, log_pi, lam=lam, tau=tau, regularised=regularised
        )
        np.testing.assert_allclose(actual, q, rtol=0, atol=1e-4)
        np.testing.assert_allclose(tabular.softmax(logits, 1.0), np.exp(log_pi), atol=1e-4)


def test_the_family_meets_where_the_theory_says():
    """Munchausen, CVI (logsumexp), MD-VI and DA-VI act alike at every iteration (O2)."""
    lam, tau = 0.6, 0.2
    alpha, t = lam / (lam + tau), lam + tau
    both = {"kl_coefficient": lam, "entropy_coefficient": tau}
    # O2's start: q of the one-network forms lies alpha t log A below the other's.
    start = -alpha * t * np.log(NUM_ACTIONS)
    policies = {}
    for name, fields, temperature, network in (
        ("munchausen_dqn", {"log_policy_clip": None, "alpha": alpha, "temperature": t}, t, "q"),
        ("cvi", {"operator": "logsumexp", **both}, t, "q"),
        ("mirror_descent_vi", {"form": "indirect", **both}, 1.0, "companion"),
        ("dual_averaging_vi", both, tau, "companion"),
    ):
        first = start if network == "q" else 0.0
        found = iterates(declare(name, **fields), [f"_{network}_network"], start=first)
        tables = [x for (x,) in found]
        # The companions hold the policy of the iteration before their Q.
        shifted = tables[:-1] if network == "q" else tables[1:]
        policies[name] = np.array([tabular.softmax(x, temperature) for x in shifted])
    reference = policies.pop("munchausen_dqn")
    assert np.abs(reference[-1] - 1 / NUM_ACTIONS).max() > 0.1
    for actual in policies.values():
        np.testing.assert_allclose(actual, reference, atol=1e-4)
