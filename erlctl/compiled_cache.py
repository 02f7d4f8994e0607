"""Programs that XLA has compiled, kept below the user's cache folder for the next process.

TensorFlow reads and writes the entries, by a hash of the program; it takes what it reads for good.
So each folder is of one processor and one set of versions, an entry is only used with the digest
that was written beside it, and what has none or another one is removed before TensorFlow starts.

`ERLCTL_XLA_CACHE=off` goes without, `ERLCTL_XLA_CACHE=/a/folder` keeps them elsewhere.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

VARIABLE = "ERLCTL_XLA_CACHE"
# About a hundred programs. All of it is read when a worker starts, which takes 0.1 s.
MAX_BYTES = 100_000_000
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

    def seal(self) -> None:
        """Write the digests of the entries that have none: this process has just used them."""
        for entry in self.entries():
            digest = _digest_of(entry)
            if digest is not None and not _beside(entry).exists():
                passing = _beside(entry).with_suffix(f".{os.getpid()}")
                with contextlib.suppress(OSError):  # a full disk: then it is removed next time
                    passing.write_text(digest, encoding="ascii")
                    passing.replace(_beside(entry))

    def entries(self) -> list[Path]:
        """Return the files of compiled programs."""
        with contextlib.suppress(OSError):
            return [path for path in self.folder.iterdir() if path.suffix == ".pb"]
        return []

    def _remove(self, entry: Path) -> None:
        for path in (_beside(entry), entry):  # a process that dies in between leaves no digest
            with contextlib.suppress(OSError):  # another worker was first
                path.unlink()


def find(environment: Mapping[str, str]) -> CompiledCache | None:
    """Return the cache of this processor and these versions, made if need be; None for none.

    None too where TensorFlow has been given a cache already, and where the folder cannot be had or
    could be written by others.
    """
    wish = environment.get(VARIABLE, "")
    if wish == "off" or _FLAG in environment.get("TF_XLA_FLAGS", ""):
        return None
    home = Path(environment.get("XDG_CACHE_HOME") or "~/.cache")
    try:
        folder = (Path(wish) if wish else home.expanduser() / "erlctl" / "xla") / _key(environment)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        about = folder.lstat()
    except (OSError, RuntimeError):  # a home folder that cannot be written, or none
        return None
    is_ours = about.st_uid == os.getuid() and not about.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return CompiledCache(folder) if is_ours and stat.S_ISDIR(about.st_mode) else None


def enable() -> CompiledCache | None:
    """Let TensorFlow, which this process has not imported yet, use the cache; return it."""
    cache = find(os.environ)
    if cache is not None:
        cache.verify()
        flags = os.environ.get("TF_XLA_FLAGS", "")
        os.environ["TF_XLA_FLAGS"] = f"{flags} {_FLAG}={cache.folder}".strip()
    return cache


def _key(environment: Mapping[str, str]) -> str:
    """Return the name of the folder: machine code is of one processor and one compiler."""
    versions = [f"{name} {metadata.version(name)}" for name in ("erlctl", "tensorflow")]
    facts = [*versions, environment.get("XLA_FLAGS", ""), platform.machine(), *_processor()]
    return hashlib.blake2b("\n".join(facts).encode(), digest_size=8).hexdigest()


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
