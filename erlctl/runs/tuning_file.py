"""`tuning.json` in a variant's folder: what a search tried there, or what stands behind it.

    <runs-dir>/<name>/trial-0007/tuning.json    trial, study, state, params, value, trials
    <runs-dir>/<name>-best/dqn/tuning.json      trials: how many were tried to find these settings
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from erlctl.errors import ErlctlError
from erlctl.runs import store
from erlctl.runs.layout import TUNING_FILE
from erlctl.spec.schema import Experiment

SCHEMA = 1


def write(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write what is known of a variant into its folder, which is made if need be.

    Raises:
        ErlctlError: It cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        store.write_json(folder / TUNING_FILE, {"schema": SCHEMA, **facts}, durable=False)
    except OSError as error:
        raise ErlctlError(f"{folder / TUNING_FILE}: {error.strerror}",
                          fix="check the owner and the permissions of the folder") from error


def write_origin(experiment: Experiment, runs_dir: Path) -> None:
    """Write what a spec says of the searches that chose its settings (`tuned`)."""
    for variant, trials in experiment.tuned.items():
        write(runs_dir / experiment.name / variant, {"trials": trials})
