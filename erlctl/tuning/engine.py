"""Ask, train, tell: trials of all variants, through any launcher, until each has its budget.

Trials are trained as ordinary runs, up to the next step at which the pruner decides; a trial that
goes on is an ordinary extension of its runs. So nothing here depends on where runs are trained,
and whatever is killed goes on from the journal and the run directories.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from pathlib import Path

import numpy as np
from optuna.trial import Trial

from erlctl import spec
from erlctl.analysis.load import load_run
from erlctl.analysis.scores import Scoring, score
from erlctl.analysis.statistics import STATISTICS
from erlctl.events import RunResult, StopReason
from erlctl.launch.results import BatchResult, exit_code
from erlctl.runs.layout import RunPaths, label_of
from erlctl.tuning.study import Study, is_valid, statistics_of

Train = Callable[[Sequence[spec.RunSpec]], BatchResult]


def search(
    studies: Sequence[Study], runs_dir: Path, train: Train, *, at_once: int,
    say: Callable[[str], None],
) -> int:
    """Give every study its trials; return the exit code.

    Args:
        studies: One for each variant; each gets the same number of trials.
        runs_dir: Where run directories lie.
        train: Trains runs, as `erlctl train` would.
        at_once: Trials of a study that are trained side by side.
        say: Takes sentences for people.

    Returns:
        0 when all trials have ended; that of the signal or budget that kept some from it; else that
        of the runs that failed: their trials are open, and searching again resumes them.
    """
    failed: dict[tuple[str, int], list[RunResult]] = {}
    ended_by: StopReason | None = None
    while ended_by is None:
        asked = [(study, trial) for study in studies
                 for trial in _next_trials(study, at_once, failed)]
        if not asked:
            break
        steps = {_key(study, trial): study.next_rung(trial) for study, trial in asked}
        groups = [study.runs(trial, steps[_key(study, trial)]) for study, trial in asked]
        batch = train([run for group in groups for run in group])
        results = {result.label: result for result in batch.results}
        for (study, trial), group in zip(asked, groups, strict=True):
            own = [results[label_of(run)] for run in group]
            if not _told(study, trial, group, own, runs_dir):
                failed[_key(study, trial)] = own
        ended_by = batch.ended_by
        say(statistics_of(studies))
    statuses = [result.status for own in failed.values() for result in own]
    if any(_wants_more(study, failed) for study in studies):
        statuses.append("pending")
    return exit_code(statuses, ended_by)


def _key(study: Study, trial: Trial) -> tuple[str, int]:
    return study.branch.study_name, trial.number


def _wants_more(study: Study, failed: Container[tuple[str, int]]) -> bool:
    """Return whether a study has trials to begin or to go on with."""
    return len(study.trials) < study.wanted or any(
        _key(study, trial) not in failed for trial in study.open_trials())


def _next_trials(
    study: Study, at_once: int, failed: Container[tuple[str, int]]
) -> list[Trial]:
    """Return the trials to train now: those begun first, then new ones as far as there is room."""
    begun = [trial for trial in study.open_trials()
             if _key(study, trial) not in failed
             and not study.is_settled(trial) and is_valid(study, trial)]
    while len(begun) < at_once and len(study.trials) < study.wanted:
        trial = study.ask()
        if is_valid(study, trial):
            begun.append(trial)
    return begun


def _told(
    study: Study, trial: Trial, runs: Sequence[spec.RunSpec], results: Sequence[RunResult],
    runs_dir: Path,
) -> bool:
    """Tell the study how a trial went as far as it was trained; False where that is unknown."""
    statuses = {result.status for result in results}
    if "diverged" in statuses:
        study.give_up(trial, "diverged")
        return True
    if statuses - {"complete", "skipped"}:
        return False
    section = study.branch.section
    scores = [score(load_run(RunPaths.of(runs_dir, run)), Scoring(kind=section.objective))
              for run in runs]
    missing = [each.excluded for each in scores if each.excluded]
    if missing:
        study.give_up(trial, missing[0])
        return True
    values = np.array([each.value for each in scores])
    trial.report(float(STATISTICS[section.statistic](values)), runs[0].training.steps)
    study.is_settled(trial)
    return True
