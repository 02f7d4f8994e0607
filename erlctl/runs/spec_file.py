"""spec.yaml of a run directory: what a run is cannot change under its name. No TensorFlow."""

from __future__ import annotations

import difflib
import hashlib
from contextlib import suppress

from erlctl import spec
from erlctl.errors import DamagedError, ErlctlError, SpecChangedError
from erlctl.experiment import resolve
from erlctl.files import read_regular
from erlctl.runs import store
from erlctl.runs.layout import RunPaths
from erlctl.spec.schema import RunSpec
from erlctl.spec.source import MAX_BYTES


def difference(run: RunSpec, paths: RunPaths) -> str | None:
    """Return how spec.yaml differs from `run` as a unified difference, None if it means the same.

    A file that is missing means the same; one that was written by another version of erlctl and
    only spells it differently does as well.

    Raises:
        DamagedError: The file cannot be read.
    """
    existing = _read(paths)
    wanted = spec.dump(run)
    if existing is None or existing == wanted:
        return None
    with suppress(ErlctlError):  # of another version or damaged: the difference shows it
        if resolve(spec.parse_run(existing.encode(), str(paths.spec))) == resolve(run):
            return None
    return "".join(difflib.unified_diff(
        existing.splitlines(keepends=True), wanted.splitlines(keepends=True),
        "on disk", "asked for", n=1,
    ))


def settle(run: RunSpec, paths: RunPaths) -> str:
    """Write spec.yaml if it is not there; return its SHA-256, which checkpoints carry.

    Raises:
        SpecChangedError: It is there and means another run.
        DamagedError: It cannot be read.
    """
    changed = difference(run, paths)
    if changed is not None:
        raise SpecChangedError(
            f"{paths.root} holds a run of another spec:\n{changed.rstrip()}",
            fix="undo the change, give the spec another `name:`, "
                "or add --fresh to move the old run aside",
        )
    existing = _read(paths)
    if existing is None:
        existing = spec.dump(run)
        store.write_bytes(paths.spec, existing.encode())
    return hashlib.sha256(existing.encode()).hexdigest()


def _read(paths: RunPaths) -> str | None:
    try:
        return read_regular(paths.spec, MAX_BYTES).decode("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedError(
            f"{paths.spec} cannot be read: {error}",
            fix="restore it from a copy, or begin again with --fresh (which keeps this folder)",
        ) from error
