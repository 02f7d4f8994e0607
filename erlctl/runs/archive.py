"""Run directories deleted, or packed into one file that was read back. No TensorFlow."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from erlctl.errors import DamagedError, DomainError, ErlctlError, RunBusyError
from erlctl.files import open_regular
from erlctl.runs import lock, store
from erlctl.runs.layout import RunPaths

MANIFEST = "manifest.json"
SCHEMA = 1
_MAX_FILE_BYTES = 2**40
_CHUNK = 2**20
_WITHOUT = frozenset({".lock"})  # says who is writing here, which nobody is


def refuse_busy(runs: Sequence[RunPaths]) -> None:
    """Raise unless every run can be dealt with.

    Raises:
        ErlctlError: A run, its variant or its experiment is a symbolic link.
        RunBusyError: A process is writing to a run.
    """
    for paths in runs:
        for folder in (paths.root, *list(paths.root.parents)[:2]):
            if folder.is_symlink():
                raise ErlctlError(f"{folder} is a symbolic link, nothing was done",
                                  fix="name its target itself")
        if lock.is_held(paths.lock):
            raise RunBusyError(f"{paths.root} is running, nothing was done")


def remove(paths: RunPaths) -> None:
    """Delete a run directory: nothing outside of it, and what links in it point to stays.

    Raises:
        RunBusyError: A process has taken it up.
        ErlctlError: It cannot be deleted.
    """
    doomed = store.temporary_beside(paths.root)
    try:
        with lock.hold(paths.lock):
            paths.root.rename(doomed)  # whatever happens from here on, it is no run any more
            store.remove(doomed)
    except OSError as error:
        raise ErlctlError(f"{paths.root}: {error.strerror}",
                          fix="check the owner and the permissions of the folder") from error


def pack(runs: Sequence[RunPaths], target: Path) -> tuple[int, list[Path]]:
    """Write runs into a new tar.gz: <name>/<variant>/seed-<n>/..., and manifest.json at its end.

    The manifest holds the SHA-256 and the size of every file. The archive is read back and
    compared with it before it gets its name.

    Returns:
        How many files it holds, and what was left out because it is no regular file.

    Raises:
        RunBusyError: A process is writing to a run.
        DomainError: `target` has the name of another kind of file.
        ErlctlError: `target` is there already, or two runs would have the same name in it.
        DamagedError: What was read back is not what was written.
    """
    if not target.name.endswith((".tar.gz", ".tgz")):
        raise DomainError("-o", str(target), "a name that ends in .tar.gz or .tgz")
    if os.path.lexists(target):
        raise ErlctlError(f"{target} is there already; nothing was overwritten",
                          fix="name another file with -o, or move this one away")
    refuse_busy(runs)
    names = {Path(*paths.root.absolute().parts[-3:]).as_posix(): paths for paths in runs}
    if len(names) < len(runs):
        raise ErlctlError("two runs have the same name/variant/seed",
                          fix="make an archive for each runs directory")
    temporary = store.temporary_beside(target)
    try:
        left_out: list[Path] = []
        files = _write(names, temporary, left_out)
        refuse_busy(runs)  # began meanwhile: the files may be of two moments
        _verify(temporary, files)
        store.sync_file(temporary)
        os.link(temporary, target)  # unlike a rename it never replaces a file
    except OSError as error:
        raise ErlctlError(f"{target}: {error.strerror or error}",
                          fix="check the space and the permissions of the folder") from error
    finally:
        temporary.unlink(missing_ok=True)
    store.sync_folder(target.absolute().parent)
    return len(files), left_out


def _write(
    names: dict[str, RunPaths], temporary: Path, left_out: list[Path]
) -> dict[str, dict[str, Any]]:
    files: dict[str, dict[str, Any]] = {}
    with tarfile.open(temporary, "x:gz") as archive:
        for name, paths in names.items():
            for path in _entries(paths.root, left_out):
                member = f"{name}/{path.relative_to(paths.root).as_posix()}"
                with open_regular(path, _MAX_FILE_BYTES) as file:
                    hashed = _Hashed(file)
                    entry = archive.gettarinfo(arcname=member, fileobj=file)
                    archive.addfile(entry, hashed)  # type: ignore[arg-type]
                files[member] = {"sha256": hashed.digest.hexdigest(), "bytes": entry.size}
        text = store.json_bytes({"schema": SCHEMA, "files": files})
        entry = tarfile.TarInfo(MANIFEST)
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
    return files


class _Hashed:
    """A file whose digest is taken while it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.digest = file, hashlib.sha256()

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


def _entries(root: Path, left_out: list[Path]) -> Iterator[Path]:
    """Regular files below a run directory, links and pipes noted as left out."""
    for parent, folders, files in os.walk(root):
        folders.sort()
        for name in sorted([*files, *(f for f in folders if Path(parent, f).is_symlink())]):
            path = Path(parent, name)
            if not stat.S_ISREG(path.lstat().st_mode):
                left_out.append(path)
            elif name not in _WITHOUT and not name.startswith(store.TEMPORARY_PREFIX):
                yield path


def _verify(path: Path, files: dict[str, dict[str, Any]]) -> None:
    found = {}
    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            content = archive.extractfile(member)
            digest = hashlib.sha256()
            while content is not None and (chunk := content.read(_CHUNK)):
                digest.update(chunk)
            found[member.name] = {"sha256": digest.hexdigest(), "bytes": member.size}
    found.pop(MANIFEST, None)
    if found != files:
        raise DamagedError(f"{path.parent}: the archive reads back differently from what was "
                           "written; it was removed", fix="check the disk and try another folder")
