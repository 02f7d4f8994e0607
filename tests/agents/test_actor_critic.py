"""Discrete actor-critics: targets, actor and temperature losses, the limit of an exact actor."""

import math

import numpy as np
import pytest

from erlctl import registry
from tests.agents.build import make_agent, one_hot, set_table, table, table_batch, transition
from tests.maths.arrays import random_batch
from tests.oracles import backups, golden, operators

ACTIONS = 4


def make(name, size=8, num_actions=ACTIONS, **fields):
    algorithm = registry.get("algorithm", name)(**{"loss": "squared", **fields})
    return make_agent(algorithm, num_states=2 * size, num_actions=num_actions)


def fill(agent, seed=0, rows=None):
    """Give every network random tables, or the critics' targets `rows`; return them by name."""
    rng = np.random.default_rng(seed)
    shape = table(agent._actor).shape
    found = {}
    for name, group in (("q", agent._critics), ("target", agent._target_critics)):
        for i, network in enumerate(group):
            values = rng.standard_normal(shape) if rows is None or name == "q" else rows
            set_table(network, values)
            found[f"{name}_{i}"] = table(network).astype(float)
    set_table(agent._actor, rng.standard_normal(shape))
    found["actor"] = table(agent._actor).astype(float)
    return found


def targets_of(agent, experience, actions):
    """Return y [B]: one step of size 1 on the mean square goes from q to q + 2 (y - q) / B."""
    size = len(actions)
    pairs = np.arange(size), actions
    before = [table(critic)[pairs] for critic in agent._critics]
    agent.train(experience)
    after = [table(critic)[pairs] for critic in agent._critics]
    first, second = (
        b + (a - b) * size / 2 for b, a in zip(before, after, strict=True)
    )
    np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-4)  # twins share the target
    return first


def softmax(rows):
    return np.array([operators.softmax(row, 1.0) for row in rows])


def test_sac_discrete_target_equals_the_paper():
    batch = random_batch(seed=1, num_samples=8)
    agent = make("sac_discrete", temperature=0.2)
    tables = fill(agent)
    actual = targets_of(agent, table_batch(batch, 0.99)[1], batch["a_t"])
    expected = backups.sac_discrete_target(
        batch["r_tp1"], batch["discount_tp1"], tables["target_0"][8:], tables["target_1"][8:],
        softmax(tables["actor"][8:]), t=0.2,
    )
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("floor", [None, -0.3])
def test_munchausen_ac_adds_the_clipped_log_probability_of_the_replayed_action(floor):
    batch = random_batch(seed=1, num_samples=8)
    experience = table_batch(batch, 0.99)[1]
    fields = {"temperature": 0.2, "alpha": 0.7, "log_policy_clip": floor}
    with_bonus, without = make("munchausen_ac", **fields), make("sac_discrete", temperature=0.2)
    tables = fill(with_bonus)
    fill(without)
    log_pi = np.log(softmax(tables["actor"][:8]))[np.arange(8), batch["a_t"]]
    bonus = 0.7 * np.maximum(0.2 * log_pi, -np.inf if floor is None else floor)
    actual = targets_of(with_bonus, experience, batch["a_t"])
    plain = targets_of(without, experience, batch["a_t"])
    np.testing.assert_allclose(actual - plain, bonus, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("name", "fields"), [
    ("golden", {"temperature": 0.5, "log_policy_clip": -1.0}),
    ("golden", {"temperature": 1.0, "log_policy_clip": None}),
    ("random", {"temperature": 0.3, "log_policy_clip": -1.0}),
])
def test_an_exact_actor_gives_munchausen_dqns_target(name, fields):
    """softmax(q / t) as actor: <pi, q - t log pi> is logsumexp and the bonus is the gap."""
    batch = golden.BATCH if name == "golden" else random_batch(seed=2, num_samples=8)
    size, num_actions = np.shape(batch["q_t"])
    rows, experience = table_batch(batch, 0.99)
    agent = make("munchausen_ac", size, num_actions, **fields)
    fill(agent, rows=rows)
    set_table(agent._actor, (rows - rows.max(-1, keepdims=True)) / fields["temperature"])
    for critic in agent._critics:
        set_table(critic, np.zeros_like(rows))
    actual = targets_of(agent, experience, batch["a_t"])
    expected = backups.munchausen_dqn(
        **batch, t=fields["temperature"], alpha=0.9, floor=fields["log_policy_clip"]
    )
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("alpha", "should_differ"), [(0.0, False), (0.9, True)])
def test_the_replayed_action_matters_exactly_with_a_bonus(alpha, should_differ):
    batch = random_batch(seed=1, num_samples=8)
    other = {**batch, "a_t": (batch["a_t"] + 1) % ACTIONS}
    targets = []
    for one in (batch, other):
        agent = make("munchausen_ac", alpha=alpha, temperature=0.2)
        fill(agent)
        for critic in agent._critics:
            set_table(critic, np.zeros((16, ACTIONS)))
        targets.append(targets_of(agent, table_batch(one, 0.99)[1], one["a_t"]))
    assert (np.abs(targets[0] - targets[1]).max() > 1e-3) == should_differ


def test_an_update_changes_only_replayed_values_and_the_actor_at_s():
    batch = random_batch(seed=1, num_samples=8)
    agent = make("munchausen_ac")
    tables = fill(agent)
    agent.train(table_batch(batch, 0.99)[1])
    replayed = np.zeros((16, ACTIONS), bool)
    replayed[np.arange(8), batch["a_t"]] = True
    for i, critic in enumerate(agent._critics):
        np.testing.assert_array_equal(table(critic) != tables[f"q_{i}"].astype("f4"), replayed)
    moved = table(agent._actor) != tables["actor"].astype("f4")
    assert moved[:8].any(axis=1).all()
    assert not moved[8:].any()


def test_actor_loss_equals_the_paper_after_the_critics_step():
    batch = random_batch(seed=1, num_samples=8)
    agent = make("sac_discrete", temperature=0.2)
    tables = fill(agent)
    info = agent.train(table_batch(batch, 0.99)[1])
    q1, q2 = (table(critic)[:8].astype(float) for critic in agent._critics)
    expected = backups.sac_discrete_actor_loss(q1, q2, softmax(tables["actor"][:8]), t=0.2)
    np.testing.assert_allclose(info.extra["actor_loss"].loss, expected.mean(), rtol=1e-4)


def test_the_actor_descends_to_the_exact_improvement():
    """With critics held still the actor ends at softmax(min q / t)."""
    agent = make("sac_discrete", size=1, temperature=0.5)
    fill(agent, seed=3)
    q = np.minimum(*(table(critic)[0] for critic in agent._critics))
    experience = transition(one_hot([0], 2), [0], [0.0], [0.0], one_hot([1], 2))
    for _ in range(600):
        agent._descend(agent.descents[1], experience)
    actual = operators.softmax(table(agent._actor)[0], 1.0)
    np.testing.assert_allclose(actual, operators.softmax(q, 0.5), atol=1e-3)


@pytest.mark.parametrize(("logits", "should_rise"), [([0.0] * 4, False), ([50.0, 0, 0, 0], True)])
def test_the_temperature_rises_exactly_where_the_entropy_is_below_its_target(logits, should_rise):
    batch = random_batch(seed=1, num_samples=8)
    agent = make("sac_discrete", learn_temperature=True, temperature=0.1)
    fill(agent)
    set_table(agent._actor, np.tile(np.array(logits, np.float32), (16, 1)))
    before = float(agent._log_temperature)
    agent.train(table_batch(batch, 0.99)[1])
    assert (float(agent._log_temperature) > before) == should_rise


def test_a_fixed_temperature_stays():
    agent = make("sac_discrete", temperature=0.1)
    fill(agent)
    agent.train(table_batch(random_batch(num_samples=8), 0.99)[1])
    assert float(agent._log_temperature) == pytest.approx(math.log(0.1))
    assert "temperature_optimizer" not in agent.state_groups()


def test_both_critics_are_synchronised_together_by_the_polyak_weight():
    import dataclasses

    from erlctl.agents import build_agent
    from tests.agents.build import make_context

    context = make_context(
        registry.get("algorithm", "sac_discrete")(), num_states=16, num_actions=ACTIONS,
        target_update_every=1,
    )
    agent = build_agent(dataclasses.replace(context, target_update_polyak=0.25))
    tables = fill(agent)
    agent.train(table_batch(random_batch(num_samples=8), 0.99)[1])
    for i in range(2):
        expected = 0.75 * tables[f"target_{i}"] + 0.25 * table(agent._critics[i])
        np.testing.assert_allclose(table(agent._target_critics[i]), expected, rtol=1e-5, atol=1e-6)
