"""Run folders of other programs, read-only. `discover` finds and reads them.

Each reader is asked about one folder and answers with a `Run` or None. None of them unpickles,
evaluates or imports anything that a folder holds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from erlctl.analysis.data import Run
from erlctl.analysis.sources import stable_baselines3, tensorboard

Reader = Callable[[Path, list[str]], Run | None]
READERS: tuple[Reader, ...] = (stable_baselines3.read_folder, tensorboard.read_folder)
_MAX_LEVELS = 5
_MAX_FOLDERS = 20_000


def discover(path: Path) -> Iterator[Run]:
    """Yield the runs of other programs at or below `path`; a file stands for its folder."""
    top = path if path.is_dir() else path.parent
    base_level = str(top).rstrip(os.sep).count(os.sep)
    for count, (folder, subfolders, files) in enumerate(os.walk(top)):
        if count > _MAX_FOLDERS:
            return
        level = folder.rstrip(os.sep).count(os.sep) - base_level
        visible = (name for name in subfolders if not name.startswith("."))
        subfolders[:] = sorted(visible) if level < _MAX_LEVELS else []
        if "run.json" in files:  # one of ours, wherever it lies: its monitor.csv is no other run
            subfolders.clear()
            continue
        if path.is_file():
            files, subfolders[:] = [path.name], []
        for reader in READERS:
            run = reader(Path(folder), sorted(files))
            if run is not None:
                subfolders.clear()  # what lies below belongs to the run
                yield run
                break
