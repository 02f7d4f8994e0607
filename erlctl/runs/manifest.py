"""What stands in a checkpoint's manifest, and whether the files beside it are what it says.

A manifest may come from a colleague's folder, so nothing in it is believed: types are checked, file
names are ours alone, and symbolic links are not followed. No TensorFlow.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from erlctl.errors import ErlctlError
from erlctl.runs.layout import RunPaths

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
Format = Literal["bundle", "arrays"]
# How a state is written (`runs.bundle`, `runs.arrays`) -> its files.
FORMATS: Mapping[Format, tuple[str, ...]] = {
    "bundle": ("state.index", "state.data-00000-of-00001"), "arrays": ("state.npz",),
}

_MAX_MANIFEST_BYTES = 16 * 2**20
_CHUNK_BYTES = 1 << 20


class Damage(Exception):  # noqa: N818 - caught and told, never shown as it is
    """A checkpoint is not what its manifest says; the message says in what."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a checkpoint holds.

    Attributes:
        step: Environment steps done.
        resumable: Whether the run can go on from it; else it holds the agent's weights only.
        has_replay: Whether the replay buffer is in it.
        files: Name to {bytes, sha256}.
        tensors: Stable name to {shape, dtype}.
        offsets: Length in bytes of each of the run's append-only files at this step.
        fingerprint: sha256 of the canonical spec.
        versions: Versions of the packages that wrote it.
        extra: JSON scalars that belong to the state but are not tensors.
        format_version: Version of this format.
    """

    step: int
    resumable: bool
    has_replay: bool
    files: Mapping[str, Mapping[str, Any]]
    tensors: Mapping[str, Mapping[str, Any]]
    fingerprint: str
    offsets: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, str | None] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    @property
    def state_format(self) -> Format:
        """How the state is written; the files tell."""
        return next(name for name, files in FORMATS.items() if set(files) == set(self.files))

    def to_json(self) -> dict[str, Any]:
        """Return the object that `read` reads again."""
        return dict(vars(self))  # asdict would copy every entry, several milliseconds a checkpoint


_TYPES: Mapping[str, type] = {
    "step": int, "resumable": bool, "has_replay": bool, "files": dict, "tensors": dict,
    "fingerprint": str, "offsets": dict, "versions": dict, "extra": dict,
}


def read(folder: Path) -> Manifest:
    """Return the manifest of a checkpoint folder.

    Raises:
        Damage: It is missing, cannot be parsed or does not have the shape of a manifest.
        ErlctlError: Its format is newer than this version of erlctl.
    """
    path = folder / MANIFEST
    try:
        data = _read_regular(path, _MAX_MANIFEST_BYTES)
        loaded = json.loads(data)
    except FileNotFoundError:
        raise Damage(f"{MANIFEST} is missing") from None
    except (OSError, ValueError, RecursionError) as error:
        raise Damage(f"{MANIFEST} cannot be read: {error}") from error
    if not isinstance(loaded, dict):
        raise Damage(f"{MANIFEST} holds no object")
    _check_format(loaded.get("format_version"), path)
    for key, expected in _TYPES.items():
        if type(loaded.get(key)) is not expected:
            found = f"{loaded.get(key)!r:.60}"
            raise Damage(f"{MANIFEST}: {key} is {found}, expected {expected.__name__}")
    if set(loaded["files"]) not in map(set, FORMATS.values()):
        raise Damage(f"{MANIFEST}: files are {sorted(loaded['files'])}, expected "
                     f"{' or '.join(map(str, FORMATS.values()))}")
    if not all(isinstance(entry, dict) for entry in loaded["tensors"].values()):
        raise Damage(f"{MANIFEST}: tensors are not described")
    return Manifest(**{key: loaded[key] for key in _TYPES})


def _check_format(version: Any, path: Path) -> None:
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise Damage(f"{MANIFEST}: format_version is {version!r}")
    if version > FORMAT_VERSION:
        raise ErlctlError(
            f"{path}: written in format {version}, this erlctl reads up to {FORMAT_VERSION}",
            fix="use the erlctl version that wrote it (run.json names it), or a newer one",
        )


def verify(
    folder: Path, manifest: Manifest, fingerprints: Collection[str] | None = None
) -> None:
    """Compare the files of a checkpoint with its manifest: sizes first, then every byte.

    Raises:
        Damage: Something differs; the message has the numbers.
    """
    if folder.name != RunPaths(folder).checkpoint(manifest.step, manifest.resumable).name:
        raise Damage(f"{MANIFEST} is of step {manifest.step}, the folder is called {folder.name}")
    if fingerprints is not None and manifest.fingerprint not in fingerprints:
        raise Damage("it was written for another spec")
    for name in FORMATS[manifest.state_format]:
        entry = manifest.files[name]
        actual = _size(folder / name)
        if not isinstance(entry, dict) or actual != entry.get("bytes"):
            expected = entry.get("bytes") if isinstance(entry, dict) else entry
            raise Damage(f"{name} has {actual} of {expected} bytes")
    for name in FORMATS[manifest.state_format]:
        if sha256(folder / name) != manifest.files[name].get("sha256"):
            raise Damage(f"{name} has changed since it was written (sha256)")


def describe_files(folder: Path, state_format: Format) -> dict[str, dict[str, Any]]:
    """Return {name: {bytes, sha256}} of the state files in `folder`."""
    return {
        name: {"bytes": _size(folder / name), "sha256": sha256(folder / name)}
        for name in FORMATS[state_format]
    }


def sha256(path: Path) -> str:
    """Return the sha256 of a regular file in hexadecimal; it is read in pieces."""
    digest = hashlib.sha256()
    buffer = bytearray(_CHUNK_BYTES)
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(view[:count])
    return digest.hexdigest()


def _size(path: Path) -> int:
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        raise Damage(f"{path.name} is missing") from None
    if not stat.S_ISREG(status.st_mode):
        raise Damage(f"{path.name} is not a regular file")
    return status.st_size


def _read_regular(path: Path, limit: int) -> bytes:
    status = os.lstat(path)
    if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
        raise ValueError(f"not a regular file of at most {limit} bytes")
    return path.read_bytes()
