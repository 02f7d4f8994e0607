"""Which checkpoints a run has, which of them can be trusted, which may go. No TensorFlow.

    checkpoints/000120000/            everything; the run goes on from it to the same bits
    checkpoints/000115000.weights/    the agent's weights at the best evaluation
    checkpoints/000110000.damaged-1/  set aside by a resume, never read again, never removed
    checkpoints/latest, best          text files with a step: hints, readers verify
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Literal

from erlctl.errors import DamagedError, ErlctlError
from erlctl.runs import manifest as manifests
from erlctl.runs import store
from erlctl.runs.layout import RunPaths
from erlctl.runs.manifest import Damage, Manifest

MIN_KEPT = 2  # one may rot
_WEIGHTS = ".weights"


def list_checkpoints(paths: RunPaths, *, resumable: bool = True) -> list[Path]:
    """Return the published folders, newest first; they may be damaged."""
    suffix = "" if resumable else _WEIGHTS
    folders = paths.checkpoints.iterdir() if paths.checkpoints.is_dir() else ()
    found = [
        path for path in folders
        if path.name.endswith(suffix) and path.name.removesuffix(suffix).isdecimal()
    ]
    return sorted(found, key=step_of, reverse=True)


def step_of(folder: Path) -> int:
    """Return the step that a checkpoint folder is named after."""
    return int(folder.name.partition(".")[0])


def read_verified(folder: Path, fingerprints: Collection[str] | None = None) -> Manifest:
    """Return the manifest of a checkpoint whose every byte is as it was written.

    Raises:
        Damage: It is not.
        ErlctlError: Its format is newer than this version of erlctl.
    """
    if folder.is_symlink():
        raise Damage("it is a symbolic link")
    manifest = manifests.read(folder)
    try:
        manifests.verify(folder, manifest, fingerprints)
    except OSError as error:
        raise Damage(f"it cannot be read: {error}") from error
    return manifest


def newest_good(
    paths: RunPaths, fingerprints: Collection[str], warn: Callable[[str], None]
) -> tuple[Path, Manifest] | None:
    """Return the newest resumable checkpoint that verifies, or None if there never was one.

    Damaged ones that are newer are set aside as `<step>.damaged-<k>`; `warn` is told of each.

    Raises:
        DamagedError: There are checkpoints and none is good; nothing was changed.
    """
    damaged: list[tuple[Path, str]] = []
    for folder in list_checkpoints(paths):
        try:
            manifest = read_verified(folder, fingerprints)
        except Damage as damage:
            damaged.append((folder, str(damage)))
            continue
        for bad, reason in damaged:
            aside = _set_aside(bad)
            warn(f"checkpoint {bad.name} is damaged: {reason}; set aside as {aside.name}")
        return folder, manifest
    before = list(damaged_before(paths))
    if damaged or before:
        raise _all_damaged(paths, damaged, before)
    return None


def _all_damaged(
    paths: RunPaths, damaged: list[tuple[Path, str]], before: list[Path]
) -> DamagedError:
    lines = [f"  {folder.name}: {reason}" for folder, reason in damaged]
    lines += [f"  {folder.name}: was damaged before" for folder in before]
    return DamagedError(
        "\n".join([f"{paths.checkpoints}: no checkpoint is usable, nothing was deleted:", *lines]),
        fix="restore the folder from a copy, or begin again with --fresh (which keeps this one)",
    )


def damaged_before(paths: RunPaths) -> Iterator[Path]:
    """Yield the folders that earlier resumes have set aside."""
    yield from sorted(paths.checkpoints.glob("*.damaged-*"))


def _set_aside(folder: Path) -> Path:
    count = 1
    while os.path.lexists(aside := folder.with_name(f"{folder.name}.damaged-{count}")):
        count += 1
    folder.rename(aside)
    store.sync_folder(folder.parent)
    return aside


def find(paths: RunPaths, which: int | Literal["best", "latest"]) -> Path:
    """Return the folder of a checkpoint: of a step, the newest full one, or the best evaluated.

    Raises:
        ErlctlError: There is none; the message lists those that there are.
    """
    full, weights = list_checkpoints(paths), list_checkpoints(paths, resumable=False)
    if which == "latest" and full:
        return full[0]
    if which == "best" and weights:
        return weights[0]  # older ones are kept only for a resume from an older checkpoint
    by_step = {step_of(folder): folder for folder in (*weights, *full)}
    if isinstance(which, int) and which in by_step:
        return by_step[which]
    known = ", ".join(map(str, sorted(by_step))) or "none"
    raise ErlctlError(f"{paths.root}: there is no checkpoint {which!r}; there are: {known}")


def prune(paths: RunPaths, *, keep: int, best_step: int | None) -> None:
    """Remove the checkpoints that nothing needs any more.

    Kept are the newest `keep` full ones (at least `MIN_KEPT`), the best weights, and the weights
    that were the best when a kept checkpoint was written: a resume may go back to it.
    """
    full = list_checkpoints(paths)
    kept, old = full[: max(keep, MIN_KEPT)], full[max(keep, MIN_KEPT):]
    needed = {best_step}
    for folder in kept:
        try:
            needed.add(manifests.read(folder).extra.get("best_step"))
        except Damage:
            return  # what a damaged checkpoint needs is unknown
    old += [
        folder for folder in list_checkpoints(paths, resumable=False)
        if step_of(folder) not in needed
    ]
    for folder in old:
        remove(folder)


def go_back_to(paths: RunPaths, manifest: Manifest, *, keep: int) -> None:
    """Make the folder what it was right after the checkpoint of `manifest` was written.

    The best weights of the future that is given up are removed, the text files point to what there
    is, and what a process that died was about to remove is removed.
    """
    best_step = manifest.extra.get("best_step")
    store.write_bytes(paths.latest, f"{manifest.step}\n".encode(), durable=False)
    if best_step is None:
        paths.best.unlink(missing_ok=True)
    else:
        store.write_bytes(paths.best, f"{best_step}\n".encode(), durable=False)
    for folder in list_checkpoints(paths, resumable=False):
        if step_of(folder) > manifest.step:
            remove(folder)
    prune(paths, keep=keep, best_step=best_step)


def remove(folder: Path) -> None:
    """Remove a checkpoint; renamed first, because half of it must not look like a damaged one."""
    doomed = store.temporary_beside(folder)
    folder.rename(doomed)
    store.remove(doomed)
