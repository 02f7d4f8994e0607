"""Run directories with known numbers, written as erlctl writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from erlctl.runs.layout import RunPaths
from erlctl.runs.tables import EVALUATION_COLUMNS, TableWriter, progress_columns

DIAGNOSTICS = ("q_mean", "entropy", "kl_to_target", "action_gap", "clipped_fraction",
               "preference_max", "gradient_norm")

_SPEC = """\
schema: 1
name: {name}
variant: {variant}
seed: {seed}
environment: {{id: {environment}, backend: auto, num_envs: 1, kwargs: {{}}}}
agent: {{algorithm: {algorithm}, gamma: 0.99{extra}}}
training: {{steps: {total_steps}, batch_size: 64}}
evaluation: {{every: 1000, episodes: {episodes}, policy: {{type: greedy}}}}
"""


def write_run(
    runs_dir: Path, *, name: str = "family", variant: str = "dqn", seed: int = 0,
    environment: str = "CartPole-v1", algorithm: str | None = None, status: str = "complete",
    reason: str | None = None, curve: np.ndarray | None = None, every: int = 1000,
    total_steps: int | None = None, episodes: int = 3, spread: float = 0.0, extra: str = "",
    progress_rows: int | None = None, seconds_per_step: float = 0.001,
) -> RunPaths:
    """Write one run.

    Args:
        curve: Mean return of each evaluation, at `every`, 2 * `every`, ...; default a rising line.
        spread: Episodes lie at curve + (-spread, 0, spread), so their mean is the curve.
        extra: Further fields of the agent, ", alpha: 0.9".
        progress_rows: Rows of progress.csv, default as many as evaluations.
    """
    curve = np.linspace(10.0, 100.0, 10) if curve is None else np.asarray(curve, float)
    total_steps = total_steps or every * len(curve)
    algorithm = algorithm or variant.partition(",")[0].rpartition("/")[2]
    paths = RunPaths(Path(runs_dir) / name / variant / f"seed-{seed}")
    paths.root.mkdir(parents=True)
    paths.spec.write_text(_SPEC.format(
        name=name, variant=variant, seed=seed, environment=environment, algorithm=algorithm,
        total_steps=total_steps, episodes=episodes, extra=extra,
    ))
    facts: dict[str, Any] = {
        "schema": 1, "run_id": f"{name}-{variant}-{seed}", "name": name, "variant": variant,
        "seed": seed, "status": status, "reason": reason, "step": every * len(curve),
        "total_steps": total_steps, "environment": environment, "algorithm": algorithm,
        "evaluation": {"episodes": episodes, "policy": "greedy"},
        "versions": {"erlctl": "0.1.0", "python": "3.11", "tensorflow": "2.15.1"},
        "host": {"name": "somewhere"}, "git": {"commit": "0" * 40, "dirty": False},
        "created": "2024-01-01T00:00:00Z", "updated": "2024-01-01T00:10:00Z",
        "command": "erlctl train spec.yaml", "compile": "xla", "attempts": [],
    }
    paths.run_json.write_text(json.dumps(facts))
    _write_evaluations(paths, curve, every, episodes, spread, seconds_per_step)
    _write_progress(paths, curve, every, progress_rows or len(curve), seconds_per_step, seed)
    return paths


def _write_evaluations(
    paths: RunPaths, curve: np.ndarray, every: int, episodes: int, spread: float, pace: float
) -> None:
    table = TableWriter(paths.evaluations, EVALUATION_COLUMNS)
    offsets = spread * np.linspace(-1.0, 1.0, episodes) if episodes > 1 else np.zeros(1)
    for position, value in enumerate(curve, start=1):
        step = position * every
        for episode, offset in enumerate(offsets):
            table.append({"step": step, "episode": episode, "return": value + offset,
                          "length": 10, "wall_seconds": step * pace})
    table.close()


def _write_progress(
    paths: RunPaths, curve: np.ndarray, every: int, rows: int, pace: float, seed: int
) -> None:
    table = TableWriter(paths.progress, progress_columns(DIAGNOSTICS))
    generator = np.random.default_rng(seed)
    last = every * len(curve)
    for position in range(1, rows + 1):
        step = last * position // rows
        share = position / rows
        table.append({
            "step": step, "updates": step, "episodes": position,
            # No episode finished in the first interval: an empty field, as in a real run.
            "return_mean": None if position == 1 else float(np.interp(step, every * np.arange(
                1, len(curve) + 1), curve)) * 0.9,
            "return_std": 1.0, "length_mean": 10.0,
            "loss": float(np.exp(-share) * (1 + 0.1 * generator.random())),
            "q_mean": 10 * share, "entropy": 0.7 * (1 - share) + 0.02 * generator.random(),
            "kl_to_target": 0.01 * generator.random(), "action_gap": share * 2,
            "clipped_fraction": 0.1 * share, "preference_max": 50 * share + seed,
            "gradient_norm": 1.0 + generator.random(), "epsilon": 1 - share,
            "temperature": 0.03, "steps_per_second": 1 / pace, "wall_seconds": step * pace,
        })
    table.close()


def rising_curve(
    final: float, *, points: int = 10, noise: float = 0.0, seed: int = 0
) -> np.ndarray:
    """Return a learning curve that ends at `final` exactly."""
    generator = np.random.default_rng(seed)
    x = np.linspace(0.0, 1.0, points)
    curve = final * (1 - np.exp(-4 * x)) / (1 - np.exp(-4.0))
    curve += noise * generator.normal(size=points) * (x < 1)
    return curve


def write_group(
    runs_dir: Path, variant: str, finals: list[float], *, noise: float = 0.0, **options: Any
) -> list[RunPaths]:
    """Write one run per final return, seeds 0, 1, ..."""
    return [
        write_run(runs_dir, variant=variant, seed=seed,
                  curve=rising_curve(final, noise=noise, seed=seed), **options)
        for seed, final in enumerate(finals)
    ]
