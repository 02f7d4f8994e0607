"""What is new in a run directory, to be taken to another machine. No TensorFlow.

Tables and logs go as they are; a checkpoint or a policy, which is there as a whole or not at all,
goes as a whole and is published by rename. What is unpacked is a run directory at every moment,
also if either side dies in between: a checkpoint comes after the rows that belong to it, and
run.json after the checkpoint that it tells of.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from erlctl.runs import catalogue, store
from erlctl.runs.layout import RunPaths

Signature = tuple[int, int, int]  # inode, time of the last change, size


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """New content of a run directory; all names are relative to it.

    Attributes:
        files: Name -> content.
        folders: Folder -> its files, name -> content.
        checkpoints: Names of all checkpoints that there are, new or not.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    folders: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    checkpoints: Sequence[str] = ()


class Packer:
    """Packs what has changed in a run directory since it was asked last.

    Args:
        paths: The run; it need not exist yet.
        has_all: Whether the other side has everything that is there now.

    Attributes:
        paths: The run.
    """

    def __init__(self, paths: RunPaths, *, has_all: bool = False) -> None:
        self.paths = paths
        self._seen: dict[Path, Signature] = {}
        if has_all:
            self._seen = {path: _signature(path) for path in (*self._folders(), *self._files())}

    def pack(self) -> Parcel:
        """Return what is new; a process may be writing there."""
        # Before the checkpoints: it may tell of none that is published from now on.
        facts = self._read_new(iter([self.paths.run_json]))
        folders = {self._name(folder): content for folder in self._new(self._folders())
                   if (content := self._read_folder(folder))}
        # After the checkpoints: the rows that belong to them are there by now.
        files = self._read_new(path for path in self._files() if path != self.paths.run_json)
        return Parcel(files={**files, **facts}, folders=folders,
                      checkpoints=[folder.name for folder in _checkpoints(self.paths)])

    def _read_new(self, paths: Iterator[Path]) -> dict[str, bytes]:
        return {self._name(path): path.read_bytes() for path in self._new(paths)}

    def _new(self, paths: Iterator[Path]) -> Iterator[Path]:
        for path in paths:
            try:
                signature = _signature(path)
            except FileNotFoundError:  # a checkpoint was too old
                continue
            if self._seen.get(path) != signature:
                self._seen[path] = signature
                yield path

    def _folders(self) -> Iterator[Path]:
        yield from _checkpoints(self.paths)
        if self.paths.policy.is_dir():
            yield self.paths.policy

    def _files(self) -> Iterator[Path]:
        for folder in (self.paths.root, self.paths.tensorboard, self.paths.checkpoints):
            if folder.is_dir():
                yield from (path for path in sorted(folder.iterdir()) if _travels(path))

    def _read_folder(self, folder: Path) -> dict[str, bytes]:
        """Return the files below a folder; nothing if it is removed in the meantime."""
        try:
            return {str(Path(parent, name).relative_to(folder)): Path(parent, name).read_bytes()
                    for parent, _, names in os.walk(folder) for name in names}
        except FileNotFoundError:
            return {}

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self.paths.root))


def unpack(parcel: Parcel, paths: RunPaths) -> None:
    """Bring a run directory, whose lock is held, to what was packed elsewhere.

    Checkpoints that are not there any more are removed here as well, if there is one to go on from.

    Raises:
        OSError: The disk is full or fails; what was there before is still good.
    """
    for folder in (paths.tensorboard, paths.checkpoints):
        if any(Path(name).parent.name == folder.name
               for name in (*parcel.files, *parcel.folders)):
            folder.mkdir(parents=True, exist_ok=True)
    paths.root.mkdir(parents=True, exist_ok=True)
    run_json = paths.run_json.name
    for name in (name for name in parcel.files if name != run_json):
        store.write_bytes(paths.root / name, parcel.files[name])
    for name, content in parcel.folders.items():
        with store.new_folder(paths.root / name) as folder:
            for below, data in content.items():
                (folder / below).parent.mkdir(parents=True, exist_ok=True)
                store.write_new(folder / below, data, durable=False)  # the block waits for all
    if run_json in parcel.files:  # it tells of checkpoints
        store.write_bytes(paths.run_json, parcel.files[run_json])
    if any(folder.name in parcel.checkpoints for folder in catalogue.list_checkpoints(paths)):
        for folder in _checkpoints(paths):
            if folder.name not in parcel.checkpoints:
                catalogue.remove(folder)


def _checkpoints(paths: RunPaths) -> Iterator[Path]:
    for resumable in (True, False):
        yield from catalogue.list_checkpoints(paths, resumable=resumable)


def _travels(path: Path) -> bool:
    """Whether a file is of the run, and of no process: no lock, nothing half written."""
    is_own = path.name in (".lock",) or path.name.startswith(store.TEMPORARY_PREFIX)
    return path.is_file() and not path.is_symlink() and not is_own


def _signature(path: Path) -> Signature:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns, status.st_size
