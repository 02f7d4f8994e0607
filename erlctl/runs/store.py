"""Files that are either the old or the new one, whenever the power fails. No TensorFlow.

A file or folder is made under a temporary name beside its place, brought to the disk, and renamed.
A leftover of a process that died in between is normal and is removed by the next holder of the
run's lock.
"""

from __future__ import annotations

import errno
import json
import math
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

TEMPORARY_PREFIX = ".tmp-"
_REMAINS = "policy/variables/*_temp*"  # of TensorFlow, below a run directory


def temporary_beside(path: Path) -> Path:
    """Return a name in the folder of `path` that no other process or attempt uses."""
    return path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(6)}")


def leftovers(*folders: Path) -> list[Path]:
    """Return what a process left that died, or could not remove it, before it was renamed."""
    return [path for folder in folders for pattern in (f"{TEMPORARY_PREFIX}*", _REMAINS)
            for path in sorted(folder.glob(pattern))]


def sweep(*folders: Path) -> list[Path]:
    """Remove the leftovers; return what was removed.

    The caller holds the run's lock, so whoever made them is dead: process ids, which are reused,
    need not be looked at.
    """
    found = leftovers(*folders)
    for path in found:
        remove(path)
    return found


def remove_remains(folder: Path) -> None:
    """Remove what TensorFlow leaves in a SavedModel when it cannot remove it itself."""
    for path in folder.glob(_REMAINS.partition("/")[2]):
        with suppress(OSError):  # it is said at the end, and the next start removes it
            remove(path)


def remove(path: Path) -> None:
    """Remove a file or a folder with all it holds; a symbolic link is removed, not followed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a file so that readers see the old or the new content, never a part.

    Args:
        path: Where.
        data: What.
        durable: Whether to wait for the disk; without it a power failure may bring the old
            content back (for hints that can be rebuilt).
    """
    temporary = temporary_beside(path)
    try:
        write_new(temporary, data, durable=durable)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def write_new(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a file that must not exist yet."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view):]
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Mapping[str, Any], *, durable: bool = True) -> None:
    """Write `value` as JSON that every parser reads: numbers that are not finite become null."""
    write_bytes(path, json_bytes(value), durable=durable)


def json_bytes(value: Mapping[str, Any], *, indent: int | None = 2) -> bytes:
    """Return `value` as UTF-8 JSON with a final newline; see `finite`. No indent is faster."""
    text = json.dumps(finite(value), indent=indent, allow_nan=False, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace") + b"\n"


def finite(value: Any) -> Any:
    """Return `value` with NumPy numbers as Python's and numbers that are not finite as None."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes `path` when the block ends without an error.

    What the block puts into it is brought to the disk first. A folder that is at `path` already
    is removed only after the new one is complete.
    """
    temporary = temporary_beside(path)
    try:
        temporary.mkdir()
        yield temporary
        sync_tree(temporary)
        _publish(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(path.parent)


def _publish(temporary: Path, path: Path) -> None:
    if not os.path.lexists(path):
        temporary.rename(path)
        return
    old = temporary_beside(path)
    path.rename(old)
    temporary.rename(path)
    remove(old)


def sync_tree(folder: Path) -> None:
    """Wait until everything in `folder` is on the disk."""
    for parent, _, names in os.walk(folder):
        for name in names:
            sync_file(Path(parent, name))
        sync_folder(Path(parent))


def sync_file(path: Path) -> None:
    """Wait until the content of a file is on the disk, whoever wrote it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system without fsync for folders
            raise
    finally:
        os.close(descriptor)
