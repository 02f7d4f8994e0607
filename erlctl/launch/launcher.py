"""What a launcher is: something that trains the runs of a plan somewhere. No TensorFlow.

    @register("launcher", "local")
    @dataclass(frozen=True, kw_only=True)
    class Local(Launcher):
        def launch(self, batch, on_event): ...

Its fields are its options (`erlctl train --launcher-option KEY=VALUE`); another package adds one
through the entry-point group `erlctl.launchers`. A process anywhere trains runs with
`launch.worker.Worker` and tells what happens as `erlctl.events`; `Tally` makes the results.
"""

from __future__ import annotations

import abc
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import ClassVar

from erlctl import registry, spec
from erlctl.callbacks.reference import Reference
from erlctl.errors import Problem, SpecError, unknown_name
from erlctl.events import Finished, OnEvent, Outcome, RunResult, StopReason
from erlctl.fields import Options
from erlctl.launch import machine
from erlctl.launch.job import Job
from erlctl.launch.plan import Planned
from erlctl.launch.results import BatchResult
from erlctl.spec.nodes import MapNode, Where
from erlctl.spec.overrides import apply, parse_overrides
from erlctl.spec.parser import parse
from erlctl.spec.reader import FAILED, Reader
from erlctl.tensorflow_setup import Device

CONFIG = Path("~/.config/erlctl/launchers.yaml")


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What a launcher is asked to do.

    Attributes:
        plan: The runs, from `launch.plan.plan_runs`.
        runs_dir: Where the run directories lie.
        jobs: Runs at once, at most.
        cores: Cores of each run; None divides those of the machine among the runs at once.
        device: What each run is trained on; with "gpu" each has one of them.
        fresh: Whether existing run directories are moved aside first.
        fail_fast: Whether the first failed or diverged run stops the others.
        max_seconds: Time budget from `started`; then every run checkpoints and the batch ends (75).
        max_memory: Gigabytes that one run may hold; beyond, it checkpoints and fails.
        trusted: Modules that specs may import environments from, and files that register entries.
        callbacks: Made anew for each run, in the process that trains it.
        detach: Whether to return as soon as everything is submitted.
        command: The command line, recorded in run.json.
        started: When the command began, on the clock of `time.monotonic`.
    """

    plan: Sequence[Planned]
    runs_dir: Path
    jobs: int = 1
    cores: int | None = None
    device: Device = "cpu"
    fresh: bool = False
    fail_fast: bool = False
    max_seconds: float | None = None
    max_memory: float | None = None
    trusted: Sequence[str] = ()
    callbacks: Sequence[Reference] = ()
    detach: bool = False
    command: Sequence[str] = ()
    started: float = field(default_factory=time.monotonic)

    def cores_of_each(self, at_once: int) -> int:
        """Return how many cores each of so many runs at once may use."""
        return self.cores or machine.usable_cores() // max(at_once, 1)

    def job(self, planned: Planned) -> Job:
        """Return what a process that trains runs needs for one of them."""
        return Job(label=planned.label, run=spec.dump(planned.run),
                   runs_dir=str(self.runs_dir.absolute()),
                   fresh=self.fresh, max_memory=self.max_memory, command=list(self.command),
                   callbacks=[asdict(callback) for callback in self.callbacks],
                   files=[str(Path(name).resolve()) for name in self.trusted
                          if registry.is_file(name)])


class Launcher(Options, abc.ABC):
    """Trains the runs of a batch; its fields are its options.

    Attributes:
        can_detach: Whether runs go on when the command has returned.
        begins: What happens first, in words.
    """

    can_detach: ClassVar[bool] = False
    begins: ClassVar[str] = "TensorFlow starts"

    def capacity(self, cores: int | None, device: Device = "cpu") -> int:
        """Return how many runs at once there is room for, at least 1.

        Args:
            cores: Of each run; None leaves it to the launcher.
            device: What they are trained on: there is a run for every GPU, if for GPUs.

        Raises:
            ErlctlError: The place where runs are trained cannot be reached, or has no GPU.
        """
        if device == "gpu":
            return len(machine.require_gpus())
        return max(machine.usable_cores() // (cores or 1), 1)

    @abc.abstractmethod
    def launch(self, batch: Batch, on_event: OnEvent) -> BatchResult:
        """Train every run of the plan that is not final; return when all ended.

        Args:
            batch: What to do.
            on_event: Called in this process and thread with every event.

        Returns:
            One result per entry of the plan, in its order.
        """


class Tally:
    """The results of a batch, as they come in; says each with `Finished`."""

    def __init__(self, batch: Batch, on_event: OnEvent) -> None:
        self._plan = {planned.label: planned for planned in batch.plan}
        self._on_event = on_event
        self._started: dict[str, float] = {}
        self._steps = {planned.label: planned.step for planned in batch.plan}
        self._results: dict[str, RunResult] = {}
        for planned in batch.plan:
            if planned.is_final:
                self._add(planned.final_result())

    def assigned(self, label: str) -> None:
        """A process takes the run up now."""
        self._started[label] = time.monotonic()

    def at(self, label: str, step: int) -> None:
        """The run is at `step`."""
        self._steps[label] = step

    def ended(self, label: str, outcome: Outcome) -> RunResult:
        """Take how a run ended; the last known step stands for one that is not told."""
        started = self._started.get(label)
        seconds = time.monotonic() - started if started is not None else 0.0
        known = Outcome(outcome.status, outcome.step or self._steps[label], outcome.message,
                        outcome.stop)
        return self._add(self._plan[label].result(known, seconds))

    def result(self, ended_by: StopReason | None, *, is_detached: bool = False) -> BatchResult:
        """Return all results, in the order of the plan."""
        return BatchResult(results=[self._results[label] for label in self._plan],
                           ended_by=ended_by, is_detached=is_detached)

    def _add(self, result: RunResult) -> RunResult:
        self._results[result.label] = result
        self._on_event(Finished(result.label, result))
        return result


def make(name: str, options: Sequence[str] = (), config: Path | None = None) -> Launcher:
    """Return the launcher `name` with its options: defaults, then the file, then the texts.

    Args:
        name: Name in the registry.
        options: Texts KEY=VALUE, values as in a spec.
        config: A YAML file, launcher -> options; without it `CONFIG`, where there is one.

    Raises:
        UnknownNameError: There is no such launcher.
        SpecError: Every mistake in the options, unknown ones with the nearest name.
    """
    cls = registry.get("launcher", name)
    assert issubclass(cls, Launcher)
    problems = list[Problem]()
    tree = _section(config, name, problems)
    changes = parse_overrides(options, problems, source="--launcher-option", form="KEY=VALUE")
    reader = Reader()
    made = reader.section(apply(tree, changes, problems), cls)
    if made is FAILED or problems or reader.problems:
        raise SpecError([*problems, *reader.problems])
    return made


def _section(config: Path | None, name: str, problems: list[Problem]) -> MapNode:
    path = CONFIG.expanduser() if config is None else config
    empty = MapNode(Where(str(path)))
    if config is None and not path.exists():
        return empty
    try:
        tree = parse(path.read_bytes(), str(path), problems)
    except OSError as error:
        unreadable = Problem(str(path), 0, 0, "", f"cannot be read: {error.strerror}")
        raise SpecError([unreadable]) from error
    known = registry.all_of("launcher")
    problems += [key.where.problem(key.text, unknown_name("launcher", key.text, known))
                 for key in tree.keys.values() if key.text not in known]
    section = tree.get(name)
    if section is None or isinstance(section, MapNode):
        return section or empty
    problems.append(section.where.problem(name, f"expected the options of {name}, got {section}"))
    return empty
