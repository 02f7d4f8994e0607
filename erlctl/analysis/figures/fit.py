"""Whether a figure can be read at the size that was asked for: measured, not guessed.

How high legends, headings and the caption are is known only when they are laid out. A figure that
cannot be read is refused, and the size that the message names was tried.
"""

from __future__ import annotations

import functools
import itertools
import math
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ParamSpec

from erlctl.analysis.figures.style import LOOKS, settings
from erlctl.errors import ErlctlError

if TYPE_CHECKING:
    from erlctl.analysis.figures.figure import Figure

_Arguments = ParamSpec("_Arguments")
# Ems of the inside of a panel: width, height, height of rows of names, which must not collide too.
_WIDE, _HIGH, _HIGH_ROWS = 6.0, 5.5, 3.0
_BEYOND = 0.12  # ems: a box of text reaches that far beyond its letters
_APART = 0.12  # ems between words and the end of their place
_HIGHEST = 60.0  # inches, as `plot --size`
_GROWTH = 1.15  # from one size that is tried to the next


def readable(draw: Callable[_Arguments, Figure]) -> Callable[_Arguments, Figure]:
    """Let a function that draws refuse a size (`sheet.Page`) at which its figure is unreadable.

    Sizes whose height is None are not measured: their height follows from what is drawn.
    """
    anywhere: Callable[..., Figure] = draw

    @functools.wraps(draw)
    def checked(*arguments: _Arguments.args, **options: _Arguments.kwargs) -> Figure:
        figure = draw(*arguments, **options)
        size: Any = options.get("size")
        if size is None or size[1] is None:
            return figure
        problem = why_unreadable(figure)
        if problem is None:
            return figure
        raise ErlctlError(
            f"the figure does not fit into {size[0]:g} x {size[1]:g} inches: {problem}",
            fix=_remedy(lambda *other: anywhere(*arguments, **{**options, "size": other}), *size))

    return checked


def why_unreadable(figure: Any) -> str | None:
    """Return what hides or cuts what in a figure, or None if nothing does."""
    em = LOOKS[figure.style].font / 72 * figure.dpi
    with settings(figure.style), warnings.catch_warnings():
        warnings.filterwarnings("error", message="constrained_layout not applied")
        try:
            figure.draw_without_rendering()
        except UserWarning:
            return "no room is left for the panels"
        return _small_panel(figure, em) or _collision(figure, em)


def _small_panel(figure: Any, em: float) -> str | None:
    for panel in figure.axes:
        inside = panel.get_window_extent()
        for name, length, least in (
            ("wide", inside.width, _WIDE), ("high", inside.height, _least_ems(panel)),
        ):
            if length < least * em:
                return f"a panel would be {length / figure.dpi:.1f} inches {name}"
    return None


def _least_ems(panel: Any) -> float:
    from matplotlib.ticker import FixedLocator

    return _HIGH_ROWS if isinstance(panel.yaxis.get_major_locator(), FixedLocator) else _HIGH


def _collision(figure: Any, em: float) -> str | None:
    frame, boxes = figure.bbox, []
    for owner, name, box in _boxes(figure):
        if min(box.x0 - frame.x0, box.y0 - frame.y0, frame.x1 - box.x1, frame.y1 - box.y1) < -(
            _BEYOND * em
        ):
            return f"{name} would be cut off"
        boxes.append((owner, name, box.padded(_APART * em, 0.0)))
    for _, name, box in boxes:
        if any(box.overlaps(panel.get_window_extent()) for panel in figure.axes):
            return f"{name} would lie over a panel"
    for (owner, name, box), (other_owner, other_name, other) in itertools.combinations(boxes, 2):
        # The heading below a legend begins with the blank lines that the legend fills.
        is_kept_free = owner is other_owner and {"a legend", "a heading"} == {name, other_name}
        if box.overlaps(other) and not is_kept_free:
            return f"{name} would lie over {other_name}"
    return None


def _boxes(figure: Any) -> Iterator[tuple[Any, str, Any]]:
    """Yield owner, name and place of all that is written around the panels."""
    for legend in figure.legends:
        yield figure, "a legend", legend.get_window_extent()
    around = [text for text in (figure._suptitle, figure._supxlabel) if text]
    texts = [(figure, "the title or the caption", text) for text in around]
    for panel in figure.axes:
        if panel.get_legend():
            yield panel, "a legend", panel.get_legend().get_window_extent()
        texts.append((panel, "a heading", panel._left_title))
        for axis in (panel.xaxis, panel.yaxis):
            texts.append((panel, f"{axis.label.get_text()!r}", axis.label))
            texts += [(panel, f"{text.get_text()!r}", text) for text in _tick_labels(axis)]
    for owner, name, text in texts:
        if text.get_visible() and text.get_text().strip():
            yield owner, name, text.get_window_extent()


def _tick_labels(axis: Any) -> list[Any]:
    """Labels of the major ticks that are drawn: those between the limits."""
    low, high = sorted(axis.get_view_interval())
    slack = 1e-9 * (high - low)
    return [tick.label1 for tick in axis.get_major_ticks()
            if low - slack <= tick.get_loc() <= high + slack]


def _remedy(draw: Callable[[float, float | None], Figure], width: float, height: float) -> str:
    """Return advice that was tried: a height that is enough, else a width too."""
    natural = max(height, draw(width, None).get_figheight())
    for enough in (natural * _GROWTH**power for power in range(4)):
        figure = draw(width, enough)
        if why_unreadable(figure) is None:
            least = _least_height(figure, height, enough)
            # Drawn anew its legend may be elsewhere.
            while least < enough and why_unreadable(draw(width, least)) is not None:
                least = _rounded_up(least * 1.05)
            return f"use a height of at least {least:g}, or fewer runs"
    while (width := _rounded_up(width * _GROWTH)) <= _HIGHEST:
        figure = draw(width, None)
        natural = _rounded_up(figure.get_figheight())
        if why_unreadable(figure) is None and why_unreadable(draw(width, natural)) is None:
            return f"use for example {width:g} x {natural:g}, or fewer runs"
    return "draw fewer runs"


def _least_height(figure: Any, low: float, high: float) -> float:
    """Return between an unreadable and a readable height the least readable one.

    Args:
        figure: Laid out at the readable height.
        low: Unreadable.
        high: Readable.
    """
    em = LOOKS[figure.style].font / 72
    spare = min(panel.get_window_extent().height / figure.dpi - _least_ems(panel) * em
                for panel in figure.axes)
    low, step = max(low, high - figure.axes[0].get_gridspec().nrows * spare), 0.1
    while high - low > 0.1:  # most often the panels decide, and the first step is the last
        middle = low + min(step, (high - low) / 2)
        figure.set_figheight(middle)
        is_enough = why_unreadable(figure) is None
        low, high = (low, middle) if is_enough else (middle, high)
        step *= 2
    return _rounded_up(high)


def _rounded_up(inches: float) -> float:
    return math.ceil(inches * 10 - 1e-9) / 10
