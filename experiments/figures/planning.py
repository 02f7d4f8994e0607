"""Figures of exact and approximate planning, each with a check that states what must hold.

    python experiments/figures/planning.py NAME -o FILE.png

Exit code 1 when the check fails. NumPy on one core; no TensorFlow.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import matplotlib as mpl
import numpy as np

from erlctl.environments.compiled.tables import garnet, grid_world, noisy_maze
from erlctl.planning.algorithms import (
    AdvantageLearning,
    Cvi,
    Dpp,
    MirrorDescentVi,
    MomentumVi,
    MunchausenVi,
    Planner,
    SoftVi,
    ValueIteration,
)
from erlctl.planning.errors import Adversarial, Bias, Errors, Gaussian, SampledStates
from erlctl.planning.model import Model, Solution, model_of, solve
from erlctl.planning.plan import Row, plan

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure


class Result(NamedTuple):
    """A drawn figure, the numbers in it and what must hold."""

    figure: Figure
    numbers: Mapping[str, float]
    claims: Mapping[str, bool]


def _rows(
    model: Model, planner: Planner, iterations: int, errors: Errors | None = None, *,
    every: int = 1, solution: Solution | None = None, greedy: bool = False,
) -> list[Row]:
    rows: list[Row] = []
    plan(model, planner, iterations, range(model.shape[0]), errors, rows.append, every=every,
         solution=solution, greedy=greedy)
    return rows


def _curve(rows: list[Row], metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Return iterations [K] and values [K, B]."""
    return (np.array([row.iteration for row in rows]),
            np.stack([row.metrics[metric] for row in rows]))


def _draw(axes: plt.Axes, rows: list[Row], metric: str, label: str, **style: object) -> None:
    """Draw the mean over the problems with 1.96 standard errors."""
    at, values = _curve(rows, metric)
    mean = values.mean(1)
    half = 1.96 * values.std(1, ddof=1) / np.sqrt(values.shape[1])
    (line,) = axes.plot(at, mean, label=label, **style)
    axes.fill_between(at, mean - half, mean + half, color=line.get_color(), alpha=0.2, lw=0)


def _garnets(count: int, discount: float = 0.9) -> Model:
    return model_of([garnet(seed=100 + index) for index in range(count)], discount)


def preference_growth() -> Result:
    """Corollary 4 of Azar, Gomez and Kappen (2012): suboptimal preferences fall without end.

    DPP without errors on Garnet(30, 4, 4), gamma 0.9, and on the 50 x 50 grid world, gamma 0.99;
    temperature 0.1. Deviation: the paper's grid (obstacles, rewards) is not verified, this is ours.
    """
    figure, panels = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    numbers, claims = {}, {}
    problems = (("Garnet(30, 4, 4)", garnet(), 0.9, 4000), ("grid 50 x 50", grid_world(size=50),
                                                           0.99, 4000))
    for axes, (name, table, discount, iterations) in zip(panels, problems, strict=True):
        model = model_of([table], discount)
        solution = solve(model)
        rate = (solution.v[..., np.newaxis] - solution.q).max()
        rows = _rows(model, Dpp(temperature=0.1), iterations, every=200, solution=solution)
        at, values = _curve(rows, "max_preference")
        axes.plot(at, values[:, 0], "o-", label="largest |preference|")
        axes.plot(at, rate * at, "k--", label="iterations x largest |A*|")
        axes.set(title=name, xlabel="iteration", ylabel="units of return")
        axes.legend()
        slope = (values[-1, 0] - values[-2, 0]) / (at[-1] - at[-2])
        numbers |= {f"{name}: slope": slope, f"{name}: |A*|": rate}
        claims[f"{name}: the slope is the largest |A*| within 1 %"] = abs(slope / rate - 1) < 0.01
    return Result(figure, numbers, claims)


def leverage_the_average() -> Result:
    """Figure 1 of "Leverage the Average" (Vieillard et al. 2020, arXiv:2003.14089).

    100 Garnet(30, 4, 4), gamma 0.9, one sampled next state for each pair and iteration, 800
    iterations; mean L1 loss of the policy over that of q* with 95 % interval of the mean. The
    coefficients are the reference's, not read off the paper, which prints curves alone.
    """
    model = _garnets(100)
    solution = solve(model)
    figure, panels = plt.subplots(1, 2, figsize=(10, 4), layout="constrained", sharey=True)
    entropy, last = 1e-3, {}
    settings: list[tuple[int, str, Planner]] = [
        (0, "AVI", ValueIteration()),
        *((0, f"kl {kl:g}", MirrorDescentVi(kl_coefficient=kl)) for kl in (0.01, 0.1, 1.0, 10.0)),
        *((1, f"kl / (kl + entropy) = {beta:g}",
           MunchausenVi(temperature=entropy / (1 - beta), alpha=beta)) for beta in (0, 0.9, 0.99)),
    ]
    for panel, name, planner in settings:
        rows = _rows(model, planner, 800, SampledStates(), every=10, solution=solution)
        _draw(panels[panel], rows, "suboptimality_l1", name)
        last[name] = float(rows[-1].metrics["suboptimality_l1"].mean())
    for axes, title in zip(panels, ("no entropy", f"entropy {entropy:g}"), strict=True):
        axes.set(title=title, xlabel="iteration", yscale="log")
        axes.legend()
    panels[0].set_ylabel("|q* - q of the policy|, L1, relative")
    betas = [last[f"kl / (kl + entropy) = {beta:g}"] for beta in (0, 0.9, 0.99)]
    return Result(figure, last, {
        "kl 0.1 < 0.05 < 0.25 < AVI": last["kl 0.1"] < 0.05 < 0.25 < last["AVI"],
        "with entropy, more kl is better": betas[0] > betas[1] > betas[2],
    })


def noise_and_operator() -> Result:
    """The abstract of Kozuno, Uchibe and Doya (2019, CVI), as a table.

    20 Garnet(30, 4, 4), gamma 0.9, errors of size 0.1 by kind, 300 iterations, then the mean L1
    loss of the last 100 policies. The paper states this in words; sizes and numbers are ours.
    """
    model = _garnets(20)
    solution = solve(model)
    planners: Mapping[str, Planner] = {
        "max (VI)": ValueIteration(), "max + gap (AL)": AdvantageLearning(alpha=0.99),
        "softmax (soft VI)": SoftVi(temperature=0.1),
        "softmax + gap (CVI)": Cvi(temperature=0.1, alpha=0.99), "DPP": Dpp(temperature=0.1),
    }
    kinds: Mapping[str, Errors] = {
        "none": Errors(), "gaussian 0.1": Gaussian(standard_deviation=0.1),
        "sampled states": SampledStates(), "bias 0.1": Bias(size=0.1),
        "adversarial 0.1": Adversarial(size=0.1),
    }
    table = np.array([[
        np.mean([row.metrics["suboptimality_l1"].mean() for row in rows if row.iteration > 200])
        for errors in kinds.values()
        for rows in [_rows(model, planner, 300, errors, every=10, solution=solution)]
    ] for planner in planners.values()])
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    axes.imshow(np.log10(table + 1e-3), cmap="Blues", aspect="auto")
    axes.set_xticks(range(len(kinds)), list(kinds))
    axes.set_yticks(range(len(planners)), list(planners))
    axes.set_title("L1 loss of the policy, relative to q*")
    for (i, j), value in np.ndenumerate(table):
        shade = "white" if value > 0.05 else "black"
        axes.text(j, i, f"{value:.3f}", ha="center", va="center", color=shade)
    names, columns = list(planners), list(kinds)
    at = {(n, c): float(table[i, j]) for i, n in enumerate(names) for j, c in enumerate(columns)}
    stochastic = ("gaussian 0.1", "sampled states")
    return Result(figure, {f"{n} / {c}": value for (n, c), value in at.items()}, {
        "the gap makes max resilient to stochastic errors": all(
            at["max + gap (AL)", c] < 0.5 * at["max (VI)", c] for c in stochastic),
        "the gap with max does not help against fixed errors": all(
            at["max + gap (AL)", c] > 0.9 * at["max (VI)", c]
            for c in ("bias 0.1", "adversarial 0.1")),
        "softmax alone has a loss without any error": at["softmax (soft VI)", "none"]
        > 2 * at["softmax + gap (CVI)", "none"],
    })


def momentum() -> Result:
    """MoVI against AVI under sampling noise (Vieillard et al. 2020, arXiv:1910.09322).

    100 Garnet(30, 4, 4), gamma 0.9, one sampled next state a pair. The paper's own Garnets and
    mixture rate are not verified; here the momentum is the plain mean.
    """
    model = _garnets(100)
    solution = solve(model)
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    last = {}
    named: Mapping[str, Planner] = {"AVI": ValueIteration(), "MoVI": MomentumVi()}
    for name, planner in named.items():
        rows = _rows(model, planner, 400, SampledStates(), every=10, solution=solution)
        _draw(axes, rows, "suboptimality_l1", name)
        last[name] = float(rows[-1].metrics["suboptimality_l1"].mean())
    axes.set(xlabel="iteration", ylabel="|q* - q of the policy|, L1, relative", yscale="log")
    axes.legend()
    return Result(figure, last, {"MoVI's loss is below a fifth of AVI's":
                                 last["MoVI"] < last["AVI"] / 5})


def action_gap() -> Result:
    """The action gap grows by 1 / (1 - alpha): Bellemare et al. (2016), Munchausen RL (2020).

    Garnet(30, 4, 4), gamma 0.9, 3000 iterations without errors. Advantage learning is set beside
    q*'s gap, Munchausen VI (t = 0.03) beside the soft problem's at (1 - alpha) t.
    """
    model = model_of([garnet()], 0.9)
    alphas = np.array([0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95])

    def gap(planner: Planner) -> float:
        return float(_rows(model, planner, 3000, every=3000)[-1].metrics["action_gap"][0])

    ratios = {
        "advantage learning": [gap(AdvantageLearning(alpha=a)) / gap(ValueIteration())
                               for a in alphas],
        "Munchausen VI": [gap(MunchausenVi(temperature=0.03, alpha=a))
                          / gap(SoftVi(temperature=0.03 * (1 - a))) for a in alphas],
    }
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    axes.plot(alphas, 1 / (1 - alphas), "k-", label="1 / (1 - alpha)")
    for (name, values), marker in zip(ratios.items(), "ox", strict=True):
        axes.plot(alphas, values, marker, label=name, markersize=9, fillstyle="none")
    axes.set(xlabel="alpha", ylabel="gap, relative", yscale="log")
    axes.legend()
    return Result(figure, {f"{name} at 0.95": values[-1] for name, values in ratios.items()}, {
        f"{name}: 1 / (1 - alpha) within 1e-8": bool(np.allclose(values, 1 / (1 - alphas),
                                                                 rtol=1e-8))
        for name, values in ratios.items()
    })


def maze() -> Result:
    """ShinRL's noisy backups in the maze (torch version, where walls block).

    N(0, 1) on every backup, gamma 0.99, 150 iterations, 20 seeds; mean gap |q*_25 - q^pi_25| with
    25 steps, of greedy policies. Published, one seed: 15.59 / 2.01 / 14.84 for VI / KL / ER. CVI's
    softmax evaluation at temperature 1 is the planner's own at half its temperature; left out.
    """
    seeds, published = 20, {"VI": 15.59, "KL": 2.01, "ER": 14.84}
    model = model_of([noisy_maze()] * seeds, 0.99)
    solution = solve(model)
    named: Mapping[str, Planner] = {
        "VI": ValueIteration(), "KL": Dpp(temperature=1.0), "ER": SoftVi(temperature=1.0),
    }
    best = np.zeros(model.shape)
    for _ in range(25):
        best = model.backup(best.max(-1))
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    means, claims = {}, {}
    for name, planner in named.items():
        gaps = []
        rows = _rows(model, planner, 150, Gaussian(), solution=solution, greedy=True)
        for row in rows:
            q = np.zeros(model.shape)
            for _ in range(25):
                q = model.backup((row.policy * q).sum(-1))
            gaps.append(np.abs(best - q).max((-2, -1)))
        curve = np.stack(gaps)
        mean, spread = curve.mean(0).mean(), curve.mean(0).std()
        (line,) = axes.plot(range(1, 151), curve.mean(1), label=f"{name}: {mean:.2f}")
        axes.fill_between(range(1, 151), *np.quantile(curve, (0.1, 0.9), axis=1), alpha=0.2,
                          color=line.get_color(), lw=0)
        means |= {name: mean, f"{name}: sd": spread}
        claims[f"{name}: within two standard deviations of {published[name]}"] = (
            abs(mean - published[name]) < 2 * spread)
    axes.set(xlabel="iteration", ylabel="optimality gap over 25 steps")
    axes.legend()
    return Result(figure, means, claims)


FIGURES: Mapping[str, Callable[[], Result]] = {
    "preference_growth": preference_growth, "leverage_the_average": leverage_the_average,
    "noise_and_operator": noise_and_operator, "momentum": momentum, "action_gap": action_gap,
    "maze": maze,
}


def main() -> int:
    """Draw one figure; return 1 when a claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=FIGURES)
    parser.add_argument("-o", "--output", required=True, metavar="FILE")
    chosen = parser.parse_args()
    start = time.perf_counter()
    result = FIGURES[chosen.name]()
    result.figure.savefig(chosen.output, dpi=120)
    for name, value in result.numbers.items():
        print(f"{name:45} {value:.4f}")
    for claim, holds in result.claims.items():
        print(f"{'holds' if holds else 'FAILS'}: {claim}")
    print(f"{time.perf_counter() - start:.1f} s")
    return 0 if all(result.claims.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
