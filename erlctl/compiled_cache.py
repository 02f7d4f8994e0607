"""Programs that XLA has compiled, kept below the user's cache folder for the next process.

TensorFlow reads and writes the entries, by a hash of the program; it takes what it reads for good.
So each folder is of one processor and one set of versions, an entry is only used with the digest
that was written beside it, and what has none or another one is removed before TensorFlow starts.
It also takes an entry that it cannot write for a failed compilation, so that is tried before.

`ERLCTL_XLA_CACHE=off` goes without, `ERLCTL_XLA_CACHE=/a/folder` keeps them elsewhere.
"""

from __future__ import annotations

import contextlib
import grp
import hashlib
import os
import platform
import pwd
import re
import shutil
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import erlctl

VARIABLE = "ERLCTL_XLA_CACHE"
# About a hundred programs. All of it is read when a worker starts, which takes 0.1 s.
MAX_BYTES = 100_000_000
_PROBE_BYTES = 4_000_000  # more than a program takes
_PASSING_SECONDS = 3600.0  # what is half written for so long is nobody's any more
_UNUSED_SECONDS = 90 * 86400.0  # of other versions, or of nodes that the home folder is shared with
_FLAG = "--tf_xla_persistent_cache_directory"
_DIGEST = ".blake2b"


@dataclass(frozen=True)
class CompiledCache:
    """A folder of entries and their digests.

    Attributes:
        folder: Where they lie; nobody else can write there.
    """

    folder: Path

    def verify(self) -> None:
        """Remove what is damaged, what nobody vouches for, and the oldest above `MAX_BYTES`."""
        kept = 0
        for entry in sorted(self.entries(), key=_age, reverse=True):
            kept += _size(entry)
            if kept > MAX_BYTES or _digest_beside(entry) != _digest_of(entry):
                self._remove(entry)
        for path in self._files():
            is_seal = path.suffix == _DIGEST and path.with_suffix(".pb").exists()
            if path.suffix != ".pb" and not is_seal and _age(path) < time.time() - _PASSING_SECONDS:
                with contextlib.suppress(OSError):
                    path.unlink()

    def seal(self) -> None:
        """Write the digests of the entries that have none: they are of processes that now run."""
        for entry in self.entries():
            if _beside(entry).exists():
                continue
            digest = _digest_of(entry)
            if digest is not None:
                passing = _beside(entry).with_suffix(f".{os.getpid()}")
                with contextlib.suppress(OSError):  # a full disk: then it is removed next time
                    passing.write_text(digest, encoding="ascii")
                    passing.replace(_beside(entry))

    def entries(self) -> list[Path]:
        """Return the files of compiled programs."""
        return [path for path in self._files() if path.suffix == ".pb"]

    def explained(self, message: str) -> str:
        """Return what a run says of its end, with the mend where this folder was the cause."""
        if str(self.folder) not in message:
            return message
        return f"{message} (compiled programs could not be kept: make room, or {VARIABLE}=off)"

    def remove_unused(self) -> None:
        """Remove the folders of processors and versions that nobody has had for long."""
        with contextlib.suppress(OSError):
            os.utime(self.folder)
            for other in self.folder.parent.iterdir():
                if re.fullmatch("[0-9a-f]{16}", other.name) and not other.is_symlink() \
                        and _age(other) < time.time() - _UNUSED_SECONDS:
                    shutil.rmtree(other, ignore_errors=True)

    def _files(self) -> list[Path]:
        with contextlib.suppress(OSError):
            return list(self.folder.iterdir())
        return []

    def _remove(self, entry: Path) -> None:
        for path in (_beside(entry), entry):  # a process that dies in between leaves no digest
            with contextlib.suppress(OSError):  # another worker was first
                path.unlink()


def find(environment: Mapping[str, str]) -> CompiledCache | None:
    """Return the cache of this processor and these versions, made if need be; None for none.

    None where it is not wanted, or TensorFlow has been given one already.

    Raises:
        OSError: The folder cannot be had or written, or could be by others.
    """
    wish = environment.get(VARIABLE, "")
    if wish == "off" or _FLAG in environment.get("TF_XLA_FLAGS", ""):
        return None
    try:
        home = Path(environment.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
        base = Path(wish).expanduser() if wish else home / "erlctl" / "xla"
    except RuntimeError as error:
        raise OSError(str(error)) from error  # no home folder
    folder = base.absolute() / _key(environment)
    for missing in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    folder = folder.resolve()
    if '"' in str(folder) or "\\" in str(folder):
        raise OSError(f"{folder}: TensorFlow takes no path with a quote or a backslash")
    about = folder.stat()
    if about.st_uid != os.getuid() or stat.S_IMODE(about.st_mode) & 0o022:
        raise OSError(f"{folder} belongs to others or can be written by them")
    for parent in folder.parents:
        if _can_be_moved_by_others(parent.stat()):
            raise OSError(f"{parent} can be written by others")
    probe = folder / f"probe.{os.getpid()}"
    try:
        probe.write_bytes(bytes(_PROBE_BYTES))
    finally:
        probe.unlink(missing_ok=True)
    return CompiledCache(folder)


def enable() -> CompiledCache | None:
    """Let TensorFlow, which this process has not imported yet, use the cache; return it."""
    with contextlib.suppress(OSError):  # `doctor` says which
        cache = find(os.environ)
        if cache is not None:
            cache.verify()
            cache.remove_unused()
            flags = os.environ.get("TF_XLA_FLAGS", "")
            os.environ["TF_XLA_FLAGS"] = f'{flags} {_FLAG}="{cache.folder}"'.strip()
        return cache
    return None


def _can_be_moved_by_others(about: os.stat_result) -> bool:
    """Whether others can put another folder in the place of one inside this one."""
    if about.st_mode & stat.S_ISVTX:
        return False
    is_of_group = about.st_mode & stat.S_IWGRP and not _is_private(about.st_gid)
    return bool(about.st_mode & stat.S_IWOTH or is_of_group)


def _is_private(group: int) -> bool:
    """Whether a group is that of this user alone, by the convention of its name."""
    try:
        return grp.getgrgid(group).gr_name == pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return False


def _key(environment: Mapping[str, str]) -> str:
    """Return the name of the folder: machine code is of one processor and one compiler."""
    facts = [erlctl.__version__, *_tensorflow(), environment.get("XLA_FLAGS", ""),
             platform.machine(), *_processor()]
    return hashlib.blake2b("\n".join(facts).encode(), digest_size=8).hexdigest()


def _tensorflow() -> Iterator[str]:
    """Yield the versions of what may be TensorFlow; it is too early to import it."""
    for name in ("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tensorflow-macos"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            yield f"{name} {metadata.version(name)}"


def _processor() -> list[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return [platform.processor()]
    names = ("model name", "flags", "Features", "CPU part")  # x86's and ARM's words
    return sorted({line for line in lines if line.startswith(names)})


def _digest_of(entry: Path) -> str | None:
    try:
        return hashlib.blake2b(entry.read_bytes()).hexdigest()
    except OSError:
        return None


def _digest_beside(entry: Path) -> str | None:
    try:
        return _beside(entry).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""  # equal to no digest


def _beside(entry: Path) -> Path:
    return entry.with_suffix(_DIGEST)


def _age(entry: Path) -> float:
    try:
        return entry.stat().st_mtime
    except OSError:
        return 0.0


def _size(entry: Path) -> int:
    try:
        return entry.stat().st_size
    except OSError:
        return 0
