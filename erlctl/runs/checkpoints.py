"""Writes and reads checkpoints: a run's state is a set of variables, so saving it saves the run.

The state is a TensorFlow tensor bundle under stable names, without an object graph. A checkpoint
appears by one rename after its bytes are on the disk. See `catalogue` for which there are.
"""

from __future__ import annotations

import dataclasses
import errno
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from erlctl.errors import DamagedError
from erlctl.runs import catalogue, store
from erlctl.runs import manifest as manifests
from erlctl.runs.layout import RunPaths
from erlctl.runs.manifest import Damage, Manifest

State = Mapping[str, Any]  # stable name -> tf.Variable or np.ndarray

_PREFIX = "state"


def save(
    state: State, paths: RunPaths, *, step: int, fingerprint: str,
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
        tensors = _write_bundle(temporary / _PREFIX, state)
        manifest = Manifest(
            step=step, resumable=resumable, has_replay=has_replay,
            files=manifests.describe_files(temporary), tensors=tensors, fingerprint=fingerprint,
            offsets=dict(offsets or {}), versions=dict(versions or {}), extra=dict(extra or {}),
        )
        data = store.json_bytes(manifest.to_json(), indent=None)
        store.write_new(temporary / manifests.MANIFEST, data, durable=False)  # the block syncs
    hint = paths.latest if resumable else paths.best
    store.write_bytes(hint, f"{step}\n".encode(), durable=False)
    return manifest


def _write_bundle(prefix: Path, state: State) -> dict[str, dict[str, Any]]:
    names = sorted(state)
    values = [_tensor(state[name]) for name in names]
    try:
        tf.raw_ops.SaveV2(
            prefix=str(prefix), tensor_names=names, shape_and_slices=[""] * len(names),
            tensors=values,
        )
    except tf.errors.OpError as error:
        is_full = isinstance(error, tf.errors.ResourceExhaustedError)
        code = errno.ENOSPC if is_full else errno.EIO
        raise OSError(code, f"{os.strerror(code)} ({error.message})", str(prefix)) from error
    return {
        name: {"shape": value.shape.as_list(), "dtype": value.dtype.name}
        for name, value in zip(names, values, strict=True)
    }


def _tensor(value: Any) -> tf.Tensor:
    """Return a variable's value, or an array as a tensor on the same memory: replays are large.

    TensorFlow takes no truth values this way (DLPack's type code 6); those are copied.
    """
    if isinstance(value, np.ndarray) and value.ndim and value.dtype != np.bool_:
        return tf.experimental.dlpack.from_dlpack(value.__dlpack__())
    return tf.convert_to_tensor(value)


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
    for name in names:  # one at a time: no second copy of a large replay
        target = state[name]
        try:
            value, = tf.raw_ops.RestoreV2(
                prefix=str(folder / _PREFIX), tensor_names=[name], shape_and_slices=[""],
                dtypes=[tf.as_dtype(target.dtype)],
            )
        except tf.errors.OpError as error:
            raise DamagedError(f"{folder}: TensorFlow cannot read it: {error.message}") from error
        if isinstance(target, np.ndarray):
            target[...] = value.numpy()
        else:
            target.assign(value)


def _check_match(
    folder: Path, manifest: Manifest, state: State, optional: Collection[str]
) -> None:
    saved = {name: (entry.get("shape"), entry.get("dtype"))
             for name, entry in manifest.tensors.items()}
    wanted = {name: (list(value.shape), tf.as_dtype(value.dtype).name)
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
