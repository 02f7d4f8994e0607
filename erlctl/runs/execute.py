"""One run from its spec: start it, or go on where it stopped, and leave the truth in run.json."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from erlctl.errors import DamagedError, DivergedError, EnvironmentFault, ErlctlError, sentence
from erlctl.events import Message, OnEvent, Outcome, ShouldStop, Started
from erlctl.experiment import resolve
from erlctl.runs import catalogue, estimate, finite, initial, lock, preflight, spec_file, store
from erlctl.runs.layout import RunPaths, label_of
from erlctl.runs.manifest import Manifest
from erlctl.runs.record import RunRecord, write_log
from erlctl.spec.schema import RunSpec

if TYPE_CHECKING:
    from erlctl.runs.recorder import RunRecorder
    from erlctl.training.protocol import Program

_LARGE_BYTES = 10**8  # less is not worth a sentence

Start = tuple[Path, Manifest]  # folder of a good checkpoint and what it holds


def execute(
    run: RunSpec,
    runs_dir: Path,
    *,
    program_for: Callable[[RunSpec], Program],
    should_stop: ShouldStop = lambda: None,
    fresh: bool = False,
    on_event: OnEvent = lambda _: None,
    command: Sequence[str] | None = None,
) -> Outcome:
    """Train one run to its end, from the newest good checkpoint if there is one.

    Args:
        run: The spec; `auto` is resolved here.
        runs_dir: Where run directories lie.
        program_for: Returns the run's program at step 0 with the run's seed; asked only if there
            is something to train.
        should_stop: Polled between chunks; see `training.loop.train`.
        fresh: Whether an existing directory is moved aside first.
        on_event: Told of `Started`, `Tick`, `Evaluated`, `Saved` and `Message`.
        command: Command line for run.json; this process's by default.

    Returns:
        What became of it. What the run itself does wrong is an outcome, not an error.

    Raises:
        RunBusyError: Another process is at it.
        SpecChangedError: The directory holds a run of another spec.
        DamagedError: Checkpoints exist and none can be used.
        ErlctlError: The directory cannot be used, or there is too little disk or memory.
    """
    run, paths = resolve(run), RunPaths.of(runs_dir, run)
    if fresh and paths.root.exists():
        move_aside(paths)
    preflight.make_folder(paths.root)
    with lock.hold(paths.lock):
        return _Execution(run, paths, program_for, should_stop, on_event, command).go()


def move_aside(paths: RunPaths) -> None:
    """Rename a run directory that nobody is at, so that the run begins anew; nothing is lost."""
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
        self, run: RunSpec, paths: RunPaths, program_for: Callable[[RunSpec], Program],
        should_stop: ShouldStop, on_event: OnEvent, command: Sequence[str] | None,
    ) -> None:
        self._run, self._paths = run, paths
        self._program_for, self._should_stop = program_for, should_stop
        self._on_event, self._command = on_event, command
        self._recorder: RunRecorder | None = None

    def go(self) -> Outcome:
        """See `execute`."""
        paths = self._paths
        for leftover in store.sweep(paths.root, paths.checkpoints):
            write_log(paths.log, f"removed {leftover.name}, left by a process that died")
        on_disk = spec_file.examine(self._run, paths)
        fingerprint = on_disk.digest or on_disk.write(self._run, paths)
        record = RunRecord(self._run, paths)
        if record.problem:
            self._say(record.problem)
        step = record.facts["step"]
        if record.status == "complete" and not on_disk.has_more_steps:
            ignored = f"; no step is left for {on_disk.sentence}" if on_disk.changes else ""
            return Outcome("skipped", step, f"already complete{ignored}")
        start = self._find_start(record, record.fingerprints(fingerprint))
        if on_disk.changes:
            self._say(f"the spec has changed: {on_disk.sentence}")
        for warning in record.begin(self._run, on_disk, from_step=start[1].step if start else 0,
                                    command=self._command):
            self._say(f"not as in the attempt before: {warning}; the bits may differ")
        if on_disk.digest is not None:  # run.json first: it must know the spec of the checkpoints
            fingerprint = on_disk.write(self._run, paths)
        return self._attempt(record, fingerprint, start)

    def _say(self, text: str) -> None:
        write_log(self._paths.log, text)
        self._on_event(Message(label_of(self._run), text))

    def _find_start(self, record: RunRecord, fingerprints: Collection[str]) -> Start | None:
        start = catalogue.newest_good(self._paths, fingerprints, self._say)
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
            return Outcome("failed", self._step, sentence(error))
        except BaseException as error:  # Ctrl-C where nobody handles signals
            record.end("interrupted", self._step, type(error).__name__)
            raise
        if outcome.status in ("diverged", "interrupted"):
            outcome = replace(outcome, message=f"{outcome.message}; {self._last_checkpoint()}")
        record.end(outcome.status, outcome.step, outcome.message)
        write_log(self._paths.log, f"{outcome.status} at step {outcome.step} {outcome.message}")
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
            record.end("failed", self._step, sentence(error))
            write_log(self._paths.log, f"failed at step {self._step}: {sentence(error)}")

    def _train(self, record: RunRecord, fingerprint: str, start: Start | None) -> Outcome:
        # Not at module level: whether there is anything to do is known without TensorFlow.
        from erlctl.runs.recorder import RunRecorder

        # Building the program fills the replay's memory already.
        preflight.check_memory(estimate.replay_bytes(self._run) or 0, "the replay buffer")
        program = self._program_for(self._run)
        self._check_resources(program)
        if start is None:
            self._begin_anew(program, record)
        manifest = self._restore(program, *start) if start else None
        self._recorder = recorder = RunRecorder(
            self._run, self._paths, program, record, fingerprint, manifest, self._on_event
        )
        try:
            self._on_event(Started(label_of(self._run), program.step, self._run.training.steps,
                                   is_resumed=manifest is not None))
            ended = self._loop(program, recorder)
            if ended.status == "complete":
                self._finish(program, recorder)
        finally:
            recorder.close()
        if ended.status == "diverged" and (names := finite.not_finite(program.state())):
            message = f"{ended.message}; {finite.listed(names)} not finite"
            return replace(ended, message=message)
        return ended

    def _loop(self, program: Any, recorder: RunRecorder) -> Outcome:
        from erlctl.training import loop

        try:
            return loop.train(program, self._run, recorder, self._should_stop)
        except EnvironmentFault:
            # The program stands where the last good step left it, so nothing of it is lost.
            recorder.checkpoint(program.step)
            raise

    def _begin_anew(self, program: Program, record: RunRecord) -> None:
        write_log(self._paths.log, "started from step 0")
        text = self._run.training.initial_checkpoint
        if text is not None:
            facts = initial.load(program, text)
            record.save(initial_checkpoint=facts)
            self._say(f"weights from {facts['run']}, step {facts['step']}")

    def _restore(self, program: Program, folder: Path, manifest: Manifest) -> Manifest:
        from erlctl.runs import checkpoints

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

    def _check_resources(self, program: Program) -> None:
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

    def _finish(self, program: Program, recorder: RunRecorder) -> None:
        if recorder.saved_step != program.step:
            raise ErlctlError(
                f"all {program.step} steps are done, but the disk is full and the last checkpoint "
                f"is of step {recorder.saved_step}",
                fix="free some space and run the same line again",
            )
        with store.new_folder(self._paths.policy) as folder:
            program.export_policy(str(folder))
            # TensorFlow says nothing if it could not remove what it wrote on the way.
            store.remove_remains(folder)
        for path in store.leftovers(self._paths.root, self._paths.checkpoints):
            self._say(f"{path.name} could not be removed; the next start removes it")
