"""How the score depends on a swept field of the spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from erlctl.analysis import specs
from erlctl.analysis.data import Run
from erlctl.analysis.figures import style as look_of
from erlctl.analysis.intervals import run_interval
from erlctl.analysis.numbers import natural
from erlctl.analysis.scores import Scoring, score
from erlctl.analysis.statistics import STATISTICS
from erlctl.errors import ErlctlError, UnknownNameError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LOG_RATIO = 8.0  # from here on equal factors tell more than equal distances
Points = Mapping[float | str, list[float]]


def swept_fields(runs: Sequence[Run]) -> list[str]:
    """Return the fields with several values among the runs of one environment."""
    found = [
        path for path in specs.differences(runs)
        if len({specs.show(specs.parse(run.spec_text).get(path)) for run in runs}) > 1
    ]
    return sorted(found)


def sensitivity(
    runs: Sequence[Run], field: str | None = None, *, scoring: Scoring | None = None,
    statistic: str = "mean", style: str = "paper", size: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw the score against a field, one line per setting of all other swept fields.

    Args:
        runs: Runs of erlctl; others have no spec.
        field: Dotted path such as "agent.temperature"; None: the only swept number.
        scoring: How a run becomes a number.
        statistic: "mean", "iqm" or "median" over runs; whiskers are its 95 % interval.
        style: "paper" or "slides".
        size: Width and height in inches.
        title: Heading.

    Raises:
        ErlctlError: No field is swept, or several are and none is named.
        UnknownNameError: The named field is not swept.
    """
    scoring = scoring or Scoring()
    runs = [run for run in runs if run.spec_text]
    field = _chosen(field, swept_fields(runs), runs)
    environments = sorted({run.environment for run in runs})
    series = {name: _series(runs, name, field, scoring) for name in environments}
    labels = sorted({label for lines in series.values() for label in lines}, key=natural)
    pens = look_of.pens(labels)
    handles: dict[str, Any] = {}
    positions = [p for lines in series.values() for points in lines.values() for p in points]
    scale = _scale(positions)
    with look_of.drawing(style) as look:
        figure, panels = look_of.panels(
            len(environments), look, size=size, entries=labels
        )
        for environment, panel in zip(environments, panels, strict=True):
            for label, points in series[environment].items():
                handles[label] = _line(panel, points, pens[label], statistic, scale)
            _axis(panel, scale, field)
            panel.set_title(environment)
            panel.set_ylabel(scoring.unit_label)
        counts = [
            len(values) for lines in series.values() for points in lines.values()
            for values in points.values()
        ]
        shown = {label: handles[label] for label in labels if label in handles and label}
        look_of.finish(
            figure, look, title=title or f"{scoring.unit_label} against {field}", handles=shown,
            caption=f"Points: {statistic} over {look_of.runs(counts)}"
            + ("; whiskers: 95% interval over runs." if max(counts, default=0) >= 3 else "."),
        )
    return figure


def _chosen(field: str | None, swept: Sequence[str], runs: Sequence[Run]) -> str:
    if not swept:
        raise ErlctlError("no field of the specs differs between these runs",
                          fix="sensitivity needs the runs of a sweep")
    if field is not None:
        if field not in swept:
            raise UnknownNameError("swept field", field, swept)
        return field
    numeric = [
        path for path in swept
        if all(_is_number(specs.parse(run.spec_text).get(path, 0.0)) for run in runs)
    ]
    if len(numeric) != 1 and len(swept) != 1:
        raise ErlctlError(f"several fields are swept: {', '.join(swept)}",
                          fix="choose one with --field")
    return numeric[0] if len(numeric) == 1 else swept[0]


def _is_number(value: object) -> bool:
    if isinstance(value, bool):
        return False
    try:
        return np.isfinite(float(str(value)))
    except ValueError:
        return False


def _series(
    runs: Sequence[Run], environment: str, field: str, scoring: Scoring
) -> dict[str, dict[float | str, list[float]]]:
    """Label of the other swept fields -> value of the field -> scores of the runs."""
    others = [path for path in swept_fields(runs) if path != field]
    lines: dict[str, dict[float | str, list[float]]] = {}
    for run in runs:
        found = score(run, scoring)
        fields = specs.parse(run.spec_text)
        if run.environment != environment or found.excluded or field not in fields:
            continue
        label = ", ".join(
            specs.show(fields[path]) if path == "agent.algorithm"
            else f"{path.rpartition('.')[2]}={specs.show(fields[path])}"
            for path in others if path in fields
        )
        value = fields[field]
        at = float(str(value)) if _is_number(value) else specs.show(value)
        lines.setdefault(label, {}).setdefault(at, []).append(found.value)
    return lines


def _scale(positions: Sequence[float | str]) -> Any:
    """Return "log", "linear", or the list of names of a categorical axis."""
    if any(isinstance(position, str) for position in positions):
        return sorted({str(position) for position in positions}, key=natural)
    numbers = [float(position) for position in positions]
    if numbers and min(numbers) > 0 and max(numbers) / min(numbers) >= _LOG_RATIO:
        return "log"
    return "linear"


def _line(panel: Any, points: Points, pen: look_of.Pen, statistic: str, scale: Any) -> Any:
    if isinstance(scale, list):
        by_x = {float(scale.index(str(at))): values for at, values in points.items()}
    else:
        by_x = {float(at): values for at, values in points.items()}
    x = sorted(by_x)
    centres = [float(STATISTICS[statistic](np.array(by_x[at]))) for at in x]
    for at in x:
        interval = run_interval(np.array(by_x[at]), statistic)
        if interval:
            panel.plot([at, at], [interval.low, interval.high], color=pen.color, linewidth=1.2)
    (line,) = panel.plot(
        x, centres, color=pen.color, linestyle="" if isinstance(scale, list) else pen.dashes,
        marker=pen.marker, markeredgecolor="white", markeredgewidth=0.4,
    )
    return line


def _axis(panel: Any, scale: Any, field: str) -> None:
    panel.set_xlabel(field)
    if isinstance(scale, list):
        panel.set_xticks(range(len(scale)), scale, rotation=30 if len(scale) > 4 else 0)
        panel.set_xlim(-0.5, len(scale) - 0.5)
    else:
        panel.set_xscale(scale)
        if scale == "log":
            look_of.plain_numbers(panel.xaxis)
