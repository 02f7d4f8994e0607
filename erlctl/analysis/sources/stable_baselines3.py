"""Stable-Baselines3 and RL-Zoo: evaluations.npz, *monitor.csv, the logger's progress.csv."""

from __future__ import annotations

import io
import json
import re
import zipfile
from functools import partial
from pathlib import Path

import numpy as np

from erlctl.analysis.data import UNKNOWN, Columns, Run, in_memory
from erlctl.analysis.sources import naming
from erlctl.files import open_regular, read_regular
from erlctl.runs import tables
from erlctl.runs.layout import whole

_MAX_BYTES = 512 * 2**20
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile)
_ARGS_SEED = re.compile(r"^- - seed\n\s+- (\d+)$", re.MULTILINE)
_LOGGER = {
    "time/total_timesteps": "step", "rollout/ep_rew_mean": "return_mean",
    "rollout/ep_len_mean": "length_mean", "train/loss": "loss", "time/fps": "steps_per_second",
    "time/time_elapsed": "wall_seconds", "rollout/exploration_rate": "epsilon",
}


def read_folder(folder: Path, files: list[str]) -> Run | None:
    """Return the run in `folder`, None if it holds none of Stable-Baselines3's files."""
    monitors = [name for name in files if name.endswith("monitor.csv")]
    has_evaluations = "evaluations.npz" in files
    if not monitors and not has_evaluations:
        return None
    evaluation, problems = _evaluations(folder / "evaluations.npz") if has_evaluations else ({}, [])
    environment, algorithm, seed = _identity(folder, monitors)
    read_progress = partial(_progress, folder, tuple(monitors), "progress.csv" in files)
    steps = evaluation["step"] if evaluation else read_progress()[0].get("step", np.empty(0))
    last = float(steps[-1]) if steps.size else 0.0
    return Run(
        path=folder, source="stable-baselines3", experiment="", variant=algorithm, seed=seed,
        environment=environment, algorithm=algorithm, step=int(last),
        total_steps=naming.budget(last), protocol=_protocol(evaluation),
        read_evaluation=in_memory(lambda: (evaluation, problems)),
        read_progress=in_memory(read_progress),
    )


def _protocol(evaluation: Columns) -> str:
    """How many episodes; whether they were greedy is not written, but it is the default."""
    if not evaluation:
        return "no evaluation"
    episodes = int(np.max(np.unique(evaluation["step"], return_counts=True)[1]))
    return f"{episodes} greedy episodes"


def _identity(folder: Path, monitors: list[str]) -> tuple[str, str, int | None]:
    """Environment, algorithm, seed: RL-Zoo's logs/<algo>/<env>_<n>, else the monitor's header."""
    from_monitor = _monitor_environment(folder / monitors[0]) if monitors else None
    name, number = naming.split_number(folder.name)
    arguments = folder / name / "args.yml"
    if arguments.is_file() or (number is not None and from_monitor in (None, name)):
        return name, folder.parent.name, _zoo_seed(arguments)
    variant, seed = naming.split_seed(folder.name)
    return from_monitor or UNKNOWN, variant or folder.parent.name, seed


def _zoo_seed(arguments: Path) -> int | None:
    try:
        match = _ARGS_SEED.search(read_regular(arguments, 2**20).decode("utf-8", "replace"))
    except OSError:
        return None
    return whole(int(match[1][:20])) if match else None


def _monitor_environment(path: Path) -> str | None:
    try:
        with open_regular(path, _MAX_BYTES) as file:
            header = json.loads(file.readline(65_536).removeprefix(b"#"))
    except (OSError, ValueError, RecursionError):
        return None
    name = header.get("env_id") if isinstance(header, dict) else None
    return name if isinstance(name, str) and name != "None" else None


def _evaluations(path: Path) -> tuple[Columns, list[str]]:
    try:
        data = io.BytesIO(read_regular(path, _MAX_BYTES))
        with zipfile.ZipFile(data) as archive:
            if sum(member.file_size for member in archive.infolist()) > _MAX_BYTES:
                return {}, [f"{path.name}: more than {_MAX_BYTES} bytes; not read"]
        with np.load(data, allow_pickle=False) as arrays:
            steps, results = np.asarray(arrays["timesteps"]), np.asarray(arrays["results"])
            lengths = np.asarray(arrays["ep_lengths"]) if "ep_lengths" in arrays else None
        if results.ndim != 2 or steps.shape != results.shape[:1]:
            raise ValueError(f"shapes {steps.shape} and {results.shape} do not fit")
        columns = {"step": np.repeat(steps.astype(float), results.shape[1]),
                   "return": results.astype(float).ravel()}
        if lengths is not None and lengths.shape == results.shape:
            columns["length"] = lengths.astype(float).ravel()
    except _UNREADABLE as error:
        return {}, [f"{path.name}: {error}"]
    return columns, []


def _progress(
    folder: Path, monitors: tuple[str, ...], has_logger: bool
) -> tuple[Columns, list[str]]:
    """The logger's rows if there are any, else one row per episode of the monitors."""
    if has_logger:
        table = tables.read_table(folder / "progress.csv")
        named = {_LOGGER.get(name, name): values for name, values in table.columns.items()}
        if "step" in named and "return_mean" in named:
            return named, table.problems
    problems: list[str] = []
    episodes = []
    for name in monitors:
        table = tables.read_table(folder / name)
        problems += table.problems
        if {"r", "l", "t"} <= set(table.columns):
            episodes.append(np.stack([table.columns[key] for key in ("r", "l", "t")]))
    if not episodes:
        return {}, problems
    joined = np.concatenate(episodes, axis=1)
    returns, lengths, seconds = joined[:, np.argsort(joined[2], kind="stable")]
    return {
        "step": np.cumsum(lengths), "return_mean": returns, "length_mean": lengths,
        "episodes": np.arange(1.0, returns.size + 1), "wall_seconds": seconds,
    }, problems
