"""One run from its spec: start it, or go on where it stopped, and leave the truth in run.json."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from erlctl.errors import (
    DamagedError,
    DivergedError,
    EnvironmentFault,
    ErlctlError,
    MemoryLimitError,
)
from erlctl.runs import catalogue, estimate, finite, lock, preflight, spec_file, store
from erlctl.runs.layout import RunPaths
from erlctl.runs.manifest import Manifest
from erlctl.runs.record import RunRecord, write_log
from erlctl.spec.schema import RunSpec

if TYPE_CHECKING:
    from erlctl.runs.recorder import RunRecorder
    from erlctl.training import loop

_LARGE_BYTES = 10**8  # less is not worth a sentence

OnEvent = Callable[[dict[str, Any]], None]
ShouldStop = Callable[[], int | None]
Start = tuple[Path, Manifest]  # folder of a good checkpoint and what it holds


@dataclass(frozen=True)
class Outcome:
    """What became of a run.

    Attributes:
        status: complete, skipped (was complete before), interrupted, diverged or failed.
        step: Environment steps done.
        reason: One sentence where the status needs one, else "".
        signum: What `should_stop` gave, when interrupted.
    """

    status: str
    step: int
    reason: str = ""
    signum: int | None = None


def execute(
    run: RunSpec,
    runs_dir: Path,
    *,
    program_for: Callable[[RunSpec], Any],
    should_stop: ShouldStop = lambda: None,
    fresh: bool = False,
    on_event: OnEvent = lambda _: None,
    command: Sequence[str] | None = None,
) -> Outcome:
    """Train one run to its end, from the newest good checkpoint if there is one.

    Args:
        run: Resolved spec.
        runs_dir: Where run directories lie.
        program_for: Returns the run's program at step 0 with the run's seed; asked only if there
            is something to train.
        should_stop: Polled between chunks; see `training.loop.train`.
        fresh: Whether an existing directory is moved aside first.
        on_event: Told of `started`, `tick`, `evaluation`, `checkpoint` and `message`.
        command: Command line for run.json; this process's by default.

    Returns:
        What became of it. What the run itself does wrong is an outcome, not an error.

    Raises:
        RunBusyError: Another process is at it.
        SpecChangedError: The directory holds a run of another spec.
        DamagedError: Checkpoints exist and none can be used.
        ErlctlError: The directory cannot be used, or there is too little disk or memory.
    """
    paths = RunPaths.of(runs_dir, run)
    if fresh and paths.root.exists():
        _move_aside(paths)
    preflight.make_folder(paths.root)
    with lock.hold(paths.lock):
        return _Execution(run, paths, program_for, should_stop, on_event, command).go()


def _move_aside(paths: RunPaths) -> None:
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    aside, count = paths.root.with_name(f"{paths.root.name}.{stamp}"), 1
    while os.path.lexists(aside):
        count += 1
        aside = paths.root.with_name(f"{paths.root.name}.{stamp}-{count}")
    with lock.hold(paths.lock):
        paths.root.rename(aside)
    store.sync_folder(paths.root.parent)


class _Execution:
    """One call of `execute`, under the lock."""

    def __init__(
        self, run: RunSpec, paths: RunPaths, program_for: Callable[[RunSpec], Any],
        should_stop: ShouldStop, on_event: OnEvent, command: Sequence[str] | None,
    ) -> None:
        self._run, self._paths = run, paths
        self._program_for, self._should_stop = program_for, should_stop
        self._on_event, self._command = on_event, command
        self._recorder: RunRecorder | None = None

    def go(self) -> Outcome:
        """See `execute`."""
        paths = self._paths
        for leftover in store.remove_temporaries([paths.root, paths.checkpoints]):
            write_log(paths.log, f"removed {leftover.name}, left by a process that died")
        fingerprint = spec_file.settle(self._run, paths)
        record = RunRecord(self._run, paths)
        if record.problem:
            self._say(record.problem)
        if record.status == "complete":
            return Outcome("skipped", record.facts["step"], "already complete")
        start = self._find_start(record, fingerprint)
        step = start[1].step if start else 0
        for warning in record.begin(from_step=step, command=self._command):
            self._say(f"not as in the attempt before: {warning}; the bits may differ")
        return self._attempt(record, fingerprint, start)

    def _say(self, text: str) -> None:
        write_log(self._paths.log, text)
        self._on_event({"event": "message", "text": text})

    def _find_start(self, record: RunRecord, fingerprint: str) -> Start | None:
        start = catalogue.newest_good(self._paths, fingerprint, self._say)
        published = record.facts.get("checkpoint")
        if start is None and published is not None:
            raise DamagedError(
                f"{self._paths.checkpoints}: run.json tells of a checkpoint at step {published}, "
                "there is none",
                fix="restore the folder from a copy, or begin again with --fresh",
            )
        return start

    def _attempt(self, record: RunRecord, fingerprint: str, start: Start | None) -> Outcome:
        """Train, and note how it ended whatever happens."""
        try:
            outcome = self._train(record, fingerprint, start)
        except DivergedError as error:
            outcome = Outcome("diverged", self._step, str(error))
        except (Exception, SystemExit) as error:  # whatever TensorFlow or an environment raises
            self._note_failure(record, error)
            if isinstance(error, DamagedError):
                raise
            return Outcome("failed", self._step, _sentence(error))
        except BaseException as error:  # Ctrl-C where nobody handles signals
            record.end("interrupted", self._step, type(error).__name__)
            raise
        if outcome.status in ("diverged", "interrupted"):
            outcome = replace(outcome, reason=f"{outcome.reason}; {self._last_checkpoint()}")
        record.end(outcome.status, outcome.step, outcome.reason)
        write_log(self._paths.log, f"{outcome.status} at step {outcome.step} {outcome.reason}")
        return outcome

    @property
    def _step(self) -> int:
        return self._recorder.step if self._recorder else 0

    def _last_checkpoint(self) -> str:
        saved = self._recorder.saved_step if self._recorder else None
        return "no checkpoint yet" if saved is None else f"last checkpoint: step {saved}"

    def _note_failure(self, record: RunRecord, error: BaseException) -> None:
        with suppress(OSError):  # the disk may be full: the reason still goes to the caller
            if not isinstance(error, ErlctlError) or isinstance(error, EnvironmentFault):
                write_log(self._paths.log, traceback.format_exc())
            record.end("failed", self._step, _sentence(error))
            write_log(self._paths.log, f"failed at step {self._step}: {_sentence(error)}")

    def _train(self, record: RunRecord, fingerprint: str, start: Start | None) -> Outcome:
        # Not at module level: whether there is anything to do is known without TensorFlow.
        from erlctl.runs.recorder import RunRecorder

        # Building the program fills the replay's memory already.
        preflight.check_memory(estimate.replay_bytes(self._run) or 0, "the replay buffer")
        program = self._program_for(self._run)
        self._check_resources(program)
        manifest = self._restore(program, start)
        record.save(durable=False, compile="xla" if program.is_xla else "graph",
                    backend=program.backend)
        self._recorder = recorder = RunRecorder(
            self._run, self._paths, program, record, fingerprint, manifest, self._on_event
        )
        try:
            self._on_event({"event": "started", "step": program.step,
                            "total_steps": self._run.training.steps,
                            "is_resumed": manifest is not None})
            ended = self._loop(program, recorder)
            if ended.status == "complete":
                self._finish(program, recorder)
        finally:
            recorder.close()
        reason = ended.reason
        if ended.status == "diverged" and (names := finite.not_finite(program.state())):
            reason += f"; {finite.listed(names)} not finite"
        return Outcome(ended.status, ended.step, reason, ended.signum)

    def _loop(self, program: Any, recorder: RunRecorder) -> loop.Outcome:
        from erlctl.training import loop

        try:
            return loop.train(program, self._run, recorder, self._should_stop)
        except (EnvironmentFault, MemoryLimitError):
            # The program stands where the last good step left it, so nothing of it is lost.
            recorder.checkpoint(program.step)
            raise

    def _restore(self, program: Any, start: Start | None) -> Manifest | None:
        from erlctl.runs import checkpoints

        if start is None:
            write_log(self._paths.log, "started from step 0")
            return None
        folder, manifest = start
        optional = frozenset() if manifest.has_replay else program.replay_names
        checkpoints.restore(folder, manifest, program.state(), optional=optional)
        catalogue.go_back_to(self._paths, manifest, keep=self._run.checkpoint.keep)
        self._say(f"resumed from step {manifest.step} (checkpoint {folder.name}, "
                  f"{len(manifest.tensors)} variables)")
        for note in program.notes_on_resume():
            self._say(note)
        if optional:
            self._say("the replay buffer was not saved (checkpoint.replay is false): "
                      "the current policy refills it")
        return manifest

    def _check_resources(self, program: Any) -> None:
        size = preflight.state_bytes(program.state())
        preflight.check_disk(
            self._paths.root, checkpoint_bytes=size, keep=self._run.checkpoint.keep,
            existing=len(catalogue.list_checkpoints(self._paths)),
        )
        if size > _LARGE_BYTES:
            self._say(f"replay and networks take {preflight.megabytes(size)} of memory")
        # A call into XLA copies the variables that it touches; a replay on the host is not yet
        # written to, so it takes its memory later.
        preflight.check_memory(size, "the run's replay and networks")

    def _finish(self, program: Any, recorder: RunRecorder) -> None:
        if recorder.saved_step != program.step:
            raise ErlctlError(
                f"all {program.step} steps are done, but the disk is full and the last checkpoint "
                f"is of step {recorder.saved_step}",
                fix="free some space and run the same line again",
            )
        with store.new_folder(self._paths.policy) as folder:
            program.export_policy(str(folder))


def _sentence(error: BaseException) -> str:
    """Return an error as one line for tables; the traceback is in log.txt."""
    if isinstance(error, ErlctlError):
        return str(error)
    first = next(iter(str(error).strip().splitlines()), "")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
