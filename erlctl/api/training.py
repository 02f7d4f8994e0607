"""`erlctl.train`: the command of that name, from Python."""

from __future__ import annotations

import dataclasses
import functools
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from erlctl import registry
from erlctl.callbacks.reference import Reference
from erlctl.errors import DomainError, Problem, SpecError
from erlctl.events import OnEvent, RunResult, StopReason
from erlctl.experiment import load_all
from erlctl.launch import launcher as launchers
from erlctl.launch import submit
from erlctl.launch.launcher import Launcher
from erlctl.runs import initial
from erlctl.runs.provenance import command_line
from erlctl.spec.canonical import flow_text
from erlctl.spec.load import Check
from erlctl.spec.schema import Experiment
from erlctl.spec.seeds import EXPECTED
from erlctl.spec.source import InMemory
from erlctl.tensorflow_setup import Device

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from erlctl.api.results import Runs

    Seeds = str | int | Sequence[int] | npt.NDArray[np.integer[Any]]

DICT = "<dict>"
Spec = str | os.PathLike[str] | Mapping[str, Any] | Experiment


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainedBatch:
    """What became of the runs of a `train`.

    Attributes:
        results: One per run, in the order of the spec.
        exit_code: What `erlctl train` would have ended with; 0: all that was asked for is done.
        ended_by: What ended the batch early, or None.
        rows: The table of `erlctl train`, one object per run.
    """

    results: Sequence[RunResult]
    exit_code: int
    ended_by: StopReason | None
    rows: Sequence[Mapping[str, object]]

    @property
    def runs(self) -> Runs:
        """The run directories, as `erlctl.load` gives them; those that were never begun left out.

        Raises:
            ErlctlError: There is none.
        """
        from erlctl.api.results import load

        return load([Path(each.root) for each in self.results if Path(each.root).exists()])

    def __repr__(self) -> str:
        lines = [f"{row['run']}: {row['status']} at step {row['step']} of {row['steps']}"
                 + (f": {row['reason']}" if row["reason"] else "") for row in self.rows]
        return "\n".join([*lines, f"exit code {self.exit_code}"])


def train(
    spec: Spec, *, overrides: Mapping[str, Any] | Sequence[str] = (),
    seeds: Seeds | None = None, variants: Sequence[str] = (), where: Sequence[str] = (),
    runs_dir: str | os.PathLike[str] = "runs", jobs: int | None = None, cores: int | None = None,
    device: Device = "cpu", fresh: bool = False, fail_fast: bool = False,
    max_seconds: float | None = None, max_memory: float | None = None,
    launcher: str | Launcher = "local",
    launcher_options: Mapping[str, Any] | Sequence[str] = (), callbacks: Sequence[Any] = (),
    trusted: Sequence[str] = (), on_event: OnEvent | None = None, quiet: bool = False,
) -> TrainedBatch:
    """Train every run of a spec; the same call again resumes. Exactly what `erlctl train` does.

    Runs are trained in processes of their own; interrupting the kernel (Ctrl-C) writes checkpoints.
    To be called in the main thread, which takes the signals. Only the variables of the environment
    that stand for options (ERLCTL_RUNS_DIR and others) are not read.

    Args:
        spec: A spec file, a dictionary of the same form, or an experiment of
            `erlctl.experiment.load_all`.
        overrides: {"training.steps": 20000} or ["training.steps=20000"], as `--set`.
        seeds: Replace the spec's: 10 (0 to 9), [0, 7, 8], an array of them, or "0-4,7".
        variants: Names or globs; only these.
        where: Texts "agent.gamma=0.95"; only runs whose spec says so.
        runs_dir: Folder that holds the experiments.
        jobs: Runs at once; None: the number of cores, of GPUs with device "gpu".
        cores: Cores of each run; None: those of the machine divided by the jobs.
        device: What each run is trained on.
        fresh: Move existing run directories aside and begin again.
        fail_fast: Stop the others after the first failed run.
        max_seconds: Time budget; then checkpoint, exit code 75.
        max_memory: Gigabytes that one run may hold.
        launcher: Where runs are trained: a name with `launcher_options`, or a launcher.
        launcher_options: {"key": value} or ["key=value"].
        callbacks: Classes of `erlctl.callbacks.Callback` in a module, `functools.partial` of them
            with keyword arguments, or texts as for `--callback`. Each run makes its own, in the
            process that trains it.
        trusted: Modules and files whose code may be run, as `--trust`; a class that is given is
            trusted.
        on_event: Called here, in this thread, with every event of `erlctl.events`.
        quiet: Whether nothing is shown: neither progress nor warnings.

    Returns:
        What became of each run; a run that fails is a result, not an error.

    Raises:
        SpecError: Every mistake of the spec at once; nothing was started.
        DomainError: A number or `device` is out of its domain, or this is not the main thread.
        ErlctlError: What else `erlctl train` refuses.
    """
    started = time.monotonic()
    if threading.current_thread() is not threading.main_thread():
        raise DomainError("thread", threading.current_thread().name,
                          "the main thread: training takes the process's signals")
    say = _silent if quiet else _say
    registry.load_files([name for name in trusted if registry.is_file(name)])
    experiment = _experiment(
        spec, _texts(overrides), seeds, trusted,
        functools.partial(initial.problems, runs_dir=Path(runs_dir), fresh=fresh))
    for warning in experiment.warnings:
        say(f"{experiment.source}: warning: {warning}")
    if variants or where:
        from erlctl.analysis.selection import Selection

        runs = Selection.parse(variants, where).of_specs(experiment.runs)
        experiment = dataclasses.replace(experiment, runs=tuple(runs))
    if isinstance(launcher, str):
        launcher = launchers.make(launcher, _texts(
            launcher_options, "launcher_options", "KEY=VALUE"))
    references = [Reference.of(each) for each in callbacks]
    vouched = [each.module for given, each in zip(callbacks, references, strict=True)
               if not isinstance(given, str)]
    batch = submit.prepare([experiment], submit.Wishes(
        runs_dir=Path(runs_dir), jobs=jobs, cores=cores, device=device, fresh=fresh,
        fail_fast=fail_fast, max_seconds=max_seconds, max_memory=max_memory, callbacks=references,
        trusted=[*trusted, *vouched], started=started,
    ), launcher, command=command_line(), say=say)
    result = submit.launch(launcher, batch, _display(quiet), on_event)
    return TrainedBatch(results=result.results, exit_code=result.exit_code,
                        ended_by=result.ended_by, rows=submit.rows(result, batch))


def _experiment(
    spec: Spec, overrides: Sequence[str], seeds: Any, trusted: Sequence[str],
    check_run: Check,
) -> Experiment:
    if isinstance(spec, Experiment):
        if overrides or seeds is not None:
            raise DomainError("spec", "an Experiment", "a file or a dictionary where overrides or "
                              "seeds are given: an experiment is resolved already")
        return spec
    source = InMemory(DICT, yaml_text(spec)) if isinstance(spec, Mapping) else os.fspath(spec)
    text = None if seeds is None else _seeds_text(seeds)
    (experiment,) = load_all([source], overrides, text, trusted, check_run)
    return experiment


def _seeds_text(seeds: Any) -> str:
    """Return seeds as `--seeds` has them."""
    plain = _plain(seeds, "seeds", [])
    if isinstance(plain, list) and plain and all(type(seed) is int and seed >= 0 for seed in plain):
        return "".join(f"{seed}," for seed in plain)  # "3," is seed 3, "3" is three seeds
    if type(plain) not in (int, str):
        raise DomainError("seeds", seeds, f"{EXPECTED}; a sequence's are whole numbers from 0")
    return str(plain)


def _texts(
    given: Mapping[str, Any] | Sequence[str], name: str = "overrides", form: str = "PATH=VALUE"
) -> list[str]:
    """Return texts of that form, from the argument `name`."""
    if isinstance(given, str):
        raise DomainError(name, given, f"a mapping or a list of texts {form}")
    if not isinstance(given, Mapping):
        return list(given)
    problems: list[Problem] = []
    plain = {path: _plain(value, path, problems) for path, value in given.items()}
    if problems:
        raise SpecError(problems)
    return [f"{path}={flow_text(value)}" for path, value in plain.items()]


def yaml_text(spec: Mapping[str, Any]) -> str:
    """Return a spec given as a dictionary as YAML that means the same.

    Raises:
        SpecError: Every value that no spec can hold.
    """
    problems: list[Problem] = []
    plain = _plain(spec, "", problems)
    if problems:
        raise SpecError(problems)
    return "".join(f"{flow_text(key)}: {flow_text(value)}\n" for key, value in plain.items())


def _plain(value: Any, path: str, problems: list[Problem]) -> Any:
    """Return dictionaries, lists and scalars; NumPy's values and paths become these."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {
            str(key): _plain(below, f"{path}.{key}" if path else str(key), problems)
            for key, below in value.items()
        }
    if isinstance(value, (list, tuple, range)):
        return [_plain(item, path, problems) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if value is not None and not isinstance(value, (bool, int, float, str)):
        problems.append(Problem(
            DICT, 0, 0, path,
            f"expected a number, a text, a list or a dictionary, got a {type(value).__name__}"))
    return value


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)  # noqa: T201 - what the command says


def _silent(sentence: str) -> None:
    del sentence


def _display(quiet: bool) -> Callable[[list[tuple[str, int]]], Any]:
    from erlctl.api import notebook
    from erlctl.launch import display

    if quiet:
        return display.silent
    return notebook.Display if notebook.is_notebook() else display.for_stream
