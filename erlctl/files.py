"""Bytes of a regular file, whatever a folder from elsewhere holds in its place.

A run directory may come from a colleague or from an attacker: a pipe in place of a file would be
waited for, a link would read another file, and a sparse file has terabytes.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

NOT_REGULAR = frozenset({errno.EINVAL, errno.ELOOP, errno.ENXIO, errno.EFBIG})
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


def open_regular(path: str | Path, max_bytes: int) -> BinaryIO:
    """Open a regular file of at most `max_bytes` for reading; never waits, follows no link.

    Raises:
        OSError: It is not there, cannot be read, is no regular file (EINVAL, or ELOOP for a link),
            or is larger (EFBIG).
    """
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENXIO):
            raise
        raise OSError(error.errno, "not a regular file", str(path)) from None  # link, socket
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        if status.st_size > max_bytes:
            raise OSError(errno.EFBIG, f"{status.st_size} bytes, too large", str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: str | Path, max_bytes: int) -> bytes:
    """Return the bytes of a regular file; see `open_regular`. It may grow meanwhile: cut there."""
    with open_regular(path, max_bytes) as file:
        return file.read(max_bytes)
