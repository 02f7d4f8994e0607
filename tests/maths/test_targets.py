"""The one target of the one-network family: oracles, golden vectors, gradients, properties."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from erlctl.algorithms.base import Backup
from erlctl.maths import companion, targets
from tests.maths.arrays import BACKUPS, call, finite, in_general_form, random_batch, with_scale
from tests.oracles import backups, golden

GOLDEN_BACKUPS = {
    "dqn": BACKUPS["dqn"],
    "double_dqn": Backup(double=True),
    "soft_dqn t=.5": BACKUPS["soft"],
    "advantage_learning alpha=.9": BACKUPS["advantage learning"],
    "advantage_learning persistent alpha=.9": Backup(gap_scale=0.9, persistent=True),
    "dpp logsumexp t=.5": BACKUPS["dpp"],
    "dpp boltzmann t=.5": BACKUPS["dpp boltzmann"],
    "dpp bounded logsumexp t=.5 clip=-1": BACKUPS["bounded dpp"],
    "cvi mellowmax alpha=.9 t=.5": BACKUPS["cvi"],
    "original_dpp alpha=.9 t=1": BACKUPS["original dpp"],
    "munchausen_dqn alpha=.9 t=.03 clip=-1": BACKUPS["munchausen"],
    "munchausen_dqn alpha=.9 t=1": Backup(operator="logsumexp", temperature=1.0, gap_scale=0.9),
}
ORACLES = {
    "dqn": (backups.dqn, {}),
    "double_dqn": (backups.double_dqn, {"online_q_tp1": golden.ONLINE_Q_TP1}),
    "soft_dqn t=.5": (backups.soft_dqn, {"t": 0.5}),
    "advantage_learning alpha=.9": (backups.advantage_learning, {"alpha": 0.9}),
    "advantage_learning persistent alpha=.9": (
        backups.persistent_advantage_learning, {"alpha": 0.9}
    ),
    "dpp logsumexp t=.5": (backups.dpp, {"t": 0.5, "operator": "logsumexp"}),
    "dpp boltzmann t=.5": (backups.dpp, {"t": 0.5, "operator": "boltzmann"}),
    "dpp bounded logsumexp t=.5 clip=-1": (backups.bounded_dpp, {"t": 0.5, "floor": -1.0}),
    "cvi mellowmax alpha=.9 t=.5": (backups.cvi, {"t": 0.5, "alpha": 0.9}),
    "original_dpp alpha=.9 t=1": (backups.original_dpp, {"t": 1.0, "alpha": 0.9}),
    "munchausen_dqn alpha=.9 t=.03 clip=-1": (
        backups.munchausen_dqn, {"t": 0.03, "alpha": 0.9, "floor": -1.0}
    ),
    "munchausen_dqn alpha=.9 t=1": (
        backups.munchausen_dqn, {"t": 1.0, "alpha": 0.9, "floor": None}
    ),
}


def target(backup, batch, dtype=np.float64, **kwargs):
    return call(targets.regularised_target, backup, **batch, **kwargs, dtype=dtype)


@pytest.mark.parametrize("name", sorted(GOLDEN_BACKUPS))
def test_target_equals_its_golden_vector(name):
    actual = target(GOLDEN_BACKUPS[name], golden.BATCH, online_q_tp1=golden.ONLINE_Q_TP1)
    np.testing.assert_allclose(actual, golden.TARGETS[name], rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", sorted(GOLDEN_BACKUPS))
def test_target_in_float32_equals_its_golden_vector(name):
    actual = target(
        GOLDEN_BACKUPS[name], golden.BATCH, np.float32, online_q_tp1=golden.ONLINE_Q_TP1
    )
    np.testing.assert_allclose(actual, golden.TARGETS[name], rtol=1e-5, atol=1e-4)


def test_momentum_companion_target_equals_its_golden_vector():
    index = np.arange(4), golden.A_T
    actual = call(companion.averaging_target, golden.Q_T[index], golden.Q_TP1[index], 0.75)
    expected = golden.TARGETS["momentum_dqn companion beta=.75"]
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12)


def test_every_golden_vector_is_compared():
    assert {*GOLDEN_BACKUPS, "momentum_dqn companion beta=.75"} == set(golden.TARGETS)


@pytest.mark.parametrize("name", sorted(ORACLES))
def test_the_oracle_equals_its_golden_vector(name):
    oracle, parameters = ORACLES[name]
    expected = oracle(**golden.BATCH, **parameters)
    np.testing.assert_allclose(expected, golden.TARGETS[name], rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", sorted(ORACLES))
@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1))
def test_target_equals_the_paper(name, seed):
    oracle, parameters = ORACLES[name]
    batch = random_batch(seed, num_samples=4, num_actions=3)
    expected = oracle(**batch, **parameters)
    actual = target(GOLDEN_BACKUPS[name], batch, online_q_tp1=golden.ONLINE_Q_TP1)
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", sorted(BACKUPS))
def test_target_equals_the_general_scheme(name):
    batch = random_batch()
    expected = backups.regularised(**batch, **in_general_form(BACKUPS[name]))
    np.testing.assert_allclose(target(BACKUPS[name], batch), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", sorted(BACKUPS))
def test_no_gradient_passes_through_target_or_bonus(name):
    batch = {key: tf.constant(x) for key, x in random_batch().items()}
    q_t, q_tp1 = tf.Variable(batch.pop("q_t")), tf.Variable(batch.pop("q_tp1"))
    with tf.GradientTape(persistent=True) as tape:
        y = targets.regularised_target(BACKUPS[name], **batch, q_t=q_t, q_tp1=q_tp1)
        bonus = targets.gap_term(BACKUPS[name], q_t, batch["a_t"], q_tp1)
    assert tape.gradient(y, [q_t, q_tp1]) == [None, None]
    assert tape.gradient(bonus, [q_t, q_tp1]) == [None, None]


@pytest.mark.parametrize("name", sorted(BACKUPS))
def test_replayed_action_matters_exactly_with_a_gap_term(name):
    batch = random_batch()
    other = {**batch, "a_t": (batch["a_t"] + 1) % 4}
    differs = (target(BACKUPS[name], batch) != target(BACKUPS[name], other)).any()
    assert differs == (BACKUPS[name].gap_scale > 0)


@pytest.mark.parametrize("name", sorted(BACKUPS))
def test_alpha_is_irrelevant_where_the_clip_is_zero(name):
    batch = random_batch()
    clipped = dataclasses.replace(BACKUPS[name], gap_range=(0.0, 0.0))
    ungapped = dataclasses.replace(BACKUPS[name], gap_scale=0.0)
    np.testing.assert_array_equal(target(clipped, batch), target(ungapped, batch))


@pytest.mark.parametrize("name", sorted(BACKUPS))
@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1))
def test_state_dependent_shifts_pass_through_the_bootstrap_only(name, seed):
    batch = random_batch(seed)
    shift = np.random.default_rng(seed).standard_normal((2, 16))
    shifted = {
        **batch,
        "q_t": batch["q_t"] + shift[0][:, None], "q_tp1": batch["q_tp1"] + shift[1][:, None],
    }
    expected = target(BACKUPS[name], batch) + batch["discount_tp1"] * shift[1]
    np.testing.assert_allclose(target(BACKUPS[name], shifted), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", sorted(BACKUPS))
@settings(max_examples=15)
@given(factor=st.floats(0.1, 10.0))
def test_target_is_homogeneous_in_the_unit_of_return(name, factor):
    batch = random_batch()
    scaled = {**batch, **{k: factor * batch[k] for k in ("q_t", "q_tp1", "r_tp1")}}
    actual = target(with_scale(BACKUPS[name], factor), scaled)
    np.testing.assert_allclose(actual, factor * target(BACKUPS[name], batch), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", sorted(BACKUPS))
@settings(max_examples=15)
@given(order=st.permutations(range(4)))
def test_renaming_the_actions_changes_nothing(name, order):
    batch = random_batch()
    renamed = {
        **batch, "q_t": batch["q_t"][:, order], "q_tp1": batch["q_tp1"][:, order],
        "a_t": np.argsort(order)[batch["a_t"]],
    }
    np.testing.assert_allclose(
        target(BACKUPS[name], renamed), target(BACKUPS[name], batch), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("name", [*sorted(BACKUPS), "double", "persistent"])
def test_masks_equal_dropping_the_columns(name):
    extra = {"double": Backup(double=True), "persistent": Backup(gap_scale=0.9, persistent=True)}
    backup = {**BACKUPS, **extra}[name]
    batch = random_batch(num_actions=5)
    online = np.random.default_rng(1).standard_normal((16, 5))
    batch["a_t"] = batch["a_t"] % 3
    mask = np.tile([True, True, True, False, False], (16, 1))
    masked = target(backup, batch, online_q_tp1=online, mask_t=mask, mask_tp1=mask)
    dropped = {**batch, "q_t": batch["q_t"][:, :3], "q_tp1": batch["q_tp1"][:, :3]}
    expected = target(backup, dropped, online_q_tp1=online[:, :3])
    np.testing.assert_allclose(masked, expected, rtol=1e-12, atol=1e-12)


def test_terminal_transitions_keep_the_gap_term_and_drop_the_bootstrap():
    batch = random_batch()
    batch["discount_tp1"] = np.zeros(16)
    backup = BACKUPS["munchausen"]
    gap = call(targets.gap, backup, batch["q_t"], batch["a_t"])
    np.testing.assert_allclose(
        target(backup, batch), batch["r_tp1"] + backup.gap_scale * gap, rtol=1e-14
    )


def test_temperature_zero_is_the_maximum_bit_for_bit():
    batch = random_batch()
    soft = Backup(operator="logsumexp", temperature=0.0, gap_scale=0.9)
    np.testing.assert_array_equal(target(soft, batch), target(Backup(gap_scale=0.9), batch))


def test_alpha_zero_is_the_target_without_a_gap_bit_for_bit():
    batch = random_batch()
    ungapped = dataclasses.replace(BACKUPS["munchausen"], gap_scale=0.0)
    plain = Backup(operator="logsumexp", temperature=0.03)
    np.testing.assert_array_equal(target(ungapped, batch), target(plain, batch))


def test_gap_keeps_its_digits_at_large_values():
    backup = Backup(operator="logsumexp", temperature=0.03, gap_scale=1.0)
    q = np.array([[0.5, 0.25, 0.0]])
    small = call(targets.gap, backup, q, np.array([1]), dtype=np.float32)
    large = call(targets.gap, backup, q + 4096.0, np.array([1]), dtype=np.float32)
    np.testing.assert_array_equal(small, large)


def test_clipped_fraction_counts_gaps_below_the_clip():
    q = np.array([[0.0, -2.0], [0.0, -2.0], [0.0, -0.5], [0.0, -0.5]])
    action = np.array([0, 1, 0, 1])
    backup = Backup(gap_scale=0.9, gap_range=(-1.0, 0.0))
    assert call(targets.clipped_fraction, backup, q, action) == 0.25
    assert call(targets.clipped_fraction, Backup(gap_scale=0.9), q, action) == 0.0


@given(x=finite(5.0), low=st.one_of(st.none(), finite(2.0)))
def test_clip_without_an_upper_bound_lets_large_values_pass(x, low):
    expected = x if low is None else max(x, low)
    assert call(targets.clip, np.array([x]), (low, None))[0] == expected


@pytest.mark.parametrize("name", ["cvi", "original dpp"])
def test_gaps_of_mellowmax_and_boltzmann_may_be_positive(name):
    gap = call(targets.gap, BACKUPS[name], np.array([[1.0, 0.0, 0.0]]), np.array([0]))
    assert gap[0] > 0.1


@pytest.mark.parametrize("name", ["cvi", "munchausen", "original dpp"])
def test_xla_gives_the_same_target(name):
    batch = {k: tf.constant(x, tf.int32 if k == "a_t" else tf.float32)
             for k, x in random_batch().items()}
    mask = tf.constant(np.tile([True, True, True, False], (16, 1)))
    batch["a_t"] %= 3

    def run(**batch):
        return targets.regularised_target(BACKUPS[name], **batch, mask_t=mask, mask_tp1=mask)

    compiled = tf.function(run, jit_compile=True)
    np.testing.assert_allclose(compiled(**batch), run(**batch), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("low", "expected"), [(None, -2.7), (-1.0, -0.9)])
def test_munchausen_tends_to_advantage_learning_without_the_clip_only(low, expected):
    """A gap of 3 costs alpha * 3, or alpha * the clip."""
    q, action = tf.constant([[3.0, 0.0]]), tf.constant([1])
    backup = Backup(
        operator="logsumexp", temperature=1e-3, gap_scale=0.9, gap_range=(low, 0.0)
    )
    advantage = targets.gap_term(Backup(gap_scale=0.9), q, action, q)
    np.testing.assert_allclose(advantage, [-2.7], rtol=1e-6)
    np.testing.assert_allclose(targets.gap_term(backup, q, action, q), [expected], rtol=1e-5)
