"""Entropy, gap, KL, largest preference and loss side by side: how the algorithms behave inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from erlctl.analysis.data import METRICS, PROGRESS, Run
from erlctl.analysis.figures import limits
from erlctl.analysis.figures import style as look_of
from erlctl.analysis.figures.curves import Drawn, lines_of, logarithmic, same_limits
from erlctl.analysis.figures.fit import readable
from erlctl.analysis.figures.sheet import Page, new_sheet
from erlctl.analysis.numbers import natural
from erlctl.errors import ErlctlError

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from erlctl.analysis.figures.figure import Figure

COLUMNS = ("entropy", "action_gap", "kl_to_target", "preference_max", "clipped_fraction", "loss")
_LOGARITHMIC = ("kl_to_target", "preference_max", "loss", "gradient_norm")  # span magnitudes


@readable
def diagnostics(
    runs: Sequence[Run], columns: Sequence[str] = COLUMNS, *, statistic: str = "mean",
    smooth: int = 1, by_wall_time: bool = False, show_seeds: bool = False, band: str = "auto",
    **page: Unpack[Page],
) -> Figure:
    """Draw columns of progress.csv: one panel per column and environment that has values.

    Args:
        runs: Runs of any variants and environments.
        columns: Names of the columns; those that no run has, or that are always 0, are left out.
        statistic: "mean", "iqm" or "median" over runs; the band is its 95 % interval.
        smooth: Points of the trailing moving average; 1 for none.
        by_wall_time: Whether x is training time in seconds.
        show_seeds: Whether every run is drawn faintly.
        band: As for `curves.curves`.
        **page: See `sheet.Page`.

    Raises:
        ErlctlError: No run has a value in any of the columns.
    """
    environments = sorted({run.environment for run in runs})
    variants = sorted({run.variant for run in runs}, key=natural)
    wanted = [(environment, name) for name in columns for environment in environments
              if _applies(runs, environment, name)]
    if not wanted:
        raise ErlctlError("no run has recorded what these algorithms do inside",
                          fix="draw --kind curves, or runs of erlctl")
    parts = look_of.chunks(variants)
    drawn = Drawn(statistic, band, show_seeds)
    is_single = len(environments) == 1
    per_row = min(len(wanted), 3 if is_single else len(environments), 4)
    with new_sheet(page, variants) as sheet:
        blocks = sheet.grid(
            len(wanted), columns=per_row,
            parts=[[sheet.labels[name] for name in part] for part in parts])
        for at, (environment, name) in enumerate(wanted):
            metric, here = METRICS[name], [run for run in runs if run.environment == environment]
            lines = lines_of(here, environment, variants, metric, by_wall_time, smooth)
            known = limits.possible(environment, metric)
            column = [block[at] for block in blocks]
            for panel, part, handles in zip(column, parts, sheet.handles, strict=True):
                for variant in (variant for variant in part if variant in lines):
                    handles.setdefault(sheet.labels[variant], drawn.line(
                        panel, lines[variant], sheet.pens[variant], known))
                drawn.others(panel, lines, part)
                sheet.heading(panel, metric.label if is_single else environment)
                panel.set_ylabel("" if is_single else metric.label)
                look_of.steps_axis(panel, here, by_wall_time=by_wall_time)
            same_limits(column, [aligned.values for aligned in lines.values()])
            _scale(column, name)
        return sheet.finish(
            title="diagnostics" + (f": {environments[0]}" if is_single else ""),
            caption=drawn.caption(smooth) + _absent(columns, {name for _, name in wanted}),
            rows=True,
        )


def _absent(columns: Sequence[str], shown: set[str]) -> str:
    names = [METRICS[name].label.partition(" (")[0] for name in columns if name not in shown]
    return f" Not recorded or always 0: {', '.join(names)}." if names else ""


def _applies(runs: Sequence[Run], environment: str, name: str) -> bool:
    tables = [run.table(PROGRESS) for run in runs if run.environment == environment]
    return any(np.any(np.nan_to_num(table.get(name, np.empty(0)), posinf=0.0, neginf=0.0) != 0)
               for table in tables)


def _scale(panels: Sequence[Any], name: str) -> None:
    """Take a logarithmic axis where positive values span orders of magnitude."""
    values = np.concatenate([line.get_ydata() for p in panels for line in p.get_lines()])
    if name in _LOGARITHMIC and not (values <= 0).any():
        logarithmic(panels)
