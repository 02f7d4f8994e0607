"""TensorBoard event folders: CleanRL's and Stable-Baselines3's tag names, any other tag as it is.

Event files are read here record by record with the `tensorboard` package's message types, which
need no TensorFlow. Later values of a step replace earlier ones, as after a resumed run.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from erlctl.analysis.data import UNKNOWN, Columns, Run, in_memory
from erlctl.analysis.sources import naming
from erlctl.files import open_regular

_MAX_RECORD, _MAX_FILE = 64 * 2**20, 4 * 2**30
_PROGRESS = {
    "charts/episodic_return": "return_mean", "rollout/ep_rew_mean": "return_mean",
    "Metrics/AverageReturn": "return_mean", "charts/episodic_length": "length_mean",
    "rollout/ep_len_mean": "length_mean", "losses/td_loss": "loss", "train/loss": "loss",
    "losses/q_values": "q_mean", "losses/entropy": "entropy", "charts/SPS": "steps_per_second",
    "time/fps": "steps_per_second", "charts/epsilon": "epsilon",
    "rollout/exploration_rate": "epsilon",
}
_EVALUATION = {"eval/mean_reward": "return", "eval/mean_ep_length": "length"}
_FINAL_EVALUATION = "eval/episodic_return"  # CleanRL: x is the number of the episode


def read_folder(folder: Path, files: list[str]) -> Run | None:
    """Return the run in `folder`, None if there is no event file with a scalar."""
    names = tuple(name for name in files if "tfevents" in name)
    if not names:
        return None
    progress, evaluation, problems = _columns(folder, names)
    if not progress and not evaluation:
        return None
    environment, variant, seed = _identity(folder.name)
    known = [columns["step"] for columns in (progress, evaluation) if columns]
    last = max((float(steps[-1]) for steps in known if steps.size), default=0.0)
    return Run(
        path=folder, source="tensorboard", variant=variant, seed=seed, environment=environment,
        algorithm=variant, step=int(last), total_steps=naming.budget(last),
        protocol=_protocol(evaluation),
        read_evaluation=in_memory(lambda: (evaluation, problems)),
        read_progress=in_memory(lambda: (progress, problems)),
    )


def _protocol(evaluation: Columns) -> str:
    if not evaluation:
        return "no evaluation"
    counts = np.unique(evaluation["step"], return_counts=True)[1]
    # One value per step is a mean over an unknown number of episodes.
    return f"{counts.max() if counts.max() > 1 else 'some'} greedy episodes"


def _identity(name: str) -> tuple[str, str, int | None]:
    """CleanRL's <env>__<exp>__<seed>__<time>, else the name as it is."""
    parts = name.split("__")
    if len(parts) >= 3 and parts[2].isdigit():
        return parts[0], parts[1], int(parts[2])
    variant, seed = naming.split_seed(name)
    return UNKNOWN, variant or name, seed


@lru_cache(maxsize=4096)
def _columns(folder: Path, names: tuple[str, ...]) -> tuple[Columns, Columns, list[str]]:
    scalars: dict[str, dict[int, list[tuple[float, float]]]] = {}
    problems: list[str] = []
    for name in names:
        try:
            for step, wall, tag, value in _scalars(folder / name):
                scalars.setdefault(tag, {}).setdefault(step, []).append((value, wall))
        except (OSError, ValueError) as error:
            problems.append(f"{name}: {error}")
    of_progress = {_PROGRESS.get(tag, tag): by_step for tag, by_step in scalars.items()
                   if tag not in _EVALUATION and tag != _FINAL_EVALUATION}
    of_evaluation = {_EVALUATION[tag]: by_step for tag, by_step in scalars.items()
                     if tag in _EVALUATION}
    progress, evaluation = _on_one_axis(of_progress), _on_one_axis(of_evaluation)
    if _FINAL_EVALUATION in scalars and "return" not in evaluation and progress:
        values = [value for pairs in scalars[_FINAL_EVALUATION].values() for value, _ in pairs]
        evaluation = {"step": np.full(len(values), progress["step"][-1]),
                      "return": np.array(values)}
    return progress, evaluation, problems


def _on_one_axis(series: dict[str, dict[int, list[tuple[float, float]]]]) -> Columns:
    """Columns over the union of all steps; nan where a tag has no value at a step."""
    if not series:
        return {}
    steps = np.array(sorted({step for by_step in series.values() for step in by_step}), float)
    columns = {"step": steps, "wall_seconds": np.full(steps.shape, np.nan)}
    for name, by_step in series.items():
        at = np.searchsorted(steps, list(by_step))
        columns[name] = np.full(steps.shape, np.nan)
        columns[name][at] = [pairs[-1][0] for pairs in by_step.values()]
        columns["wall_seconds"][at] = [pairs[-1][1] for pairs in by_step.values()]
    columns["wall_seconds"] -= np.nanmin(columns["wall_seconds"])
    return columns


def _scalars(path: Path) -> Iterator[tuple[int, float, str, float]]:
    """Yield step, wall time, tag and value of every scalar of an event file."""
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto.event_pb2 import Event

    for record in _records(path):
        try:
            event = Event.FromString(record)
        except DecodeError as error:
            raise ValueError("damaged record, the rest is not read") from error
        for value in event.summary.value:
            number = _number(value)
            if number is not None:
                yield int(event.step), float(event.wall_time), value.tag, number


def _number(value: object) -> float | None:
    """The scalar of a summary value: the old field, or a tensor with one float."""
    kind = value.WhichOneof("value")  # type: ignore[attr-defined]
    if kind == "simple_value":
        return float(value.simple_value)  # type: ignore[attr-defined]
    if kind != "tensor":
        return None
    tensor = value.tensor  # type: ignore[attr-defined]
    formats = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8"}  # DataType: float, double, int32, int64
    if tensor.dtype not in formats or any(axis.size != 1 for axis in tensor.tensor_shape.dim):
        return None
    if tensor.tensor_content:
        numbers = np.frombuffer(tensor.tensor_content, formats[tensor.dtype])
    else:
        numbers = np.array([*tensor.float_val, *tensor.double_val, *tensor.int_val,
                            *tensor.int64_val], float)
    return float(numbers[0]) if numbers.size == 1 else None


def _records(path: Path) -> Iterator[bytes]:
    """Yield the records of a TFRecord file: length (8 bytes), checksum, data, checksum.

    Checksums are not verified: a torn end shows in the length, other damage in the message.
    """
    with open_regular(path, _MAX_FILE) as file:
        while len(header := file.read(12)) == 12:
            (length,) = struct.unpack("<Q", header[:8])
            if length > _MAX_RECORD:
                raise ValueError("damaged length, the rest is not read")
            data = file.read(length + 4)
            if len(data) < length + 4:
                return  # being written, or cut off: what is whole was read
            yield data[:length]
