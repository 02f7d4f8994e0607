"""How the score depends on a swept field of the spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from erlctl.analysis import specs
from erlctl.analysis.data import Run
from erlctl.analysis.figures import limits
from erlctl.analysis.figures import style as look_of
from erlctl.analysis.figures.curves import same_limits
from erlctl.analysis.figures.fit import readable
from erlctl.analysis.figures.sheet import Page, Sheet, new_sheet
from erlctl.analysis.intervals import ALL_EQUAL, MIN_RUNS_BOOTSTRAP, run_interval
from erlctl.analysis.numbers import natural
from erlctl.analysis.scores import Scoring, score
from erlctl.analysis.statistics import STATISTICS
from erlctl.errors import ErlctlError, UnknownNameError

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from erlctl.analysis.figures.figure import Figure

_LOG_RATIO = 8.0  # from here on equal factors tell more than equal distances
Points = Mapping[float | str, list[float]]


def swept_fields(runs: Sequence[Run]) -> list[str]:
    """Return the fields with several values among the runs of one environment."""
    found = [
        path for path in specs.differences(runs)
        if len({specs.show(specs.parse(run.spec_text).get(path)) for run in runs}) > 1
    ]
    return sorted(found)


@readable
def sensitivity(
    runs: Sequence[Run], field: str | None = None, *, scoring: Scoring | None = None,
    statistic: str = "mean", **page: Unpack[Page],
) -> Figure:
    """Draw the score against a field, one line per setting of all other swept fields.

    Args:
        runs: Runs of erlctl; others have no spec.
        field: Dotted path such as "agent.temperature"; None: the only swept number.
        scoring: How a run becomes a number.
        statistic: "mean", "iqm" or "median" over runs; whiskers are its 95 % interval.
        **page: See `sheet.Page`; its labels are those of the lines.

    Raises:
        ErlctlError: No field is swept, or several are and none is named.
        UnknownNameError: The named field is not swept.
    """
    scoring = scoring or Scoring()
    runs = [run for run in runs if run.spec_text]
    field = _chosen(field, swept_fields(runs), runs)
    environments = sorted({run.environment for run in runs})
    series = {name: _series(runs, name, field, scoring) for name in environments}
    settings = sorted({label for lines in series.values() for label in lines}, key=natural)
    parts = look_of.chunks(settings) if settings != [""] else []
    positions = [p for lines in series.values() for points in lines.values() for p in points]
    scale = _scale(positions)
    whiskers: set[str] = set()
    with new_sheet(page, settings) as sheet:
        blocks = sheet.grid(
            len(environments), parts=[[sheet.labels[name] for name in part] for part in parts])
        for at, environment in enumerate(environments):
            known = limits.possible(environment, scoring.metric)
            column = [block[at] for block in blocks]
            for panel, part, handles in zip(column, parts or [settings], sheet.handles,
                                            strict=True):
                for index, label in enumerate(part):
                    if label in series[environment]:
                        dodge = (index - (len(part) - 1) / 2) * min(5.0, 24 / len(part))
                        handles[sheet.labels[label]] = _line(
                            panel, series[environment][label], sheet.pens[label], statistic, scale,
                            dodge, known, whiskers)
                _axis(sheet, panel, scale, field, positions, len(part))
                sheet.heading(panel, environment)
                panel.set_ylabel(scoring.unit_label)
            same_limits(column)
        return sheet.finish(
            title=f"{scoring.unit_label} against {field.rpartition('.')[2]}",
            caption=_caption(series, statistic, whiskers),
        )


def _caption(
    series: Mapping[str, Mapping[str, Points]], statistic: str, whiskers: set[str]
) -> str:
    counts = [
        len(values) for lines in series.values() for points in lines.values()
        for values in points.values()
    ]
    what = f"; whiskers: 95% interval over runs ({', '.join(sorted(whiskers))})"
    return (f"Points: {statistic} over {look_of.runs(counts)}; small dots: single runs"
            f"{what if whiskers else ''}.")


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


def _line(
    panel: Any, points: Points, pen: look_of.Pen, statistic: str, scale: Any, dodge: float,
    known: limits.Range, whiskers: set[str],
) -> Any:
    """Draw runs, points and whiskers, `dodge` points (1/72 inch) beside their place."""
    from matplotlib.transforms import ScaledTranslation

    if isinstance(scale, list):
        by_x = {float(scale.index(str(at))): np.array(values) for at, values in points.items()}
    else:
        by_x = {float(at): np.array(values) for at, values in points.items()}
    x = sorted(by_x)
    place = panel.transData + ScaledTranslation(
        dodge / 72, 0.0, panel.figure.dpi_scale_trans)
    floor, ceiling = limits.with_data(known, np.concatenate(list(by_x.values())))
    for at in x:
        panel.plot([at] * by_x[at].size, by_x[at], marker=".", linestyle="", color=pen.color,
                   alpha=0.45, markersize=5, markeredgewidth=0, transform=place)
        interval = run_interval(by_x[at], statistic)
        if interval:
            whiskers |= {interval.method} - {ALL_EQUAL}
            is_light = by_x[at].size < MIN_RUNS_BOOTSTRAP
            panel.vlines([at], max(interval.low, floor), min(interval.high, ceiling),
                         color=pen.color, linewidth=0.8 if is_light else 1.6,
                         alpha=0.55 if is_light else 1.0, transform=place)
    centres = [float(STATISTICS[statistic](by_x[at])) for at in x]
    (line,) = panel.plot(
        x, centres, color=pen.color, linestyle="" if isinstance(scale, list) else pen.dashes,
        marker=pen.marker, markeredgecolor="white", markeredgewidth=0.4, zorder=3, transform=place,
    )
    return line


def _axis(
    sheet: Sheet, panel: Any, scale: Any, field: str, positions: Sequence[float | str],
    num_lines: int,
) -> None:
    """Label the swept values themselves, and leave room for the lines beside each other."""
    from matplotlib.ticker import NullLocator

    panel.set_xlabel(field)
    if isinstance(scale, list):
        sheet.choices_x(panel, scale)
        return
    panel.set_xscale(scale)
    at = np.array(sorted({float(position) for position in positions}))
    places = np.log(at) if scale == "log" else at
    span = float(np.ptp(places)) or 1.0
    space = (0.06 + 0.01 * num_lines) * span
    shown: list[int] = []
    for index, place in enumerate(places):  # leave out labels that would touch
        letters = len(f"{at[index]:g}{at[shown[-1]]:g}") / 2 + 1 if shown else 0.0
        inches = letters * 0.6 * sheet.look.font * 0.9 / 72
        needed = inches / sheet.panel_inches * (span + 2 * space)
        if not shown or place - places[shown[-1]] >= needed:
            shown.append(index)
    panel.set_xticks(at[shown], [f"{at[index]:g}" for index in shown])
    panel.xaxis.set_minor_locator(NullLocator())
    ends = np.array([places[0] - space, places[-1] + space])
    panel.set_xlim(*(np.exp(ends) if scale == "log" else ends))
