"""Planners against transcriptions of the papers and against the identities between them."""

from functools import partial

import numpy as np
import pytest

from erlctl import registry
from erlctl.algorithms.planners import (
    AdvantageLearning,
    Cvi,
    Dpp,
    DualAveragingVi,
    MirrorDescentVi,
    MomentumVi,
    MunchausenVi,
    SoftVi,
    TsallisVi,
    ValueIteration,
)
from erlctl.environments.compiled.tables import BUILDERS, Table, garnet, grid_world
from erlctl.environments.registry import table_of
from erlctl.errors import DomainError
from erlctl.options.errors import Adversarial, Bias, Errors, Gaussian, SampledStates
from erlctl.planning.errors import Backup, error_of
from erlctl.planning.model import evaluate, model_of, solve
from erlctl.planning.operators import boltzmann, log_policy, log_sparsemax, logsumexp, tsallis
from erlctl.planning.plan import initial_state, plan
from tests.oracles import planning as oracle
from tests.oracles import tabular

PLANNERS = {
    name: cls for name, cls in registry.all_of("algorithm").items() if cls.base == "planner"
}
ERRORS = registry.all_of("error")
GAMMA = 0.9
TABLE = garnet(seed=0)
SMALL = garnet(seed=3, num_states=6, num_actions=3, branching=2)
MODEL = model_of([TABLE], GAMMA)
SOLUTION = solve(MODEL)


def run(planner, iterations, errors=None, *, model=MODEL, seed=5, **options):
    rows = []
    seeds = [seed] * model.shape[0]
    state = plan(model, planner, iterations, seeds, errors, rows.append, **options)
    return state, rows


def noise_of(seed, shape, scale=0.3):
    """The error tables that `Gaussian` draws, from their documented stream."""
    def noise(k):
        stream = np.random.Philox(key=seed, counter=np.array([0, 0, 0, k], np.uint64))
        return scale * np.random.Generator(stream).standard_normal(shape)
    return noise


def test_exact_solution_has_the_checksums_of_the_reference():
    total, first, _ = tabular.GARNET_CHECKSUMS
    assert SOLUTION.q.sum() == pytest.approx(total, abs=1e-9)
    assert SOLUTION.v[0, 0] == pytest.approx(first, abs=1e-9)


@pytest.mark.parametrize("name", BUILDERS)
def test_solution_satisfies_bellman_and_ends_at_terminals(name):
    table = BUILDERS[name]()
    model = model_of([table], 0.95)
    q = solve(model).q[0]
    future = table.transitions * ~table.terminal
    np.testing.assert_allclose(q, table.rewards + 0.95 * future @ q.max(-1), atol=1e-12)


@pytest.mark.parametrize("size", [4, 18])  # dense and sparse systems
def test_evaluation_solves_the_policys_equation(size):
    table = grid_world(size=size)
    policy = np.random.default_rng(1).dirichlet(np.ones(4), table.num_states)
    q = evaluate(model_of([table], GAMMA), policy[np.newaxis])[0]
    future = table.transitions * ~table.terminal
    np.testing.assert_allclose(q, table.rewards + GAMMA * future @ (policy * q).sum(-1), atol=1e-12)


GAPS = {
    "value_iteration": (ValueIteration(), partial(oracle.lse, t=0), 0.0, {}),
    "soft_vi": (SoftVi(temperature=0.2), partial(oracle.lse, t=0.2), 0.0, {}),
    "dpp": (Dpp(temperature=0.2), partial(oracle.lse, t=0.2), 1.0, {}),
    "dpp_boltzmann": (Dpp(temperature=0.2, operator="boltzmann"),
                      partial(oracle.boltzmann, t=0.2), 1.0, {}),
    "cvi": (Cvi(temperature=0.2, alpha=0.7),
            lambda row: oracle.lse(row, 0.2) - 0.2 * np.log(3), 0.7, {}),
    "munchausen": (MunchausenVi(temperature=0.2, alpha=0.7), partial(oracle.lse, t=0.2), 0.7, {}),
    "munchausen_clipped": (MunchausenVi(temperature=0.2, alpha=0.7, log_policy_clip=-0.1),
                           partial(oracle.lse, t=0.2), 0.7, {"floor": -0.1}),
    "advantage_learning": (AdvantageLearning(alpha=0.7), partial(oracle.lse, t=0), 0.7, {}),
    "tsallis": (TsallisVi(temperature=0.2, alpha=0.7), partial(oracle.tsallis, t=0.2), 0.7, {}),
}


@pytest.mark.parametrize("name", GAPS)
def test_gap_increasing_planners_equal_the_loops(name):
    planner, value, alpha, extra = GAPS[name]
    state, _ = run(planner, 12, Gaussian(standard_deviation=0.3), model=model_of([SMALL], GAMMA))
    expected = oracle.gap_increasing(SMALL.transitions, SMALL.rewards, GAMMA, value, alpha, 12,
                                     noise_of(5, SMALL.rewards.shape), **extra)
    np.testing.assert_allclose(state["q"][0], expected, atol=1e-12)


@pytest.mark.parametrize("regularised", [True, False])
@pytest.mark.parametrize(("kl", "entropy"), [(0.2, 0.1), (0.2, 0.0), (0.0, 0.1)])
@pytest.mark.parametrize("cls", [MirrorDescentVi, DualAveragingVi])
def test_md_vi_and_da_vi_equal_the_loops(cls, kl, entropy, regularised):
    planner = cls(kl_coefficient=kl, entropy_coefficient=entropy,
                  regularised_evaluation=regularised)
    state, _ = run(planner, 12, Gaussian(standard_deviation=0.3), model=model_of([SMALL], GAMMA))
    q, pi = oracle.mirror_descent(SMALL.transitions, SMALL.rewards, GAMMA, kl, entropy, 12,
                                  noise_of(5, SMALL.rewards.shape), regularised)
    np.testing.assert_allclose(state["q"][0], q, atol=1e-11)
    np.testing.assert_allclose(np.exp(state["log_policy"][0]), pi, atol=1e-11)


def test_momentum_vi_equals_the_loop_and_without_memory_value_iteration():
    model = model_of([SMALL], GAMMA)
    errors = Gaussian(standard_deviation=0.3)
    state, _ = run(MomentumVi(), 12, errors, model=model)
    expected = oracle.momentum(SMALL.transitions, SMALL.rewards, GAMMA, 12,
                               noise_of(5, SMALL.rewards.shape))
    np.testing.assert_allclose(state["q"][0], expected, atol=1e-12)
    forgetful, plain = run(MomentumVi(decay=0.0), 12, errors), run(ValueIteration(), 12, errors)
    np.testing.assert_allclose(forgetful[0]["q"], plain[0]["q"], atol=1e-14)


def test_munchausen_is_md_vi_with_errors():
    """O2: policies agree at every iteration; start so that q_0 = q'_0 - kl log A."""
    start = dict(initial_state(MODEL))
    start["q"] = start["q"] + 0.9 * 0.03 * np.log(4)
    errors = Gaussian(standard_deviation=0.1)
    _, md = run(MirrorDescentVi(kl_coefficient=0.027, entropy_coefficient=0.003), 60, errors,
                state=start)
    _, munchausen = run(MunchausenVi(temperature=0.03, alpha=0.9), 60, errors)
    for one, other in zip(md, munchausen, strict=True):
        np.testing.assert_allclose(one.policy, other.policy, atol=1e-9)


def test_dpp_is_md_vi_with_kl_alone_with_errors():
    errors = SampledStates()
    start = dict(initial_state(MODEL))
    start["q"] = start["q"] + 0.1 * np.log(4)
    md, _ = run(MirrorDescentVi(kl_coefficient=0.1), 60, errors, state=start)
    dpp, _ = run(Dpp(temperature=0.1), 60, errors)
    np.testing.assert_allclose(md["log_policy"], dpp["log_policy"], atol=1e-8)
    # O5: Psi = Q + t log pi, where Q stays in the range of values.
    np.testing.assert_allclose(dpp["q"], md["q"] + 0.1 * md["log_policy"], atol=1e-9)


def test_mellowmax_differs_from_logsumexp_by_one_constant():
    """O3."""
    lse, _ = run(MunchausenVi(temperature=0.05, alpha=0.7), 80)
    mellow, _ = run(Cvi(temperature=0.05, alpha=0.7), 80)
    np.testing.assert_allclose(lse["q"] - mellow["q"], 0.13859915, atol=1e-8)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 0.9])
def test_munchausen_multiplies_the_gap_of_the_colder_soft_problem(alpha):
    """O4: same policy as soft VI at (1 - alpha) t, gap times 1 / (1 - alpha)."""
    q = run(MunchausenVi(temperature=0.03, alpha=alpha), 2000, every=2000)[0]["q"][0]
    soft = run(SoftVi(temperature=(1 - alpha) * 0.03), 2000, every=2000)[0]["q"][0]
    expected = tabular.soft_q(TABLE.transitions, TABLE.rewards, GAMMA, (1 - alpha) * 0.03, 600)
    np.testing.assert_allclose(soft, expected, atol=1e-11)
    ours, theirs = (x.max(-1, keepdims=True) - x for x in (q, soft))
    np.testing.assert_allclose(ours, theirs / (1 - alpha), atol=1e-10)


@pytest.mark.parametrize("operator", ["logsumexp", "boltzmann"])
def test_dpps_preferences_fall_at_the_rate_of_the_advantage(operator):
    """O5, Corollary 4."""
    planner = Dpp(temperature=0.1, operator=operator)
    early, _ = run(planner, 3000, every=3000)
    late, _ = run(planner, 4000, state=early, every=4000)
    advantage = SOLUTION.q - SOLUTION.v[..., np.newaxis]
    np.testing.assert_allclose((late["q"] - early["q"]) / 1000, advantage, atol=1e-10)
    np.testing.assert_allclose(late["q"].max(-1), SOLUTION.v, atol=1e-10)
    assert np.abs(late["q"]).max() == pytest.approx(1525.28, abs=0.01)


def test_limits_and_clip():
    """O6 and O7."""
    advantage = SOLUTION.q - SOLUTION.v[..., np.newaxis]
    learned, _ = run(AdvantageLearning(alpha=0.9), 3000, every=3000)
    np.testing.assert_allclose(learned["q"], SOLUTION.v[..., None] + advantage / 0.1, atol=1e-10)
    bounded, _ = run(MunchausenVi(temperature=1e-3, alpha=1.0, log_policy_clip=-1.0), 3000,
                     every=3000)
    gap = bounded["q"].max(-1, keepdims=True) - bounded["q"]
    np.testing.assert_allclose(gap, np.where(-advantage > 1e-9, 1 - advantage, 0), atol=1e-9)


def test_bandit_gaps():
    """O9: (1 - alpha^k) / (1 - alpha), and k for DPP, after k iterations."""
    arms = Table(transitions=np.ones((1, 2, 1)), rewards=np.array([[1.0, 0.0]]),
                 start=np.ones(1), terminal=np.zeros(1, bool))
    model = model_of([arms], GAMMA)
    for planner, expected in ((MunchausenVi(alpha=0.9), (1 - 0.9**7) / 0.1), (Dpp(), 7.0)):
        q = run(planner, 7, model=model)[0]["q"]
        assert q[0, 0, 0] - q[0, 0, 1] == pytest.approx(expected, abs=1e-12)


class _Alternating(Errors):
    """+table, -table, +table, ...: large errors whose average vanishes."""



@error_of.register
def _(errors: _Alternating, backup):
    errors.__dict__["sign"] = -errors.__dict__.get("sign", -1.0)
    return errors.sign * np.random.default_rng(2).standard_normal(backup.model.shape)


def test_dpp_averages_errors_that_value_iteration_suffers():
    """Its loss is bounded by the average of the errors, here 0 after every second iteration."""
    losses = {
        name: run(planner, 4000, _Alternating(), every=4000)[1][-1].metrics["suboptimality_l1"][0]
        for name, planner in (("dpp", Dpp(temperature=0.1)), ("vi", ValueIteration()))
    }
    assert losses["dpp"] < 0.01 < 0.1 < losses["vi"], losses


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("planner", [
    ValueIteration(), Dpp(temperature=0.1), MirrorDescentVi(kl_coefficient=0.1),
    DualAveragingVi(kl_coefficient=0.1),
])
def test_no_loss_exceeds_its_bound(name, planner):
    _, rows = run(planner, 300, ERRORS[name]())
    for row in rows:
        assert (row.metrics["suboptimality_sup"] <= row.metrics["bound"]).all()


@pytest.mark.parametrize("planner", [
    Dpp(temperature=0.1), MirrorDescentVi(kl_coefficient=0.1), DualAveragingVi(kl_coefficient=0.1),
])
def test_no_loss_exceeds_its_bound_where_an_error_cancels_those_before(planner):
    """Errors far larger than the values, of which the last is not known to the policy yet."""
    model = model_of([table_of("Bandit", {"num_actions": 2})] * 100, 0.9)
    worst = []

    def look(row):
        worst.append((row.metrics["suboptimality_sup"] / row.metrics["bound"]).max())

    plan(model, planner, 300, range(100), Gaussian(standard_deviation=10.0), look)
    assert max(worst) <= 1.0
    assert max(worst) > 0.5  # it is no loose bound here


def test_planners_without_a_verified_theorem_have_no_bound():
    assert np.isnan(run(Cvi(), 2)[1][-1].metrics["bound"]).all()


def test_leverage_the_average_on_garnets():
    """Reference 5.1: KL averages the errors of sampled backups, plain AVI does not improve."""
    model = model_of([garnet(seed=100 + i) for i in range(10)], GAMMA)
    losses = {}
    for name, planner in (("avi", ValueIteration()), ("kl", MirrorDescentVi(kl_coefficient=0.1))):
        rows = []
        plan(model, planner, 800, range(7, 17), SampledStates(), rows.append, every=800)
        losses[name] = rows[-1].metrics["suboptimality_l1"].mean()
    assert losses["kl"] < 0.05 < 0.25 < losses["avi"], losses


@pytest.mark.parametrize("planner", [cls() for cls in PLANNERS.values()], ids=list(PLANNERS))
@pytest.mark.parametrize("errors", [cls() for cls in ERRORS.values()], ids=list(ERRORS))
def test_continued_run_and_batched_run_equal_one_run(planner, errors):
    """Resuming changes no bit; nor does it matter what else is in the batch."""
    model = model_of([SMALL, garnet(seed=4, num_states=6, num_actions=3, branching=2)], GAMMA)
    whole = plan(model, planner, 20, [8, 9], errors)
    half = plan(model, planner, 7, [8, 9], errors)
    continued = plan(model, planner, 20, [8, 9], errors, state=half)
    alone = plan(model_of([SMALL], GAMMA), planner, 20, [8], errors)
    for key in whole:
        np.testing.assert_array_equal(whole[key], continued[key])
    np.testing.assert_allclose(whole["q"][0], alone["q"][0], rtol=1e-12, atol=1e-12)


def test_sampled_errors_have_mean_zero_and_shrink_with_samples():
    def spread(samples):
        errors = SampledStates(samples=samples)
        draws = np.stack([
            error_of(errors, Backup(MODEL, SOLUTION, SOLUTION.v, [np.random.default_rng(i)]))
            for i in range(400)
        ])
        return np.abs(draws.mean(0)).max(), draws.std()
    mean, one = spread(1)
    assert mean < 6 * one / np.sqrt(400) * 3
    assert spread(4)[1] == pytest.approx(one / 2, rel=0.05)


def test_fixed_errors_have_their_sizes():
    bias = error_of(Bias(size=0.2), Backup(MODEL, SOLUTION, SOLUTION.v, []))
    np.testing.assert_array_equal(bias[0, 0], [0.2, -0.2, 0.2, -0.2])
    adverse = error_of(Adversarial(size=0.2), Backup(MODEL, SOLUTION, SOLUTION.v, []))
    optimal = SOLUTION.q.argmax(-1)[..., np.newaxis]
    assert (np.take_along_axis(adverse, optimal, -1) == -0.2).all()


def test_metrics_of_an_optimal_policy_and_of_a_uniform_one():
    _, rows = run(ValueIteration(), 500)
    first, last = rows[0].metrics, rows[-1].metrics
    assert first["entropy"][0] == pytest.approx(np.log(4))
    for name in ("suboptimality_sup", "suboptimality_l1", "optimality_gap"):
        assert abs(last[name][0]) < 1e-12 < first[name][0]
    assert last["kl"][0] == last["entropy"][0] == 0.0
    gap = np.sort(SOLUTION.q[0], -1)
    assert last["action_gap"][0] == pytest.approx((gap[:, -1] - gap[:, -2]).mean())


def test_operators_reach_the_maximum_at_temperature_zero():
    q = np.random.default_rng(0).standard_normal((50, 5))
    for operator in (logsumexp, boltzmann, tsallis):
        np.testing.assert_allclose(operator(q, 0.0), q.max(-1))
    np.testing.assert_allclose(np.exp(log_sparsemax(q, 0.5)),
                               [oracle.sparsemax(row / 0.5) for row in q], atol=1e-12)
    np.testing.assert_allclose(np.exp(log_policy(q, 0.5)).sum(-1), 1.0)


def test_wrong_input_names_what_is_expected():
    with pytest.raises(DomainError, match="seeds"):
        plan(MODEL, ValueIteration(), 3, [1, 2])
    with pytest.raises(DomainError, match="discount"):
        model_of([TABLE], 1.0)
    with pytest.raises(DomainError, match="one shape"):
        model_of([TABLE, SMALL], GAMMA)
    with pytest.raises(DomainError, match="kl_coefficient"):
        MirrorDescentVi(kl_coefficient=0.0)
