"""A search whose runs are written at once: real studies, scores from a formula."""

from __future__ import annotations

import math
import shutil
import signal
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import optuna
import pytest

from erlctl import spec
from erlctl.events import Outcome, RunResult, Status, StopReason
from erlctl.launch.results import BatchResult
from erlctl.runs.layout import RunPaths, label_of
from erlctl.tuning import engine
from erlctl.tuning.study import Study, branches, open_journal
from tests.analysis.synthetic import write_run

SPEC = """\
name: found
environment: {id: CartPole-v1}
agent: {algorithm: munchausen_dqn}
training: {steps: 9000, learning_starts: 100}
evaluation: {every: 1000, episodes: 2}
seeds: 2
"""
SPACE = """\
search:
  trials: 12
  sampler: random
  space:
    agent.temperature: {type: float, low: 1e-3, high: 1, log: true}
    agent.alpha: {type: float, low: 0, high: 1}
"""


def goodness(run: spec.RunSpec) -> float:
    """Return the score of a run: 100 at temperature 0.03 and alpha 0.7."""
    plain = spec.plain(run)["agent"]
    distance = (math.log10(plain["temperature"] / 0.03)) ** 2
    return 100 - 10 * distance - 20 * (plain.get("alpha", 0.7) - 0.7) ** 2 + 0.01 * run.seed


class Fake:
    """Trains runs by writing their folders.

    Attributes:
        calls: The runs of each call, as (label, steps).
        dies_at: Number of the call that ends the process, after its first run.
        stops_at: Number of the call during which a signal comes, too late for its runs.
        status_of: How a run ends.
    """

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir
        self.calls: list[list[tuple[str, int]]] = []
        self.dies_at: int | None = None
        self.stops_at: int | None = None
        self.status_of: Callable[[spec.RunSpec], Status] = lambda _: "complete"

    def __call__(self, runs: Sequence[spec.RunSpec]) -> BatchResult:
        self.calls.append([(label_of(run), run.training.steps) for run in runs])
        results = []
        for run in runs:
            status = self.status_of(run)
            shutil.rmtree(RunPaths.of(self.runs_dir, run).root, ignore_errors=True)
            steps = run.training.steps
            paths = write_run(
                self.runs_dir, name=run.name, variant=run.variant, seed=run.seed,
                curve=np.linspace(0.0, goodness(run), steps // 1000 + 1)[1:], total_steps=steps,
                status=status, algorithm=spec.plain(run)["agent"]["algorithm"])
            if self.dies_at == len(self.calls):
                raise KeyboardInterrupt
            results.append(RunResult(label=label_of(run), root=str(paths.root),
                                     outcome=Outcome(status, steps), total_steps=steps))
        is_last = self.stops_at == len(self.calls)
        return BatchResult(
            results=results, ended_by=StopReason("signal", signal.SIGINT) if is_last else None)


class Search:
    """A spec's search in a folder; made anew for every command, as a process would.

    Attributes:
        said: Sentences for people.
    """

    def __init__(self, text: str, runs_dir: Path) -> None:
        path = runs_dir.parent / "search.yaml"
        path.write_text(textwrap.dedent(text))
        self.experiment = spec.load(path)
        self.runs_dir, self.fake = runs_dir, Fake(runs_dir)
        self.said: list[str] = []
        self.studies: list[Study] = []

    def run(self, at_once: int = 1) -> int:
        folder = self.runs_dir / self.experiment.name
        folder.mkdir(parents=True, exist_ok=True)
        storage = open_journal(folder)
        self.studies = [Study(branch, storage, self.runs_dir)
                        for branch in branches(self.experiment)]
        return engine.search(self.studies, self.runs_dir, self.fake, at_once=at_once,
                             say=self.said.append)

    def trials(self, name: str = "search") -> list[optuna.trial.FrozenTrial]:
        """Return what any Optuna tool finds in the journal."""
        backend = optuna.storages.journal.JournalFileBackend(
            str(self.runs_dir / self.experiment.name / "study.log"))
        storage = optuna.storages.JournalStorage(backend)
        return optuna.load_study(study_name=name, storage=storage).trials


@pytest.fixture(autouse=True)
def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Search]:
    """Return a function that makes the search of a spec; again with the same folder goes on."""
    return lambda text=SPEC + SPACE, folder="runs": Search(text, tmp_path / folder)
