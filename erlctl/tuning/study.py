"""The search of one variant: an Optuna study in the experiment's journal, trials as experiments."""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from erlctl import spec
from erlctl.errors import DamagedError, SpecChangedError, SpecError
from erlctl.runs import tuning_file
from erlctl.spec import canonical, search
from erlctl.spec.schema import SearchSection
from erlctl.tuning import samplers

JOURNAL = "study.log"
REASON = "reason"  # user attribute of a trial that has no value
_DESCRIPTION = "erlctl"  # user attribute of a study: what its trials share
_STATES = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned",
           TrialState.RUNNING: "running", TrialState.WAITING: "waiting", TrialState.FAIL: "failed"}


def open_journal(folder: Path) -> optuna.storages.BaseStorage:
    """Return the storage of an experiment's studies; the caller holds the experiment's lock.

    Raises:
        DamagedError: A line of the journal is no record.
    """
    path = folder / JOURNAL
    # Optuna's lock outlives a killed process and would be waited for; ours says nobody is there.
    path.with_name(f"{JOURNAL}.lock").unlink(missing_ok=True)
    if path.exists():
        _mend_end(path)
        _check(path)
    return optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(path)))


def _mend_end(path: Path) -> None:
    """Cut off a last line that was being written when the process was killed."""
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        with path.open("r+b") as file:
            file.truncate(whole)


def _check(path: Path) -> None:
    """Refuse a damaged journal: Optuna raises anything, or passes over the last line until more."""
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
        try:
            json.loads(line)["op_code"]
        except (ValueError, LookupError, TypeError) as error:
            raise DamagedError(
                f"{path}:{number}: expected a record of Optuna's, got {line[:60]!r}",
                fix=f"restore the file from a copy, or move {path.parent} away and search anew",
            ) from error


@dataclass(frozen=True, kw_only=True)
class Branch:
    """One variant under search.

    Attributes:
        variant: Its name.
        base: What the trials have in common.
        seeds: Seeds of every trial.
        section: The search.
        is_only: Whether the spec has no other variant; trials are `trial-0007` then, else
            `dqn,trial-0007`.
    """

    variant: str
    base: spec.RunSpec
    seeds: tuple[int, ...]
    section: SearchSection
    is_only: bool

    @property
    def study_name(self) -> str:
        """Name in the journal."""
        return "search" if self.is_only else self.variant

    @property
    def rungs(self) -> list[int]:
        """Steps at which trials are compared; the last is the end."""
        return search.rungs(self.base, self.section)

    def trial_variant(self, number: int) -> str:
        """Return the folder of a trial below the experiment."""
        return f"trial-{number:04d}" if self.is_only else f"{self.variant},trial-{number:04d}"

    def settings(self, params: dict[str, Any]) -> spec.RunSpec:
        """Return the base with a trial's values.

        Raises:
            SpecError: They do not go together.
        """
        texts = {path: value if isinstance(value, str) else canonical.scalar_text(value)
                 for path, value in params.items()}
        return search.with_values(self.base, texts)

    def describe(self) -> str:
        """Return as text what all trials of a study must share."""
        section = self.section
        space = {path: canonical.plain(domain) for path, domain in sorted(section.space.items())}
        shared = {"seeds": list(self.seeds), "objective": section.objective,
                  "statistic": section.statistic, "space": space}
        return canonical.dump(self.base) + canonical.yaml_text({"search": shared})


class Study:
    """The trials of one variant, from the journal.

    Args:
        branch: The variant.
        storage: The journal.
        runs_dir: Where run directories lie.

    Raises:
        SpecChangedError: The journal holds trials of another spec.
    """

    def __init__(
        self, branch: Branch, storage: optuna.storages.BaseStorage, runs_dir: Path
    ) -> None:
        self.branch, self._runs_dir = branch, runs_dir
        self._space = samplers.distributions(search.space_of(branch.base, branch.section))
        self.wanted = samplers.count(branch.section, self._space)
        self._study = optuna.create_study(
            storage=storage, study_name=branch.study_name, direction="maximize",
            load_if_exists=True, pruner=_pruner(branch))
        before = self._study.user_attrs.get(_DESCRIPTION)
        if before is None:
            self._study.set_user_attr(_DESCRIPTION, branch.describe())
        elif before != branch.describe():
            raise _changed(branch, before)
        for frozen in self.trials:
            self._record(frozen)

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials, by number."""
        return self._study.get_trials(deepcopy=False)

    @property
    def ended(self) -> list[FrozenTrial]:
        """The trials that are done with."""
        return [trial for trial in self.trials if trial.state.is_finished()]

    @property
    def best(self) -> FrozenTrial | None:
        """The best complete trial, None where there is none."""
        complete = [trial for trial in self.trials if trial.state == TrialState.COMPLETE]
        return max(complete, key=lambda trial: (trial.value, -trial.number), default=None)

    def open_trials(self) -> Iterator[Trial]:
        """Yield the trials that were begun and not ended, each with all its values."""
        for frozen in self.trials:
            if frozen.state == TrialState.RUNNING:
                self._study.sampler = self._sampler(frozen.number)
                # The process may have been killed between the first and the last of its values.
                yield self._with_values(Trial(self._study, frozen._trial_id))

    def ask(self) -> Trial:
        """Return a new trial."""
        self._study.sampler = self._sampler(len(self.trials))
        trial = self._with_values(self._study.ask())
        self._record(self.trials[trial.number])
        return trial

    def runs(self, trial: Trial, steps: int) -> list[spec.RunSpec]:
        """Return a trial's runs, up to a step.

        Raises:
            SpecError: Its values do not go together.
        """
        settings = self.branch.settings(trial.params)
        training = dataclasses.replace(settings.training, steps=steps)
        variant = self.branch.trial_variant(trial.number)
        return [dataclasses.replace(settings, training=training, variant=variant, seed=seed)
                for seed in self.branch.seeds]

    def next_rung(self, trial: Trial) -> int:
        """Return the step that a trial is to be trained up to."""
        known = self.trials[trial.number].intermediate_values
        return next(step for step in self.branch.rungs if step not in known)

    def is_settled(self, trial: Trial) -> bool:
        """End a trial whose last report is the end or that the pruner ends; say whether it was."""
        known = self.trials[trial.number].intermediate_values
        end = self.branch.rungs[-1]
        if end in known:
            self._end(trial, known[end])
        elif known and trial.should_prune():
            self._end(trial, None)
        else:
            return False
        return True

    def give_up(self, trial: Trial, reason: str) -> None:
        """End a trial that has no value; a sampler takes it for worse than all others."""
        trial.set_user_attr(REASON, reason)
        self._end(trial, None)

    def _end(self, trial: Trial, value: float | None) -> None:
        state = TrialState.PRUNED if value is None else TrialState.COMPLETE
        self._record(self._study.tell(trial, value, state))

    def _with_values(self, trial: Trial) -> Trial:
        for path, domain in self.branch.section.space.items():
            if path not in self._space:
                continue
            if domain.type == "categorical":
                trial.suggest_categorical(path, domain.choices)
                continue
            distribution: Any = self._space[path]
            suggest = trial.suggest_int if domain.type == "int" else trial.suggest_float
            suggest(path, distribution.low, distribution.high, step=distribution.step,
                    log=distribution.log)
        return trial

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        return samplers.make(self.branch.section, self._space, number)

    def _record(self, trial: FrozenTrial) -> None:
        folder = self._runs_dir / self.branch.base.name / self.branch.trial_variant(trial.number)
        tuning_file.write(folder, {
            "study": self.branch.study_name, "trial": trial.number, "trials": self.wanted,
            "state": _STATES[trial.state], "value": trial.value,
            "objective": f"{self.branch.section.statistic} of {self.branch.section.objective}",
            "params": trial.params, "reason": trial.user_attrs.get(REASON, ""),
            "log": sorted(p for p, d in self.branch.section.space.items() if d.log),
        })


def _pruner(branch: Branch) -> optuna.pruners.BasePruner:
    if branch.section.pruner == "median":
        return optuna.pruners.MedianPruner()
    if branch.section.pruner == "successive_halving":
        return optuna.pruners.SuccessiveHalvingPruner(
            min_resource=branch.rungs[0], reduction_factor=search.RUNG_FACTOR)
    return optuna.pruners.NopPruner()


def _changed(branch: Branch, before: str) -> SpecChangedError:
    lines = difflib.unified_diff(before.splitlines(), branch.describe().splitlines(),
                                 "the study", "the spec", n=0, lineterm="")
    difference = "\n".join(f"    {line}" for line in lines)
    return SpecChangedError(
        f"the search of {branch.base.name} was begun with another spec:\n{difference}",
        fix="give the spec another name; trials, sampler and pruner may change")


def branches(experiment: spec.Experiment) -> list[Branch]:
    """Return the variants of an experiment that has a search."""
    assert experiment.search is not None
    seeds: dict[str, list[int]] = {}
    base: dict[str, spec.RunSpec] = {}
    for run in experiment.runs:
        base.setdefault(run.variant, dataclasses.replace(run, seed=0))
        seeds.setdefault(run.variant, []).append(run.seed)
    return [
        Branch(variant=variant, base=base[variant], seeds=tuple(seeds[variant]),
               section=experiment.search, is_only=len(base) == 1)
        for variant in base
    ]


def is_valid(study: Study, trial: Trial) -> bool:
    """Return whether a trial's values go together; one whose do not is given up."""
    try:
        study.runs(trial, study.next_rung(trial))
    except SpecError as error:
        study.give_up(trial, error.problems[0].message)
        return False
    return True


def statistics_of(studies: Sequence[Study]) -> str:
    """Return how far a search is, for people."""
    return "; ".join(
        f"{s.branch.variant}: {len(s.ended)} of {s.wanted} trials"
        + (f", best {s.best.value:.6g} (trial-{s.best.number:04d})" if s.best else "")
        for s in studies)
