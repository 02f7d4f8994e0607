"""Targets of the one-network agents: golden vectors, oracles, gradients, the replayed action."""

import numpy as np
import pytest
import tensorflow as tf

from erlctl import registry
from tests.agents.build import make_agent, set_table, table, table_batch, target_of
from tests.maths.arrays import in_general_form, random_batch
from tests.oracles import backups, golden

# Golden vector -> the declaration that computes it.
GOLDEN = {
    "dqn": ("dqn", {}),
    "double_dqn": ("double_dqn", {}),
    "soft_dqn t=.5": ("soft_dqn", {"temperature": 0.5}),
    "advantage_learning alpha=.9": ("advantage_learning", {"alpha": 0.9}),
    "advantage_learning persistent alpha=.9": (
        "advantage_learning", {"alpha": 0.9, "persistent": True}
    ),
    "dpp logsumexp t=.5": ("dpp", {"form": "preference", "temperature": 0.5}),
    "dpp boltzmann t=.5": (
        "dpp", {"form": "preference", "operator": "boltzmann", "temperature": 0.5}
    ),
    "dpp bounded logsumexp t=.5 clip=-1": ("dpp", {"form": "bounded", "temperature": 0.5}),
    "cvi mellowmax alpha=.9 t=.5": ("cvi", {"temperature": 0.5, "alpha": 0.9}),
    "original_dpp alpha=.9 t=1": ("original_dpp", {}),
    "munchausen_dqn alpha=.9 t=.03 clip=-1": ("munchausen_dqn", {}),
    "munchausen_dqn alpha=.9 t=1": (
        "munchausen_dqn", {"temperature": 1.0, "log_policy_clip": None}
    ),
}
# Declarations whose oracle is the general scheme, besides the golden ones.
OTHERS = {
    "soft_dqn mellowmax": ("soft_dqn", {"temperature": 0.5, "operator": "mellowmax"}),
    "soft_dqn t=0": ("soft_dqn", {"temperature": 0.0}),
    "cvi logsumexp": ("cvi", {"temperature": 0.5, "alpha": 0.5, "operator": "logsumexp"}),
    "cvi coefficients": ("cvi", {"kl_coefficient": 0.4, "entropy_coefficient": 0.1}),
    "dpp bounded boltzmann": (
        "dpp", {"operator": "boltzmann", "temperature": 0.5, "log_policy_clip": -0.5}
    ),
    "munchausen_dqn alpha=0": ("munchausen_dqn", {"alpha": 0.0, "temperature": 0.5}),
    "tsallis_dqn": ("tsallis_dqn", {"temperature": 2.0, "log_policy_clip": -3.0}),
    "tsallis_dqn q_logarithm": ("tsallis_dqn", {
        "temperature": 2.0, "bonus": "q_logarithm", "log_policy_clip": -4.0,
    }),
}
ALL = {**GOLDEN, **OTHERS}
HAS_GAP = {
    name for name in ALL
    if name.startswith(("advantage", "dpp", "cvi", "original", "munchausen", "tsallis"))
} - {"munchausen_dqn alpha=0"}


def declare(name, **more):
    algorithm, fields = ALL[name]
    return registry.get("algorithm", algorithm)(**fields, **more)


def agent_on(algorithm, rows, online):
    agent = make_agent(algorithm, num_states=len(rows), num_actions=rows.shape[1])
    set_table(agent._q_network, online)
    set_table(agent._target_q_network, rows)
    return agent


@pytest.mark.parametrize("name", GOLDEN)
def test_an_update_regresses_on_the_golden_target(name):
    algorithm = declare(name)
    rows, experience = table_batch(golden.BATCH, algorithm.gamma)
    online = np.vstack([np.zeros_like(golden.Q_T), golden.ONLINE_Q_TP1])
    actual = target_of(agent_on(algorithm, rows, online), experience, golden.A_T)
    np.testing.assert_allclose(actual, golden.TARGETS[name], rtol=1e-5, atol=1e-4)


def test_every_golden_vector_has_its_agent():
    assert set(GOLDEN) | {"momentum_dqn companion beta=.75"} == set(golden.TARGETS)


@pytest.mark.parametrize("name", ALL)
def test_an_update_regresses_on_the_general_scheme(name):
    """On random batches, with terminal transitions; the online network has other values."""
    algorithm = declare(name)
    batch = random_batch(seed=5, num_samples=8)
    online = 3.0 * np.random.default_rng(6).standard_normal((16, 4))
    rows, experience = table_batch(batch, algorithm.gamma)
    actual = target_of(agent_on(algorithm, rows, online), experience, batch["a_t"])
    if algorithm.backup().double:
        expected = backups.double_dqn(**batch, online_q_tp1=online[8:])
    elif algorithm.backup().persistent:
        expected = backups.persistent_advantage_learning(**batch, alpha=algorithm.alpha)
    elif algorithm.backup().gap == "q_logarithm":
        expected = backups.tsallis_dqn_logarithm(
            **batch, t=algorithm.temperature, alpha=algorithm.alpha,
            floor=algorithm.log_policy_clip,
        )
    else:
        expected = backups.regularised(**batch, **in_general_form(algorithm.backup()))
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("loss", ["huber", "squared"])
def test_the_loss_is_the_mean_of_the_declared_one(loss):
    batch = random_batch(seed=1, num_samples=8)
    algorithm = declare("munchausen_dqn alpha=.9 t=1", loss=loss)
    rows, experience = table_batch(batch, algorithm.gamma)
    error = backups.regularised(**batch, **in_general_form(algorithm.backup()))
    size = np.abs(error)  # against values of zero
    expected = {"squared": size**2, "huber": np.where(size <= 1, size**2 / 2, size - 0.5)}[loss]
    info = agent_on(algorithm, rows, np.zeros_like(rows)).train(experience)
    np.testing.assert_allclose(info.loss, expected.mean(), rtol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_no_gradient_passes_through_target_or_bonus(name):
    """The gradient is 2 (q(s, a) - y) / B at the replayed pairs and 0 at every other output."""
    algorithm = declare(name, loss="squared")
    batch = random_batch(seed=2, num_samples=8)
    online = np.random.default_rng(3).standard_normal((16, 4)).astype(np.float32)
    rows, experience = table_batch(batch, algorithm.gamma)
    agent = agent_on(algorithm, rows, online)
    with tf.GradientTape() as tape:
        info = agent.loss(experience)
    weights = [network.trainable_weights[0]
               for network in (agent._q_network, agent._target_q_network)]
    gradient, through_target = tape.gradient(info.loss, weights)
    expected = np.zeros_like(online)
    expected[np.arange(8), batch["a_t"]] = -2.0 * info.extra["loss"].extra.td_error.numpy() / 8
    np.testing.assert_allclose(tf.convert_to_tensor(gradient), expected, rtol=1e-6, atol=1e-7)
    assert through_target is None


@pytest.mark.parametrize("name", ALL)
def test_the_replayed_action_matters_to_the_target_exactly_with_a_gap_term(name):
    algorithm = declare(name)
    batch = random_batch(seed=4, num_samples=8)
    other = {**batch, "a_t": (batch["a_t"] + 1) % 4}
    targets = []
    for one in (batch, other):
        rows, experience = table_batch(one, algorithm.gamma)
        agent = agent_on(algorithm, rows, np.zeros_like(rows))
        targets.append(target_of(agent, experience, one["a_t"]))
    if name in HAS_GAP:
        assert (targets[0] != targets[1]).any()
    else:
        np.testing.assert_array_equal(*targets)


def test_the_target_network_is_copied_on_schedule_and_not_before():
    agent = make_agent(declare("dqn"), num_states=16, num_actions=4, target_update_every=3)
    _, experience = table_batch(random_batch(num_samples=8), 0.99)
    is_equal = []
    for _ in range(6):
        agent.train(experience)
        is_equal.append(
            np.array_equal(table(agent._q_network), table(agent._target_q_network))
        )
    assert is_equal == [False, False, True, False, False, True]


def test_starting_again_gives_the_same_weights_as_a_new_agent_and_other_seeds_others():
    from erlctl.options.networks import Mlp

    def weights(agent):
        return np.concatenate([w.numpy().ravel() for w in agent._q_network.variables])

    agent = make_agent(declare("dqn"), network=Mlp(hidden=(8,)), seed=1)
    first = weights(agent)
    agent.start(np.random.SeedSequence(2))
    second = weights(agent)
    np.testing.assert_array_equal(
        second, np.concatenate([w.numpy().ravel() for w in agent._target_q_network.variables])
    )
    agent.start(np.random.SeedSequence(1))
    np.testing.assert_array_equal(weights(agent), first)
    assert (first != second).any()
