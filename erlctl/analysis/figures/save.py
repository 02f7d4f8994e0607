"""Figures to files: the format follows the name, the bytes follow the numbers alone."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from erlctl.analysis.figures import style as look_of
from erlctl.errors import ErlctlError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Dates and program versions would make two drawings of the same numbers differ.
_METADATA: Mapping[str, Mapping[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "ModDate": None, "Creator": None, "Producer": None},
}
FORMATS = tuple(_METADATA)


def render(
    figure: Figure, file_format: str, *, style: str = "paper", text_as_shapes: bool = False
) -> bytes:
    """Return the bytes of a figure as "png", "svg" or "pdf".

    Args:
        figure: The figure.
        file_format: One of `FORMATS`.
        style: The style that it was drawn in.
        text_as_shapes: SVG only: outlines of the letters, which look the same everywhere, instead
            of text, which can be searched and edited.
    """
    import matplotlib as mpl

    stream = io.BytesIO()
    with look_of.drawing(style), mpl.rc_context(
        {"svg.fonttype": "path"} if text_as_shapes else {}
    ):
        figure.savefig(stream, format=file_format, metadata=dict(_METADATA[file_format]))
    return stream.getvalue()


def check_name(path: Path) -> str:
    """Return the format that a file's name asks for.

    Raises:
        ErlctlError: The name ends in something else than .png, .svg or .pdf.
    """
    file_format = path.suffix.removeprefix(".").lower()
    if file_format not in FORMATS:
        raise ErlctlError(
            f"{path}: figures are written as {', '.join('.' + name for name in FORMATS)}",
            fix=f"use for example -o {path.with_suffix('.pdf')}",
        )
    return file_format


def save(figure: Figure, path: Path, *, style: str = "paper") -> None:
    """Write a figure; .png, .svg or .pdf.

    Raises:
        ErlctlError: The name ends in something else, or the folder does not exist.
    """
    file_format = check_name(path)
    data = render(figure, file_format, style=style)
    try:
        path.write_bytes(data)
    except OSError as error:
        raise ErlctlError(f"{path}: {error.strerror}", fix="name a file in a folder that "
                          "exists and can be written to") from error
