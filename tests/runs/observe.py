"""What a finished run left behind, without what may differ: times, host, attempts."""

from __future__ import annotations

import csv

WALL_CLOCK_COLUMNS = {"steps_per_second", "wall_seconds", "t"}


def names_in(folder):
    """Return the sorted names of what a folder holds."""
    return sorted(path.name for path in folder.iterdir())


def rows(path):
    """Return the rows of a table without its wall-clock columns and preamble."""
    with path.open(newline="") as file:
        lines = [line for line in file if not line.startswith("#")]
    return [
        tuple((key, value) for key, value in row.items() if key not in WALL_CLOCK_COLUMNS)
        for row in csv.DictReader(lines)
    ]


def scalars(paths):
    """Return {tag: [(step, value)]} of the event files, wall-clock tags left out."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(paths.tensorboard), size_guidance={"scalars": 0}).Reload()
    timed = {"time/fps", "charts/SPS", "time/time_elapsed"}
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"] if tag not in timed
    }


def result(paths):
    """Return everything that interrupted and undisturbed runs must share."""
    folders = sorted(p.name for p in paths.checkpoints.iterdir() if "damaged" not in p.name)
    return {
        "progress": rows(paths.progress),
        "evaluations": rows(paths.evaluations),
        "monitor": rows(paths.monitor),
        "scalars": scalars(paths),
        "checkpoints": folders,
        "states": {
            name: (paths.checkpoints / name / "state.data-00000-of-00001").read_bytes()
            for name in folders if (paths.checkpoints / name).is_dir()
        },
        "best": paths.best.read_text(),
        "latest": paths.latest.read_text(),
        "policy": (paths.policy / "policy.txt").read_text(),
        "files": [name for name in names_in(paths.root) if "damaged" not in name],
    }
