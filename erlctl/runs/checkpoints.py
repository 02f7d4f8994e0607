"""Writes and reads checkpoints: a run's state is a set of variables, so saving it saves the run.

The state lies under stable names in a TensorFlow tensor bundle, or in an .npz file where a program
has NumPy arrays alone (`manifest.FORMATS`). A checkpoint appears by one rename after its bytes are
on the disk. See `catalogue` for which there are. Imports TensorFlow for bundles alone.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Collection, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np

from erlctl.errors import DamagedError
from erlctl.runs import catalogue, store
from erlctl.runs import manifest as manifests
from erlctl.runs.layout import RunPaths
from erlctl.runs.manifest import Damage, Manifest

State = Mapping[str, Any]  # stable name -> tf.Variable or np.ndarray


def save(
    state: State, paths: RunPaths, *, step: int, fingerprint: str,
    state_format: manifests.Format = "bundle",
    resumable: bool = True,
    has_replay: bool = True,
    offsets: Mapping[str, int] | None = None,
    versions: Mapping[str, str | None] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Manifest:
    """Write and publish one checkpoint; nothing older is touched (see `catalogue.prune`).

    Args:
        state: What to save; the values are read now.
        paths: The run.
        step: Environment steps done; names the folder.
        fingerprint: sha256 of the canonical spec.
        state_format: See `format_of`.
        resumable: False for weights alone.
        has_replay: Whether `state` holds the replay buffer.
        offsets: Lengths of the run's append-only files, which the caller has brought to the disk.
        versions: Versions of the packages.
        extra: JSON scalars to come back with the state.

    Raises:
        OSError: The disk is full or fails; nothing was published.
    """
    paths.checkpoints.mkdir(exist_ok=True)
    folder = paths.checkpoint(step, resumable)
    with store.new_folder(folder) as temporary:
        _module(state_format).write(temporary, state)
        manifest = Manifest(
            step=step, resumable=resumable, has_replay=has_replay,
            files=manifests.describe_files(temporary, state_format), fingerprint=fingerprint,
            tensors={name: {"shape": list(value.shape), "dtype": value.dtype.name}
                     for name, value in state.items()},
            offsets=dict(offsets or {}), versions=dict(versions or {}), extra=dict(extra or {}),
        )
        data = store.json_bytes(manifest.to_json(), indent=None)
        store.write_new(temporary / manifests.MANIFEST, data, durable=False)  # the block syncs
    hint = paths.latest if resumable else paths.best
    store.write_bytes(hint, f"{step}\n".encode(), durable=False)
    return manifest


def format_of(state: State) -> manifests.Format:
    """Return how a program's own state is written."""
    is_numpy = all(isinstance(value, np.ndarray) for value in state.values())
    return "arrays" if is_numpy else "bundle"


def _module(name: manifests.Format) -> ModuleType:
    """Return what writes and reads a format; the bundle's imports TensorFlow."""
    return importlib.import_module(f"erlctl.runs.{name}")


def restore(
    folder: Path, manifest: Manifest, state: State, *, optional: Collection[str] = ()
) -> None:
    """Assign every tensor of a checkpoint to the variable of the same name.

    Args:
        folder: A verified checkpoint.
        manifest: Its manifest.
        state: The variables (or arrays) to fill; untouched if anything does not match.
        optional: Names in `state` that may be missing from the checkpoint and then stay as they
            are: the replay buffer where it was not saved.

    Raises:
        DamagedError: Names, shapes or types do not match, with counts and the first few names.
    """
    _check_match(folder, manifest, state, optional)
    names = sorted(set(state) & set(manifest.tensors))
    module = _module(manifest.state_format)
    for name in names:  # one at a time: no second copy of a large replay
        assign(state[name], module.read(folder, name, state[name]))


def assign(target: Any, value: Any) -> None:
    """Set a variable, or an array in place."""
    if isinstance(target, np.ndarray):
        target[...] = value
    else:
        target.assign(value)


def _check_match(
    folder: Path, manifest: Manifest, state: State, optional: Collection[str]
) -> None:
    saved = {name: (entry.get("shape"), entry.get("dtype"))
             for name, entry in manifest.tensors.items()}
    wanted = {name: (list(value.shape), value.dtype.name)
              for name, value in state.items()}
    both = sorted(set(saved) & set(wanted))
    differing = [f"{name} {saved[name]} instead of {wanted[name]}"
                 for name in both if saved[name] != wanted[name]]
    mismatches = {
        "missing": sorted(set(wanted) - set(saved) - set(optional)),
        "unexpected": sorted(set(saved) - set(wanted)),
        "of another shape or type": differing,
    }
    if any(mismatches.values()):
        parts = [
            f"{len(names)} {label}: {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}"
            for label, names in mismatches.items() if names
        ]
        raise DamagedError(
            f"{folder}: {len(both) - len(differing)} of {len(wanted)} variables match; "
            + "; ".join(parts),
            fix="use the erlctl version that wrote it (run.json names it), or --fresh",
        )


def load_weights(
    paths: RunPaths, which: int | Literal["best", "latest"], weights: State
) -> Manifest:
    """Fill an agent's weights from a checkpoint of a run, full or weights alone.

    Args:
        paths: The run.
        which: A step, the newest, or the best evaluated one.
        weights: Variables by stable name.

    Raises:
        ErlctlError: There is no such checkpoint; the message lists those that there are.
        DamagedError: It is damaged or of another network.
    """
    folder = catalogue.find(paths, which)
    try:
        manifest = catalogue.read_verified(folder)
    except Damage as damage:
        raise DamagedError(
            f"{folder} is damaged: {damage}", fix="choose another with --checkpoint"
        ) from damage
    named = {name: entry for name, entry in manifest.tensors.items() if name in weights}
    restore(folder, dataclasses.replace(manifest, tensors=named), weights)
    return manifest
