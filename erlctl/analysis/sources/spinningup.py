"""Spinning Up: progress.txt (tab separated, one row per epoch) beside config.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from erlctl.analysis.data import UNKNOWN, Columns, Run
from erlctl.analysis.sources import naming
from erlctl.analysis.statistics import Floats

_MAX_BYTES = 64 * 2**20
_NAMES = {
    "TotalEnvInteracts": "step", "AverageEpRet": "return_mean", "StdEpRet": "return_std",
    "EpLen": "length_mean", "LossQ": "loss", "AverageQVals": "q_mean", "Entropy": "entropy",
    "Time": "wall_seconds",
}


def read_folder(folder: Path, files: list[str]) -> Run | None:
    """Return the run in `folder`, None if there is no progress.txt of Spinning Up."""
    if "progress.txt" not in files:
        return None
    progress, problems = _rows(folder / "progress.txt")
    if "step" not in progress:
        return None
    config = _config(folder / "config.json")
    name, seed = naming.split_seed(folder.name)
    variant = str(config.get("exp_name") or name)
    given_seed = config.get("seed")
    evaluation: Columns = {}
    if "AverageTestEpRet" in progress:
        evaluation = {"step": progress["step"], "return": progress["AverageTestEpRet"]}
        if "TestEpLen" in progress:
            evaluation["length"] = progress["TestEpLen"]
    last = float(progress["step"][-1]) if progress["step"].size else 0.0
    return Run(
        path=folder, source="spinningup", variant=variant,
        seed=given_seed if isinstance(given_seed, int) else seed,
        environment=str(config.get("env_name") or config.get("env") or UNKNOWN),
        algorithm=variant, step=int(last), total_steps=naming.budget(last),
        protocol=f"{config.get('num_test_episodes', 'some')} greedy episodes" if evaluation
        else "no evaluation",
        read_evaluation=lambda _: (evaluation, problems),
        read_progress=lambda _: (progress, problems),
    )


def _config(path: Path) -> dict[str, Any]:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            found = json.loads(file.read(2**20))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _rows(path: Path) -> tuple[dict[str, Floats], list[str]]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            return {}, [f"{path.name}: more than {_MAX_BYTES} bytes; not read"]
        text = path.read_text("utf-8", "replace")
    except OSError as error:
        return {}, [f"{path.name}: {error.strerror}"]
    lines = text.split("\n")
    is_torn = bool(lines.pop())  # what follows the last newline
    header = lines[0].split("\t") if lines else []
    rows, damaged = [], 0
    for line in lines[1:]:
        try:
            row = [float(field) if field.strip() else np.nan for field in line.split("\t")]
        except ValueError:
            row = []
        if len(row) == len(header):
            rows.append(row)
        else:
            damaged += 1
    problems = [f"{path.name}: torn last line left out"] if is_torn else []
    if damaged:
        problems.append(f"{path.name}: {damaged} damaged lines left out")
    values = np.array(rows, dtype=float).reshape(len(rows), len(header))
    return {_NAMES.get(name, name): values[:, i] for i, name in enumerate(header)}, problems
