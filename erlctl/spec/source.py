"""A spec's bytes: from a file or standard input, never more than a spec can be."""

from __future__ import annotations

import sys
from pathlib import Path

from erlctl.errors import SpecError, nearest
from erlctl.files import read_regular
from erlctl.spec.nodes import Where

MAX_BYTES = 1 << 20
STDIN = "-"


class InMemory(str):
    """A spec that is in no file: the name that messages call it by, with its text.

    Args:
        name: Such as "<dict>".
        text: YAML.
    """

    text: str

    def __new__(cls, name: str, text: str) -> InMemory:
        """Return the name; its text goes with it."""
        made = super().__new__(cls, name)
        made.text = text
        return made


def source_name(path: str | Path) -> str:
    """Return what messages call a spec file."""
    return "<stdin>" if str(path) == STDIN else str(path)


def read_bytes(path: str | Path, *, is_regular: bool = False) -> bytes:
    """Return the bytes of a spec file, or of standard input for `-`.

    Args:
        path: The file; it may be a pipe.
        is_regular: Whether it must be a regular file, as in a run directory.

    Raises:
        SpecError: There is no such file, it cannot be read, or it is larger than a spec can be.
    """
    source = Where(source_name(path))
    try:
        # A pipe has no size beforehand, so never more than the limit is read, whatever it is.
        if isinstance(path, InMemory):
            data = path.text.encode("utf-8", "surrogatepass")
        elif str(path) == STDIN:
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        elif is_regular:
            data = read_regular(path, MAX_BYTES)
        else:
            with Path(path).open("rb") as file:
                data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise SpecError([source.problem("", f"no such file{_similar(Path(path))}")]) from None
    except IsADirectoryError:
        raise SpecError([source.problem(
            "", f"this is a folder, not a spec file{_specs_in(Path(path))}")]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SpecError([source.problem("", f"cannot be read: {reason}")]) from None
    if len(data) > MAX_BYTES:
        raise SpecError([source.problem(
            "", "larger than 1 MiB: this is not a spec; nothing of it was used")])
    return data


def _similar(path: Path) -> str:
    folder = path.parent
    names = [entry.name for entry in folder.glob("*.y*ml")] if folder.is_dir() else []
    guess = nearest(path.name, names)
    return f"; did you mean {folder / guess}?" if guess else ""


def _specs_in(folder: Path) -> str:
    specs = sorted(str(path) for path in folder.glob("*.y*ml"))[:3]
    return f"; did you mean {' or '.join(specs)}?" if specs else ""
