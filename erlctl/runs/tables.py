"""Append-only CSV files with a fixed header: writer and reader together. No TensorFlow.

A row is written as one whole line, so only the last line of a file can be torn. Empty fields are
missing values. The reader tolerates what power loss and editors leave behind, and says so.
"""

from __future__ import annotations

import io
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from erlctl.files import read_regular
from erlctl.runs.append import AppendOnlyFile

PROGRESS_HEAD = ("step", "updates", "episodes", "return_mean", "return_std", "length_mean", "loss")
# The same for every algorithm, empty where one has none: the header stands before the first update.
DIAGNOSTIC_COLUMNS = (
    "companion_loss", "actor_loss", "temperature_loss", "q_mean", "action_gap", "preference_max",
    "entropy", "kl_to_target", "clipped_fraction", "gradient_norm",
)
PROGRESS_TAIL = ("epsilon", "temperature", "steps_per_second", "wall_seconds")
PROGRESS_COLUMNS = PROGRESS_HEAD + DIAGNOSTIC_COLUMNS + PROGRESS_TAIL
EVALUATION_COLUMNS = ("step", "episode", "return", "length", "wall_seconds")
MONITOR_COLUMNS = ("r", "l", "t")

_MAX_TABLE_BYTES = 512 * 2**20  # a foreign folder may hold a sparse file of terabytes


def progress_columns(names: Iterable[str]) -> tuple[str, ...]:
    """Return the header of progress.csv for rows with the keys `names`.

    What is not among the fixed columns stands after the common diagnostics, in the given order.
    """
    own = tuple(name for name in names if name not in PROGRESS_COLUMNS)
    return PROGRESS_HEAD + DIAGNOSTIC_COLUMNS + own + PROGRESS_TAIL


class TableWriter(AppendOnlyFile):
    """Appends rows to a CSV file.

    Rows are kept in memory until `flush`. An existing file is continued under its own header,
    whatever `columns` says, after its last whole line.

    Args:
        path: The file; it gets its header if it has no whole header line.
        columns: Header.
        preamble: A line before the header, starting with "#".
        length: Cut the file back to this many bytes first; None leaves it.

    Attributes:
        columns: The header that rows are written under.
    """

    def __init__(
        self, path: Path, columns: Iterable[str], *, preamble: str = "", length: int | None = None
    ) -> None:
        super().__init__(path, length)
        self.cut_torn_line()
        existing = read_header(path)
        self.columns = tuple(columns) if existing is None else existing
        if existing is None:
            self.truncate(0)
            head = f"{preamble}\n" if preamble else ""
            self.add(f"{head}{','.join(self.columns)}\n".encode())

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row; a column without a value (or with None) stays empty.

        Keys without a column are left out: the header of a file never changes.
        """
        self.add((",".join([_field(row.get(name)) for name in self.columns]) + "\n").encode())


def _field(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, np.floating):
        return str(value)  # shortest text for its own precision: float32 0.1 is 0.1
    if isinstance(value, np.generic):
        value = value.item()
    return repr(value) if isinstance(value, float) else str(value)


def read_header(path: Path) -> tuple[str, ...] | None:
    """Return the columns of the file, or None if there is no whole header line."""
    try:
        with path.open("rb") as file:
            line = file.readline(65536)
            if line.startswith(b"#"):
                line = file.readline(65536)
    except FileNotFoundError:
        return None
    if not line.endswith(b"\n") or b"\0" in line or not line.strip():
        return None
    return tuple(line.decode("utf-8", "replace").strip().split(","))


@dataclass(frozen=True)
class Table:
    """A table read from a file.

    Attributes:
        columns: Name to values, float64, all of one length; missing values are nan.
        problems: What was passed over, in words; empty for a file as it was written.
        preamble: The line before the header, without its newline; "" if there is none.
    """

    columns: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    preamble: str = ""

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0


def read_table(path: Path, columns: Collection[str] | None = None) -> Table:
    """Read a CSV file of numbers; damaged lines are left out and reported, nothing raises.

    A file that is missing, empty or without a header is a table without columns; empty is how a
    run that has just begun looks, and no problem. A last line without a newline is never used: a
    torn number may look like a whole one.

    Args:
        path: The file.
        columns: Read these only, where the file has them: turning text into numbers is what takes
            the time. None: all.
    """
    problems: list[str] = []
    try:
        data = read_regular(path, _MAX_TABLE_BYTES)
    except OSError as error:
        return Table(problems=[f"{path.name}: {error.strerror}; not read"])
    if not data:
        return Table()
    text = _whole_lines(data, path.name, problems)
    preamble, text = text.split("\n", 1) if text.startswith("#") else ("", text)
    header, _, body = text.partition("\n")
    names = [name.strip() for name in header.split(",")] if header.strip() else []
    if not names or len(set(names)) != len(names):
        problems.append(f"{path.name}: no header" if not names else f"{path.name}: doubled column")
        return Table(problems=problems, preamble=preamble)
    first_line = 3 if preamble else 2
    wanted = [i for i, name in enumerate(names) if columns is None or name in columns]
    found = _parse_fast(body, len(names), wanted)
    if found is None:
        rows = _parse_tolerant(body, len(names), path.name, first_line, problems)
        found = list(rows.T[wanted])
    return Table({names[i]: values for i, values in zip(wanted, found, strict=True)}, problems,
                 preamble)


def _whole_lines(data: bytes, name: str, problems: list[str]) -> str:
    padded = len(data)
    data = data.rstrip(b"\0")
    if len(data) < padded:
        problems.append(f"{name}: {padded - len(data)} NUL bytes at the end left out")
    end = data.rfind(b"\n") + 1
    if end < len(data):
        problems.append(f"{name}: torn last line left out ({len(data) - end} bytes)")
    text = data[:end].decode("utf-8", "replace").removeprefix("\ufeff")
    return text.replace("\r\n", "\n")


def _parse_fast(
    body: str, width: int, wanted: Sequence[int]
) -> Sequence[npt.NDArray[np.float64]] | None:
    """Return the `wanted` columns, [n] each, of a faultless body of `width` columns, else None."""
    if not body:
        return [np.empty(0) for _ in wanted]
    num_rows = body.count("\n")
    fields = body[:-1].replace("\n", ",").split(",")
    if len(fields) != num_rows * width:
        return None
    columns = []
    try:
        for position in wanted:
            texts = fields[position::width]
            if "" in texts:
                texts = [text or "nan" for text in texts]
            columns.append(np.fromiter(map(float, texts), np.float64, num_rows))
    except ValueError:
        return None
    if any(line.count(",") != width - 1 for line in io.StringIO(body)):
        return None  # a short and a long line may add up
    return columns


def _parse_tolerant(
    body: str, width: int, name: str, first_line: int, problems: list[str]
) -> npt.NDArray[np.float64]:
    rows: list[list[float]] = []
    bad: list[int] = []
    for number, line in enumerate(body.split("\n")[:-1], start=first_line):
        try:
            row = [float(text) if text.strip() else math.nan for text in line.split(",")]
        except ValueError:
            row = []
        if len(row) == width:
            rows.append(row)
        elif line.strip():
            bad.append(number)
    if bad:
        shown = ", ".join(map(str, bad[:5])) + (", ..." if len(bad) > 5 else "")
        problems.append(f"{name}: {len(bad)} damaged lines left out (line {shown})")
    return np.array(rows, dtype=np.float64).reshape(len(rows), width)
