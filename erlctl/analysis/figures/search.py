"""A search by `erlctl tune`: its history, which fields mattered, and the score against each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from erlctl.analysis.data import Run
from erlctl.analysis.figures import style as look_of
from erlctl.analysis.figures.fit import readable
from erlctl.analysis.figures.sheet import Page, Sheet, new_sheet
from erlctl.analysis.numbers import natural
from erlctl.analysis.statistics import Floats
from erlctl.errors import ErlctlError

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from erlctl.analysis.figures.figure import Figure

_PARTS = 4  # that a field's values are put into
_MIN_PER_PART = 3


@dataclass(frozen=True)
class Trial:
    """One trial with a value.

    Attributes:
        number: Its number in the study.
        value: Its objective; of a pruned trial the last that was seen.
        is_complete: Whether it was trained to the end.
        params: Path to value.
        log: Paths that were searched on a logarithmic scale.
    """

    number: int
    value: float
    is_complete: bool
    params: Mapping[str, Any]
    log: frozenset[str]


@readable
def search(runs: Sequence[Run], **page: Unpack[Page]) -> Figure:
    """Draw the searches that some runs are trials of, one colour each.

    Args:
        runs: Runs of trials; others are left out.
        **page: See `sheet.Page`; its labels are those of the searches.

    Raises:
        ErlctlError: No run is a trial that has a value.
    """
    studies = trials_of(runs)
    if not studies:
        raise ErlctlError("no trial of a search has a score here",
                          fix="name the folder of an experiment that `erlctl tune` made")
    names = sorted(studies, key=natural)
    paths = sorted({path for some in studies.values() for trial in some for path in trial.params})
    parts = look_of.chunks(names)
    with new_sheet(page, names) as sheet:
        blocks = sheet.grid(2 + len(paths), columns=min(3, 2 + len(paths)),
                            parts=[[sheet.labels[name] for name in part] for part in parts],
                            # Where the page grows with its panels they have room enough.
                            row_names=_fields(paths) if page.get("size") else (),
                            share_names=True)
        for block, part, handles in zip(blocks, parts, sheet.handles, strict=True):
            for name in part:
                handles[sheet.labels[name]] = _history(block[0], studies[name], sheet.pens[name])
            drawn = [(studies[name], sheet.pens[name]) for name in part]
            _importances(sheet, block[1], paths, drawn)
            sheet.heading(block[0], "history")
            block[0].set_xlabel("trial")
            block[0].set_ylabel("objective")
            sheet.heading(block[1], "importance")
            for panel, path in zip(block[2:], paths, strict=True):
                _slice(sheet, panel, path, drawn)
                sheet.heading(panel, path)
        count = sum(map(len, studies.values()))
        return sheet.finish(
            title="search", rows=True,
            caption=f"{count} trials; line: the best so far; crosses: ended early by the pruner; "
                    "importance: share of the variance of the trials' ranks that lies between "
                    f"{_PARTS} parts of a field's values (0: no more than chance).")


def trials_of(runs: Sequence[Run]) -> dict[str, list[Trial]]:
    """Return the trials with a value of each search among some runs, by number."""
    found: dict[str, dict[int, Trial]] = {}
    experiments = {run.experiment for run in runs if "trial" in run.tuning}
    for run in runs:
        facts = run.tuning
        value, params = facts.get("value"), facts.get("params")
        if not isinstance(value, (int, float)) or not isinstance(params, dict):
            continue
        study = str(facts.get("study"))
        name = f"{run.experiment}/{study}" if len(experiments) > 1 else study
        number = int(facts["trial"])
        found.setdefault(name, {})[number] = Trial(
            number, float(value), facts.get("state") == "complete", params,
            frozenset(map(str, facts.get("log") or ())))
    return {name: [some[number] for number in sorted(some)] for name, some in found.items()}


def importance(values: Floats, scores: Floats) -> float:
    """Return how much of the ranks of `scores` a field's values tell, in [0, 1].

    Epsilon squared: the share of the ranks' variance that lies between parts of the values, minus
    what chance would give. It sees an optimum in the middle, which a rank correlation does not.

    Args:
        values: [trials]; few different ones (choices by index) are parts themselves, else the
            parts are quarters of the trials.
        scores: [trials].

    Returns:
        nan where the trials are too few to say.
    """
    distinct = np.unique(values)
    if distinct.size > _PARTS:
        edges = np.quantile(values, np.linspace(0, 1, _PARTS + 1)[1:-1])
        values = np.searchsorted(edges, values, side="right").astype(float)
        distinct = np.unique(values)
    count = scores.size
    if distinct.size < 2 or count < _MIN_PER_PART * distinct.size:
        return float("nan")
    sorted_scores = np.sort(scores)
    ranks = (np.searchsorted(sorted_scores, scores, "left")
             + np.searchsorted(sorted_scores, scores, "right")) / 2
    total = float(np.sum((ranks - ranks.mean()) ** 2))
    within = sum(float(np.sum((ranks[values == v] - ranks[values == v].mean()) ** 2))
                 for v in distinct)
    if total == 0.0:
        return 0.0
    per_degree = within / (count - distinct.size)
    return max(0.0, (total - within - (distinct.size - 1) * per_degree) / total)


def _history(panel: Any, trials: Sequence[Trial], pen: look_of.Pen) -> Any:
    _points(panel, [(trial.number, trial) for trial in trials], pen)
    complete = [trial for trial in trials if trial.is_complete]
    best = np.maximum.accumulate([trial.value for trial in complete] or [np.nan])
    (line,) = panel.step([trial.number for trial in complete] or [0], best, where="post",
                         color=pen.color, linestyle=pen.dashes)
    return line


def _points(panel: Any, points: Sequence[tuple[float, Trial]], pen: look_of.Pen) -> None:
    for is_complete, marker in ((True, pen.marker), (False, "x")):
        some = [(x, trial.value) for x, trial in points if trial.is_complete == is_complete]
        if some:
            panel.scatter(*zip(*some, strict=True), s=16, color=pen.color, marker=marker, alpha=0.6)


def _importances(
    sheet: Sheet, panel: Any, paths: Sequence[str],
    studies: Sequence[tuple[Sequence[Trial], look_of.Pen]],
) -> None:
    height = 0.8 / len(studies)
    for index, (trials, pen) in enumerate(studies):
        shares = [_importance_of(path, trials) for path in paths]
        at = np.arange(len(paths)) + (index - (len(studies) - 1) / 2) * height
        panel.barh(at, np.nan_to_num(np.array(shares)), height=height, color=pen.color)
        for y, share in zip(at, shares, strict=True):
            if np.isnan(share):
                panel.text(0.02, y, "too few trials", va="center", fontsize="x-small")
    panel.set_yticks(range(len(paths)), _fields(paths))
    panel.invert_yaxis()
    panel.set_xlim(0, 1)
    sheet.name_x(panel, "share of the variance of ranks")


def _fields(paths: Sequence[str]) -> list[str]:
    """Paths without their section."""
    return [path.partition(".")[2] for path in paths]


def _importance_of(path: str, trials: Sequence[Trial]) -> float:
    holders = [trial for trial in trials if trial.is_complete and path in trial.params]
    positions = _positions([trial.params[path] for trial in holders])
    values = [positions[str(t.params[path])] for t in holders]
    return importance(np.array(values, float), np.array([t.value for t in holders], float))


def _slice(
    sheet: Sheet, panel: Any, path: str,
    studies: Sequence[tuple[Sequence[Trial], look_of.Pen]],
) -> None:
    holders = [trial for trials, _ in studies for trial in trials if path in trial.params]
    positions = _positions([trial.params[path] for trial in holders])
    for trials, pen in studies:
        _points(panel, [(positions[str(t.params[path])], t) for t in trials if path in t.params],
                pen)
    panel.set_ylabel("objective")
    if any(isinstance(trial.params[path], str) for trial in holders):
        sheet.choices_x(panel, sorted(positions, key=positions.__getitem__))
    elif any(path in trial.log for trial in holders):
        panel.set_xscale("log")
        look_of.plain_numbers(panel.xaxis)


def _positions(values: Sequence[Any]) -> dict[str, float]:
    """Return where each value lies on its axis: numbers where they are, choices side by side."""
    if any(isinstance(value, str) for value in values):
        return {name: float(at) for at, name in enumerate(sorted(set(map(str, values)),
                                                                 key=natural))}
    return {str(value): float(value) for value in values}
