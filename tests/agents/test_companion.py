"""Two-network agents: what each network is fitted to, one synchronisation, two optimisers."""

import numpy as np
import pytest
import tensorflow as tf

from erlctl import registry
from erlctl.options.optimizers import Adam
from tests.agents.build import make_agent, set_table, table, table_batch, target_of
from tests.maths.arrays import random_batch
from tests.oracles import backups, golden, operators

BATCH = random_batch(seed=7, num_samples=8)
PAIRS = np.arange(8), BATCH["a_t"]
FORMS = {
    "momentum_dqn": ("momentum_dqn", {}),
    "dual_averaging_vi": ("dual_averaging_vi", {}),
    "dual_averaging_vi without entropy": ("dual_averaging_vi", {"entropy_coefficient": 0.0}),
    "mirror_descent_vi direct": ("mirror_descent_vi", {"form": "direct"}),
    "mirror_descent_vi indirect": ("mirror_descent_vi", {"form": "indirect"}),
    "dpp": ("dpp", {"form": "q_plus_log_policy"}),
}


def declare(name, **more):
    algorithm, fields = FORMS[name]
    return registry.get("algorithm", algorithm)(**{"loss": "squared", **fields, **more})


def tables(seed=8):
    """Return online Q, target Q, online C and target C, all different, [16, 4] each."""
    return np.random.default_rng(seed).standard_normal((4, 16, 4)).astype(np.float32)


def agent_on(algorithm, rows, **kwargs):
    agent = make_agent(algorithm, num_states=16, num_actions=4, **kwargs)
    for network, values in zip(networks(agent), rows, strict=True):
        set_table(network, values)
    return agent


def networks(agent):
    return (agent._q_network, agent._target_q_network, agent._companion_network,
            agent._target_companion_network)


def experience(gamma=0.99):
    return table_batch(BATCH, gamma)[1]


def softmax(rows, t=1.0):
    return np.array([operators.softmax(row, t) for row in rows])


@pytest.mark.parametrize("name", FORMS)
def test_a_start_copies_both_networks_to_their_targets(name):
    from erlctl.options.networks import Mlp

    agent = make_agent(declare(name), network=Mlp(hidden=(8,)))
    q, q_target, c, c_target = ([w.numpy() for w in n.variables] for n in networks(agent))
    for online, target in ((q, q_target), (c, c_target)):
        for a, b in zip(online, target, strict=True):
            np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(q, c, strict=True))


@pytest.mark.parametrize("name", FORMS)
def test_both_targets_are_synchronised_in_the_same_update(name):
    agent = agent_on(declare(name), tables(), target_update_every=2)
    before = [table(network) for network in networks(agent)]
    agent.train(experience())
    np.testing.assert_array_equal(table(agent._target_q_network), before[1])
    np.testing.assert_array_equal(table(agent._target_companion_network), before[3])
    assert int(agent._num_syncs) == 0
    agent.train(experience())
    q, q_target, c, c_target = (table(network) for network in networks(agent))
    np.testing.assert_array_equal(q, q_target)
    np.testing.assert_array_equal(c, c_target)
    assert (q != before[0]).any()
    assert (c != before[2]).any()
    assert int(agent._num_syncs) == 1


@pytest.mark.parametrize("name", FORMS)
def test_each_network_has_an_optimiser_of_its_own(name):
    algorithm = declare(name, companion_learning_rate=1e-4)
    agent = agent_on(algorithm, tables(), optimizer=Adam(learning_rate=0.1))
    before = [table(network) for network in networks(agent)]
    for _ in range(3):
        agent.train(experience())
    steps = [np.abs(table(n) - b).max() for n, b in zip(networks(agent), before, strict=True)]
    # Three steps of Adam move a weight by at most three learning rates, and by nearly so.
    np.testing.assert_allclose(steps[0], 0.3, rtol=0.2)
    np.testing.assert_allclose(steps[2], 3e-4, rtol=0.2)
    assert steps[1] == steps[3] == 0
    for descent in agent.descents:
        assert int(descent.optimizer.iterations) == 3
    own = [{id(v) for v in group} for group in agent.state_groups().values()]
    assert sum(map(len, own)) == len(set().union(*own))


def test_momentum_values_target_q_at_the_argmax_of_the_target_companion():
    _, q_target, _, c_target = rows = tables()
    agent = agent_on(declare("momentum_dqn"), rows)
    expected = BATCH["r_tp1"] + BATCH["discount_tp1"] * backups.momentum_value(
        q_target[8:], c_target[8:]
    )
    actual = target_of(agent, experience(), BATCH["a_t"])
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


def test_momentum_fits_the_average_with_the_online_q_by_number_of_synchronisations():
    q, _, c, c_target = rows = tables()
    agent = agent_on(declare("momentum_dqn"), rows)
    agent._num_syncs.assign(3)
    target = backups.averaged_companion(c_target[:8], q[:8], BATCH["a_t"], beta=0.75)
    info = agent.train(experience())
    expected = np.mean((target - c[:8][PAIRS]) ** 2)
    np.testing.assert_allclose(info.extra["companion_loss"].loss, expected, rtol=1e-5)


def test_momentum_without_averaging_fits_the_online_q_of_this_very_update():
    """Nothing is late: H is fitted to Q as it is before the step, not to a target copy."""
    q, _, c, _ = rows = tables()
    agent = agent_on(declare("momentum_dqn", averaging_weight_max=0.0), rows)
    agent._num_syncs.assign(7)
    info = agent.train(experience())
    expected = np.mean((q[:8][PAIRS] - c[:8][PAIRS]) ** 2)
    np.testing.assert_allclose(info.extra["companion_loss"].loss, expected, rtol=1e-5)


def test_momentum_companion_is_fitted_to_its_golden_target():
    """h_target(s, .) = q_t, q_online(s, .) = q_tp1; the gradient holds the target."""
    agent = make_agent(declare("momentum_dqn"), num_states=8, num_actions=3)
    set_table(agent._target_companion_network, np.vstack([golden.Q_T, golden.Q_TP1]))
    set_table(agent._q_network, np.vstack([golden.Q_TP1, golden.Q_TP1]))
    agent._num_syncs.assign(3)
    agent.train(table_batch(golden.BATCH, golden.GAMMA)[1])
    # One step of size 1 on the mean of four squares, from values of zero: c = 2 y / 4.
    actual = 2.0 * table(agent._companion_network)[np.arange(4), golden.A_T]
    expected = golden.TARGETS["momentum_dqn companion beta=.75"]
    np.testing.assert_allclose(actual, expected, rtol=1e-6)


def test_dual_averaging_fits_the_average_with_the_target_q():
    _, q_target, c, c_target = rows = tables()
    agent = agent_on(declare("dual_averaging_vi"), rows)
    target = backups.averaged_companion(c_target[:8], q_target[:8], BATCH["a_t"], beta=0.9)
    info = agent.train(experience())
    expected = np.mean((target - c[:8][PAIRS]) ** 2)
    np.testing.assert_allclose(info.extra["companion_loss"].loss, expected, rtol=1e-5)


@pytest.mark.parametrize("regularised", [True, False])
@pytest.mark.parametrize(("name", "t"), [
    ("dual_averaging_vi", 0.1), ("mirror_descent_vi direct", 1.0),
    ("mirror_descent_vi indirect", 1.0),
])
def test_q_evaluates_the_fitted_policy_against_its_target_copy(name, t, regularised):
    _, q_target, _, c_target = rows = tables()
    algorithm = declare(name, regularised_evaluation=regularised)
    agent = agent_on(algorithm, rows)
    actual = target_of(agent, experience(), BATCH["a_t"])
    fitted = table(agent._companion_network)  # the companion is fitted before Q
    assert (fitted != rows[2]).any()
    value = backups.evaluation_value(
        q_target[8:], softmax(fitted[8:], t), softmax(c_target[8:], t), lam=0.9, tau=0.1,
        regularised=regularised,
    )
    expected = BATCH["r_tp1"] + BATCH["discount_tp1"] * value
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


def test_the_direct_policy_loss_equals_the_paper():
    _, q_target, c, c_target = rows = tables()
    info = agent_on(declare("mirror_descent_vi direct"), rows).train(experience())
    expected = backups.mirror_descent_loss(
        q_target[:8], softmax(c[:8]), softmax(c_target[:8]), lam=0.9, tau=0.1
    )
    np.testing.assert_allclose(info.extra["companion_loss"].loss, expected.mean(), rtol=1e-5)


def test_the_indirect_policy_is_fitted_to_the_mirror_descent_step():
    _, q_target, c, c_target = rows = tables()
    info = agent_on(declare("mirror_descent_vi indirect"), rows).train(experience())
    policy = backups.mirror_descent_policy(q_target[:8], softmax(c_target[:8]), lam=0.9, tau=0.1)
    logits = np.log(policy / policy.max(-1, keepdims=True))
    expected = np.mean((logits - c[:8]) ** 2)
    np.testing.assert_allclose(info.extra["companion_loss"].loss, expected, rtol=1e-4)


def test_dpp_as_two_networks_fits_value_and_clipped_log_policy_of_their_sum():
    _, q_target, c, c_target = rows = tables()
    agent = agent_on(declare("dpp"), rows)
    psi = q_target + c_target
    log_policy = np.array([operators.scaled_log_policy(row, 0.1) for row in psi[:8]])
    actual = target_of(agent, experience(), BATCH["a_t"])
    value = operators.rows(operators.logsumexp, psi[8:], 0.1)
    expected = BATCH["r_tp1"] + BATCH["discount_tp1"] * value
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)
    loss = np.mean((np.maximum(log_policy, -1.0) - c[:8]) ** 2)
    fresh = agent_on(declare("dpp"), rows).train(experience()).extra["companion_loss"].loss
    np.testing.assert_allclose(fresh, loss, rtol=1e-5)


@pytest.mark.parametrize("name", FORMS)
def test_an_update_changes_only_replayed_outputs(name):
    """No gradient passes through any target: rows of s' stay, and so do Q's other actions."""
    rows = tables()
    agent = agent_on(declare(name), rows)
    agent.train(experience())
    changed_q = table(agent._q_network) != rows[0]
    changed_c = table(agent._companion_network) != rows[2]
    expected = np.zeros((16, 4), bool)
    expected[PAIRS] = True
    np.testing.assert_array_equal(changed_q, expected)
    assert changed_c[:8].any()
    assert not changed_c[8:].any()
    if "averaging" in name or "momentum" in name:
        np.testing.assert_array_equal(changed_c, expected)


@pytest.mark.parametrize("name", FORMS)
def test_the_replayed_action_does_not_enter_the_target_of_q(name):
    """The gap is carried by the companion, not by the target."""
    other = {**BATCH, "a_t": (BATCH["a_t"] + 1) % 4}
    targets = []
    for batch in (BATCH, other):
        algorithm = declare(name, companion_learning_rate=1e-9)
        agent = agent_on(algorithm, tables())
        targets.append(target_of(agent, table_batch(batch, 0.99)[1], batch["a_t"]))
    np.testing.assert_allclose(*targets, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("name", "ranked"), [
    *((name, "companion") for name in FORMS if name != "dpp"), ("dpp", "sum"),
])
def test_actions_are_ranked_by_the_companion_or_by_the_sum(name, ranked):
    q, _, c, _ = rows = tables()
    preferences, mask = agent_on(declare(name), rows).preferences(tf.eye(16))
    np.testing.assert_allclose(preferences, c + q if ranked == "sum" else c, rtol=1e-6)
    assert mask is None


def test_both_losses_are_logged():
    agent = agent_on(declare("momentum_dqn"), tables())
    info = agent.train(experience())
    assert agent.loss_names == ("loss", "companion_loss")
    assert agent.losses(info) == {
        "loss": info.loss, "companion_loss": info.extra["companion_loss"].loss,
    }
