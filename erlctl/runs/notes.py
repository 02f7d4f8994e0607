"""notes.json of a run directory: what people say about a run, and its tags. No TensorFlow.

The run itself never reads or writes it, so that a note can be written while the run trains.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterable
from typing import Any

from erlctl.errors import DamagedError, DomainError, ErlctlError
from erlctl.runs import provenance, store
from erlctl.runs.layout import RunPaths, load_object

SCHEMA = 1
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=+-]{0,79}")
_MAX_LETTERS = 10_000


def read(paths: RunPaths) -> dict[str, Any]:
    """Return {"notes": [{"time", "text"}, ...], "tags": [...]}; empty lists without a file.

    Raises:
        DamagedError: The file holds something else.
    """
    try:
        found = load_object(paths.notes)
    except FileNotFoundError:
        found = {}
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(paths, str(error)) from error
    notes, tags = found.get("notes", []), found.get("tags", [])
    is_sound = isinstance(notes, list) and isinstance(tags, list) and all(
        isinstance(note, dict) and isinstance(note.get("text"), str) for note in notes
    ) and all(isinstance(tag, str) for tag in tags)
    if not is_sound:
        raise _damaged(paths, "notes or tags are no lists of texts")
    return {"notes": notes, "tags": tags}


def read_or_none(paths: RunPaths) -> dict[str, Any]:
    """Return the same for tables of many runs: a damaged file is no note."""
    try:
        return read(paths)
    except DamagedError:
        return {"notes": [], "tags": []}


def add(
    paths: RunPaths, text: str | None, tags: Iterable[str] = (), untag: Iterable[str] = ()
) -> dict[str, Any]:
    """Add a note and tags, take tags away; return what the file holds then.

    Two processes that do so at once wait for each other; readers see the old or the new file.

    Raises:
        DomainError: A tag or the text has a form that it cannot have.
        DamagedError: There is a file that cannot be read; it is left as it is.
        ErlctlError: The folder cannot be written to.
    """
    for tag in tags:
        if not _TAG.fullmatch(tag):
            raise DomainError("a tag", tag, "up to 80 letters, digits and '._=+-'")
    if text is not None and not 0 < len(text) <= _MAX_LETTERS:
        raise DomainError("a note", text[:50], f"a text of up to {_MAX_LETTERS} letters")
    descriptor = os.open(paths.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # of the folder: the run holds a file in it
        known = read(paths)
        if text is not None:
            known["notes"].append({"time": provenance.utc_now(), "text": text})
        known["tags"] = sorted({*known["tags"], *tags} - set(untag))
        store.write_json(paths.notes, {"schema": SCHEMA, **known})
    except OSError as error:
        raise ErlctlError(f"{paths.notes}: {error.strerror}",
                          fix="check the owner and the permissions of the run directory") from error
    finally:
        os.close(descriptor)
    return known


def _damaged(paths: RunPaths, reason: str) -> DamagedError:
    return DamagedError(f"{paths.notes}: {reason}; it was left as it is",
                        fix="move the file away, or correct it")
