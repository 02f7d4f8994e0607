"""The figures that take minutes together: runs each spec, draws it, and checks what must hold.

    python experiments/figures.py [NAME ...] [--runs-dir runs]

A name is that of a spec in this folder, which says source, deviations and expectation. Specs of
planners alone are planned in batches of their seeds and tables, with the numbers of `erlctl train`;
the others are trained by `erlctl train`, which resumes. Pictures go to RUNS_DIR/figures. Exit code
1 when a claim does not hold.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np

from erlctl.algorithms.planners import Planner
from erlctl.analysis.load import load
from erlctl.environments import registry
from erlctl.experiment import load_all
from erlctl.options.policies import Greedy
from erlctl.planning.model import Array, Model, model_of, solve
from erlctl.planning.plan import Row, plan
from erlctl.spec.schema import RunSpec
from erlctl.training import seeding

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

FOLDER = Path(__file__).resolve().parent
LOSS_L1 = "loss of the policy, sum |q* - q| / sum |q*|"


class Lines(NamedTuple):
    """What one variant measured.

    Attributes:
        steps: [K]: iterations or environment steps.
        metrics: Column of progress.csv to [K, B], B seeds or tables.
        policies: K times [B, S, A]; planned specs alone.
        model: The B problems; planned specs alone.
    """

    steps: Array
    metrics: Mapping[str, Array]
    policies: Sequence[Array] = ()
    model: Model | None = None

    def last(self, metric: str, rows: int = 1) -> float:
        """Return the mean of the last rows over all of B."""
        return float(self.metrics[metric][-rows:].mean())


class Result(NamedTuple):
    """A drawn figure, the numbers in it and what must hold."""

    figure: Figure
    numbers: Mapping[str, float]
    claims: Mapping[str, bool]


Variants = Mapping[str, Lines]


def planned(runs: Sequence[RunSpec]) -> Lines:
    """Plan runs of one variant in one batch, as `training.planner_program` does one by one."""
    first = runs[0]
    assert isinstance(first.agent, Planner)
    tables = [registry.table_of(run.environment.id, run.environment.kwargs) for run in runs]
    model = model_of([table for table in tables if table is not None], first.agent.gamma)
    keys = [int(seeding.key_of(run.seed, seeding.Stream.AGENT)) % 2**64 for run in runs]
    rows: list[Row] = []
    plan(model, first.agent, first.training.steps, keys, first.agent.errors, rows.append,
         every=first.logging.every, solution=solve(model),
         greedy=isinstance(first.evaluation.policy, Greedy))
    return Lines(
        np.array([float(row.iteration) for row in rows]),
        {name: np.stack([row.metrics[name] for row in rows]) for name in rows[0].metrics},
        [row.policy for row in rows], model)


def trained(path: Path, name: str, runs_dir: Path) -> Variants:
    """Train what is missing of a spec and read its rows."""
    subprocess.run([sys.executable, "-m", "erlctl", "train", path, "--runs-dir", runs_dir],
                   check=True, stdout=subprocess.DEVNULL)
    runs = sorted(load([runs_dir / name]).runs, key=lambda run: run.variant)
    found = {}
    for variant, members in itertools.groupby(runs, key=lambda run: run.variant):
        tables = [run.table("progress") for run in members]
        found[variant] = Lines(
            tables[0]["step"],
            {column: np.stack([table[column] for table in tables], axis=1)
             for column in tables[0]})
    return found


def measured(name: str, runs_dir: Path) -> Variants:
    """Return the variants of a spec; what differs in seed and table alone is one variant."""
    path = FOLDER / f"{name}.yaml"
    (experiment,) = load_all([str(path)])
    groups: dict[str, list[RunSpec]] = {}
    for run in experiment.runs:
        parts = [part for part in run.variant.split(",") if not part.startswith("seed=")]
        groups.setdefault(",".join(parts), []).append(run)
    if all(isinstance(run.agent, Planner) for run in experiment.runs):
        return {variant: planned(runs) for variant, runs in groups.items()}
    return trained(path, name, runs_dir)


def draw(axes: plt.Axes, lines: Lines, metric: str, label: str, dashes: str = "-") -> None:
    """Draw the mean over seeds or tables with 1.96 standard errors."""
    values = lines.metrics[metric]
    mean = values.mean(1)
    (line,) = axes.plot(lines.steps, mean, dashes, label=label)
    if values.shape[1] > 1:
        half = 1.96 * values.std(1, ddof=1) / np.sqrt(values.shape[1])
        # What is drawn here (losses, sizes) cannot be negative.
        axes.fill_between(lines.steps, np.maximum(mean - half, 0.0), mean + half,
                          color=line.get_color(), alpha=0.2, lw=0)


def panels(count: int) -> tuple[Figure, list[plt.Axes]]:
    """Return a figure with panels side by side."""
    figure, axes = plt.subplots(1, count, figsize=(1.5 + 4.5 * count, 4), layout="constrained",
                                squeeze=False)
    return figure, list(axes[0])


def dpp_growth(variants: Variants) -> Result:
    """Suboptimal preferences fall along the line iterations x advantage."""
    figure, axes = panels(2)
    numbers, claims = {}, {}
    titles = {"garnet": "Garnet(30, 4, 4), gamma 0.9", "grid": "grid world 50 x 50, gamma 0.99"}
    for panel, (name, title) in zip(axes, titles.items(), strict=True):
        lines = variants[name]
        assert lines.model is not None
        solution = solve(lines.model)
        rate = float((solution.v[..., np.newaxis] - solution.q).max())
        at, values = lines.steps, lines.metrics["preference_max"][:, 0]
        panel.plot(at, values, "o-", label="largest |preference|")
        panel.plot(at, rate * at, "k--", label=f"iterations x largest |A*| = {rate:.3g}")
        panel.set(title=title, xlabel="iteration", ylabel="units of return")
        panel.legend()
        slope = float((values[-1] - values[-2]) / (at[-1] - at[-2]))
        numbers |= {f"{name}: slope": slope, f"{name}: largest |A*|": rate}
        claims[f"{name}: the slope is the largest |A*| within 1 %"] = abs(slope / rate - 1) < 0.01
    return Result(figure, numbers, claims)


def leverage_the_average(variants: Variants) -> Result:
    """KL averages errors."""
    figure, axes = panels(2)
    last = {name: lines.last("suboptimality_l1") for name, lines in variants.items()}
    for name, lines in variants.items():
        kind, _, number = name.partition("-")
        label = {"avi": "AVI", "kl": f"kl {number}", "share": f"kl / (kl + entropy) = {number}"}
        draw(axes[kind == "share"], lines, "suboptimality_l1", label[kind])
    bottom, top = min(last.values()) / 1.5, 2.0
    for panel, title in zip(axes, ("no entropy", "entropy 0.001"), strict=True):
        panel.set(title=title, xlabel="iteration", yscale="log", ylim=(bottom, top))
        panel.legend()
    axes[0].set_ylabel(LOSS_L1)
    return Result(figure, last, {
        "kl 0.1 < 0.05 < 0.25 < AVI": last["kl-0.1"] < 0.05 < 0.25 < last["avi"],
        "with entropy, more kl is better":
        last["share-0"] > last["share-0.9"] > last["share-0.99"],
    })


def cvi_noise(variants: Variants) -> Result:
    """Kind of error x operator."""
    operators = {"max": "max (VI)", "max-gap": "max + gap (AL)", "softmax": "softmax (soft VI)",
                 "softmax-gap": "softmax + gap (CVI)", "dpp": "softmax, whole gap (DPP)"}
    kinds = ("none", "gaussian", "sampled_states", "bias", "adversarial")
    at, half = {}, {}
    for name, lines in variants.items():
        operator, _, errors = name.partition(",errors=")
        (kind,) = [kind for kind in kinds if errors.startswith(kind)]
        late = lines.metrics["suboptimality_l1"][lines.steps > 200].mean(0)
        at[operator, kind] = float(late.mean())
        half[operator, kind] = float(1.96 * late.std(ddof=1) / np.sqrt(late.size))
    table = np.array([[at[operator, kind] for kind in kinds] for operator in operators])
    figure, axes = plt.subplots(figsize=(8.5, 4), layout="constrained")
    axes.imshow(np.log10(table + 1e-3), cmap="Blues", aspect="auto")
    axes.set_xticks(range(len(kinds)), [f"{kind} 0.1" if kind in (
        "gaussian", "bias", "adversarial") else kind.replace("_", " ") for kind in kinds])
    axes.set_yticks(range(len(operators)), list(operators.values()))
    axes.set(title=f"{LOSS_L1}\nmean and 1.96 standard errors over 20 Garnets",
             xlabel="error of every backup")
    for (i, operator), (j, kind) in itertools.product(enumerate(operators), enumerate(kinds)):
        text = f"{at[operator, kind]:.3f}\n± {half[operator, kind]:.3f}"
        axes.text(j, i, text, ha="center", va="center",
                  color="white" if at[operator, kind] > 0.05 else "black")
    stochastic, fixed = ("gaussian", "sampled_states"), ("bias", "adversarial")
    return Result(figure, {f"{one} / {kind}": value for (one, kind), value in at.items()}, {
        "the gap makes max resilient to stochastic errors":
        all(at["max-gap", kind] < 0.5 * at["max", kind] for kind in stochastic),
        "the gap with max does not help against fixed errors":
        all(at["max-gap", kind] > 0.9 * at["max", kind] for kind in fixed),
        "softmax alone has a loss without any error":
        at["softmax", "none"] > 2 * at["softmax-gap", "none"],
    })


def momentum_garnet(variants: Variants) -> Result:
    """The mean of the values against the last of them."""
    figure, (axes,) = panels(1)
    for name, label in (("avi", "AVI"), ("movi", "MoVI")):
        draw(axes, variants[name], "suboptimality_l1", label)
    axes.set(xlabel="iteration", ylabel=LOSS_L1, yscale="log",
             title="one sampled next state a backup, 100 Garnets")
    axes.legend()
    last = {name: lines.last("suboptimality_l1") for name, lines in variants.items()}
    return Result(figure, last, {
        "MoVI's loss is below a fifth of AVI's": last["movi"] < last["avi"] / 5})


# Published (one seed) and, where there is one, an independent replica's mean over 20 seeds.
MAZE = {
    "vi": (9.67, 9.77), "kl": (1.19, 1.25), "entropy": (9.62, 9.71), "cvi": (6.77, 6.64),
    "torch-vi": (15.59, 15.54), "torch-kl": (2.01, 1.85), "torch-entropy": (14.84, 14.76),
}


def shinrl_maze(variants: Variants) -> Result:
    """Gaps over a horizon of 25 steps."""
    figure, axes = panels(2)
    numbers, claims = {}, {}
    names = {"vi": "VI", "kl": "KL", "entropy": "entropy", "cvi": "KL and entropy"}
    for variant, expected in MAZE.items():
        lines = variants[variant]
        gaps = horizon_gaps(lines, horizon=25)
        mean, spread = float(gaps.mean()), float(gaps.mean(0).std())
        panel = axes[variant.startswith("torch")]
        label = f"{names[variant.removeprefix('torch-')]}: {mean:.2f} (published {expected[0]})"
        (line,) = panel.plot(lines.steps, gaps.mean(1), label=label)
        panel.fill_between(lines.steps, *np.quantile(gaps, (0.1, 0.9), axis=1), alpha=0.2,
                           color=line.get_color(), lw=0)
        numbers |= {variant: mean, f"{variant}: sd over seeds": spread}
        claims[f"{variant}: {expected[0]} and {expected[1]} within two standard deviations"] = all(
            abs(mean - number) < 2 * spread for number in expected)
    for panel, title in zip(axes, ("JAX branch", "torch branch"), strict=True):
        panel.set(xlabel="iteration", title=f"{title}: mean, 10 % and 90 % of 20 seeds")
        panel.set_ylim(0, panel.get_ylim()[1] * 1.45)
        panel.legend(loc="upper right")
    axes[0].set_ylabel("max |q*_25 - q^pi_25|, units of return")
    return Result(figure, numbers, claims)


def horizon_gaps(lines: Lines, horizon: int) -> Array:
    """Return max |q* - q^pi| over so many steps: [K, B]."""
    model = lines.model
    assert model is not None
    best = np.zeros(model.shape)
    for _ in range(horizon):
        best = model.backup(best.max(-1))
    gaps = []
    for policy in lines.policies:
        q = np.zeros(model.shape)
        for _ in range(horizon):
            q = model.backup((policy * q).sum(-1))
        gaps.append(np.abs(best - q).max((-2, -1)))
    return np.stack(gaps)


def action_gap(variants: Variants) -> Result:
    """Gap relative to alpha = 0, table and network."""
    alphas = np.array([0.0, 0.5, 0.8, 0.9])
    figure, (axes,) = panels(1)
    fine = np.linspace(0, 0.92, 200)
    axes.plot(fine, 1 / (1 - fine), "k-", lw=1, label="1 / (1 - alpha)")
    numbers, claims = {}, {}
    # All lie on one another: hence open markers of different size.
    kinds = (("al", "advantage learning", "C0", 17), ("munchausen", "Munchausen", "C1", 10))
    sources = (("action_gap", "table", "o", 1e-6), ("action_gap_network", "network", "x", 0.01))
    for (kind, name, color, size), (spec, where, marker, within) in itertools.product(
        kinds, sources
    ):
        gaps = np.array([
            variants[f"{spec}/{kind}-{alpha:g}"].last("action_gap") for alpha in alphas])
        ratios = gaps / gaps[0]
        axes.plot(alphas, ratios, marker, color=color, fillstyle="none", markersize=size,
                  linestyle="none", label=f"{name}, {where}")
        worst = float(np.abs(ratios * (1 - alphas) - 1).max())
        numbers |= {f"{name}, {where}: at 0.9": float(ratios[-1]),
                    f"{name}, {where}: worst relative error": worst}
        claims[f"{name}, {where}: 1 / (1 - alpha) within {within:g}"] = worst < within
    axes.set(xlabel="alpha", ylabel="action gap, relative to alpha = 0", yscale="log")
    axes.set_yticks([1, 2, 5, 10], ["1", "2", "5", "10"])
    axes.minorticks_off()
    axes.legend(labelspacing=1.0, borderpad=0.8)
    return Result(figure, numbers, claims)


def dpp_divergence(variants: Variants) -> Result:
    """One form of deep DPP diverges, two do not."""
    figure, (axes,) = panels(1)
    numbers, claims = {}, {}
    for form in ("preference", "bounded", "q_plus_log_policy"):
        (lines,) = [found for name, found in variants.items() if name.endswith(f"form={form}")]
        draw(axes, lines, "preference_max", form, "--" if form == "q_plus_log_policy" else "-")
        half = len(lines.steps) // 2
        middle = float(lines.metrics["preference_max"][half].mean())
        end = lines.last("preference_max")
        numbers |= {f"{form}: at half of the steps": middle, f"{form}: at the end": end}
        if form == "preference":
            claims[f"{form}: doubles over the second half, within 10 %"] = abs(
                end / middle - 2) < 0.2
        else:
            claims[f"{form}: moves by less than 10 % over the second half"] = abs(
                end / middle - 1) < 0.1
    axes.set(xlabel="environment steps", ylabel="largest |preference|, units of return")
    axes.legend()
    return Result(figure, numbers, claims)


def bridge_garnet(variants: Variants) -> Result:
    """Planner and agent of one algorithm against the exact optimum."""
    figure, (axes,) = panels(1)
    last = {name: lines.last("suboptimality_sup", 20) for name, lines in variants.items()}
    for name, lines in variants.items():
        draw(axes, lines, "suboptimality_sup", name)
    axes.set(xlabel="iterations of planners, environment steps of the network",
             ylabel="loss of the policy, max |q* - q|")
    axes.set_yscale("symlog", linthresh=1e-3)
    axes.set_ylim(-2e-4, 50.0)  # room for the legend
    axes.legend()
    return Result(figure, last, {
        "exact planning has no loss": last["table-exact"] < 1e-9,
        "the network ends within a quarter of what one sample a backup loses":
        last["network"] < last["table-1-sample"] / 4,
    })


class Entry(NamedTuple):
    """How a figure is made: from which specs, and what draws and checks it."""

    draw: Callable[[Variants], Result]
    specs: tuple[str, ...]


FIGURES: Mapping[str, Entry] = {
    function.__name__: Entry(function, specs or (function.__name__,))
    for function, specs in (
        (dpp_growth, ()), (leverage_the_average, ()), (cvi_noise, ()), (momentum_garnet, ()),
        (shinrl_maze, ()), (action_gap, ("action_gap", "action_gap_network")),
        (dpp_divergence, ()), (bridge_garnet, ()),
    )
}


def make(name: str, runs_dir: Path) -> bool:
    """Run, draw and check one figure; return whether all claims hold."""
    start = time.perf_counter()
    entry = FIGURES[name]
    variants = {
        f"{spec}/{variant}" if len(entry.specs) > 1 else variant: lines
        for spec in entry.specs for variant, lines in measured(spec, runs_dir).items()
    }
    result = entry.draw(variants)
    picture = runs_dir / "figures" / f"{name}.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    result.figure.savefig(picture, dpi=120)
    plt.close(result.figure)
    print(f"{name}: {picture} ({time.perf_counter() - start:.0f} s)")
    for what, value in result.numbers.items():
        print(f"  {what:45} {value:.4g}")
    for claim, holds in result.claims.items():
        print(f"  {'holds' if holds else 'FAILS'}: {claim}", flush=True)
    return all(result.claims.values())


def main(arguments: Iterable[str] | None = None) -> int:
    """Make the figures that were asked for, or all; return 1 when a claim does not hold."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(FIGURES)}")
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"))
    chosen = parser.parse_args(None if arguments is None else list(arguments))
    unknown = sorted(set(chosen.names) - set(FIGURES))
    if unknown:
        parser.error(f"no figure is called {unknown[0]}; there are {', '.join(FIGURES)}")
    held = [make(name, chosen.runs_dir) for name in chosen.names or FIGURES]
    return 0 if all(held) else 1


if __name__ == "__main__":
    raise SystemExit(main())
