"""The figures that this package returns: a notebook shows them, and they know how to be saved."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as MatplotlibFigure

from erlctl.analysis.figures import style as look_of
from erlctl.errors import ErlctlError

# Dates and program versions would make two drawings of the same numbers differ.
_METADATA: Mapping[str, Mapping[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "ModDate": None, "Creator": None, "Producer": None},
}
FORMATS = tuple(_METADATA)


class Figure(MatplotlibFigure):
    """A matplotlib figure that needs no pyplot: IPython and Jupyter ask for `_repr_png_`.

    Attributes:
        style: The style that it is drawn in, "paper" or "slides".
    """

    def __init__(self, *arguments: Any, style: str = "paper", **options: Any) -> None:
        super().__init__(*arguments, **options)
        FigureCanvasAgg(self)
        self.style = style

    def render(self, file_format: str, *, text_as_shapes: bool = False) -> bytes:
        """Return the bytes of a "png", "svg" or "pdf" file, the same for the same numbers.

        Args:
            file_format: One of `FORMATS`.
            text_as_shapes: SVG only: outlines of the letters, which look the same everywhere,
                instead of text, which can be searched and edited.
        """
        stream = io.BytesIO()
        with look_of.settings(self.style, text_as_shapes=text_as_shapes):
            self.savefig(stream, format=file_format, metadata=dict(_METADATA[file_format]))
        return stream.getvalue()

    def save(self, path: str | Path) -> None:
        """Write a .png, .svg or .pdf file.

        Raises:
            ErlctlError: The name ends in something else, or the folder does not exist.
        """
        path = Path(path)
        data = self.render(check_name(path))
        try:
            path.write_bytes(data)
        except OSError as error:
            raise ErlctlError(f"{path}: {error.strerror}", fix="name a file in a folder that "
                              "exists and can be written to") from error

    def _repr_png_(self) -> bytes:
        return self.render("png")


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
