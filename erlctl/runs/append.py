"""A file that only grows, cut back to a known length on resume. No TensorFlow."""

from __future__ import annotations

import os
from pathlib import Path


class AppendOnlyFile:
    """Collects bytes and writes them at the end of a file; a failed write leaves no part of them.

    Args:
        path: The file; made if it is missing. A symbolic link is refused: it may point out of the
            run directory.
        length: Cut the file back to this many bytes first; None leaves it.

    Attributes:
        path: The file.
        offset: Its length in bytes with everything added so far.
    """

    def __init__(self, path: Path, length: int | None = None) -> None:
        self.path = path
        self._pending: list[bytes] = []
        self._descriptor = os.open(
            path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666
        )
        self.offset = os.fstat(self._descriptor).st_size
        if length is not None and length < self.offset:
            self.truncate(length)

    def add(self, data: bytes) -> None:
        """Append bytes; `flush` writes them."""
        self._pending.append(data)
        self.offset += len(data)

    def flush(self) -> None:
        """Hand everything to the operating system, or nothing if it refuses a part."""
        if not self._pending:
            return
        data = b"".join(self._pending)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view):]
        except OSError:
            os.ftruncate(self._descriptor, self.offset - len(data))
            raise
        self._pending.clear()

    def wait_for_disk(self) -> None:
        """Wait until everything that was flushed is on the disk; any thread may."""
        os.fsync(self._descriptor)

    def truncate(self, length: int) -> None:
        """Cut the file back to `length` bytes and forget what was not flushed."""
        self._pending.clear()
        os.ftruncate(self._descriptor, length)
        self.offset = length

    def cut_torn_line(self) -> None:
        """Cut the file back to the end of its last whole line."""
        end = self.offset
        while end > 0:
            start = max(0, end - 4096)
            newline = os.pread(self._descriptor, end - start, start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end < self.offset:
            self.truncate(end)

    def close(self) -> None:
        """Flush and close the file."""
        try:
            self.flush()
        finally:
            os.close(self._descriptor)
