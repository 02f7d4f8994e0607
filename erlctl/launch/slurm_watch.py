"""Stay with jobs of Slurm until their runs have ended, and say how they go. No TensorFlow.

A run directory tells how far a run is, the queue whether its job lives. A job that left the queue
before its run was done has left it as `interrupted`, whatever ended it: the same line goes on.
"""

from __future__ import annotations

import select
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from erlctl.errors import ErlctlError
from erlctl.events import (
    Assigned,
    Message,
    OnEvent,
    Outcome,
    Refresh,
    Started,
    Stopping,
    StopReason,
    Tick,
)
from erlctl.launch.launcher import Batch, Tally
from erlctl.launch.listen import Listener
from erlctl.launch.plan import Planned
from erlctl.launch.results import BatchResult
from erlctl.launch.slurm_queue import Queue, Queued
from erlctl.launch.slurm_records import Submission
from erlctl.runs.layout import read_run_json

HOW_TO_SHARE = "put --runs-dir on a file system that all nodes have, under the same path"


@dataclass(frozen=True)
class Submitted:
    """A job of a submission, by its number in the queue."""

    number: str
    submission: Submission


class Watch:
    """Shows how the runs of a batch go.

    Args:
        queue: Where the jobs are.
        batch: The batch.
        tally: Takes how runs end.
        on_event: Takes what is new.
        poll_seconds: Between two looks.
    """

    def __init__(
        self, queue: Queue, batch: Batch, tally: Tally, on_event: OnEvent, poll_seconds: float
    ) -> None:
        self._queue, self._batch, self._tally = queue, batch, tally
        self._on_event, self._poll_seconds = on_event, poll_seconds
        self._watched: dict[str, Watched] = {}
        self._said = set[str]()

    def run(
        self, jobs: Mapping[str, Submitted], plan: Mapping[str, Planned], listener: Listener
    ) -> BatchResult:
        """Stay until each run has ended or somebody leaves.

        Args:
            jobs: Of each run, by label.
            plan: What is known of each run, by label.
            listener: Hears signals.

        Raises:
            ErlctlError: The nodes do not share the runs directory; the jobs are cancelled.
        """
        self._watched = {label: Watched(plan[label], job) for label, job in jobs.items()}
        reason: StopReason | None = None
        while self._watched and reason is None:
            reason = self._wait(listener)
            queued = self._look_at_queue()
            for label, each in list(self._watched.items()):
                self._look_at_run(label, each, queued.get(each.job.number))
            self._on_event(Refresh())
        if reason is not None:
            arrays = sorted({number.partition("_")[0] for number in _numbers(self._watched)})
            self._on_event(Stopping(StopReason(
                reason.cause, reason.signum, f"leaving; the jobs go on, `scancel {' '.join(arrays)}"
                "` ends them after their checkpoints")))
        for label, each in self._watched.items():
            self._tally.ended(label, Outcome("pending", 0, f"goes on as job {each.job.number}"))
        return self._tally.result(reason)

    def _wait(self, listener: Listener) -> StopReason | None:
        """Sleep until the next look; return why to leave, if there is a reason."""
        self._on_event(Refresh())
        select.select([listener.fd], [], [], self._poll_seconds)
        for signum in listener.take():
            return StopReason("signal", signum)
        budget = self._batch.max_seconds
        if budget is not None and time.monotonic() > self._batch.started + budget:
            return StopReason("time_budget")
        return None

    def _look_at_queue(self) -> Mapping[str, Queued]:
        """Return the queue; as long as Slurm does not answer no job counts as ended."""
        numbers = _numbers(self._watched)
        try:
            return self._queue.jobs(numbers)
        except ErlctlError as error:
            self._say_once(next(iter(self._watched)), "silence", (
                f"{str(error).splitlines()[0]}; no job counts as ended until Slurm answers"))
            return {number: Queued(state="RUNNING") for number in numbers}

    def _look_at_run(self, label: str, each: Watched, job: Queued | None) -> None:
        if job is not None and job.is_stuck:
            self._say_once(label, job.reason, (
                f"job {each.job.number} is {job.sentence}: {job.advice(each.job.number)}"))
        outcome = each.look(self._tally, self._on_event, is_alive=job is not None)
        if outcome is None:
            return
        if outcome.status == "interrupted":
            outcome = self._explain(outcome, each)
        del self._watched[label]
        result = self._tally.ended(label, outcome)
        if self._batch.fail_fast and result.is_problem and self._watched:
            self._queue.cancel(_numbers(self._watched))
            self._on_event(Stopping(StopReason(
                "fail_fast", message=f"{label} failed: the other jobs are cancelled")))

    def _explain(self, outcome: Outcome, each: Watched) -> Outcome:
        """Return how a run was interrupted, in Slurm's words as well.

        Raises:
            ErlctlError: No job of its array could write below the runs directory; those that are
                left are cancelled, they would come to the same.
        """
        number, submission = each.job.number, each.job.submission
        end, signed = self._queue.end_of(number), submission.signed()
        if number in signed or end.state != "FAILED":
            words = "" if each.has_started else submission.last_words(number)
            parts = (outcome.message, f"job {number} ended before the run: {end.sentence}", words)
            return replace(outcome, message="; ".join(filter(None, parts)))
        problem = f"{self._batch.runs_dir} is not shared with {end.node}: job {number} could not " \
                  "write there"
        if signed:  # one node of many
            return replace(outcome, message=f"the runs directory {problem}")
        self._queue.cancel(_numbers({
            label: other for label, other in self._watched.items()
            if other is not each and other.job.submission.token == submission.token}))
        submission.forget()
        raise ErlctlError(f"the runs directory {problem}; the jobs are cancelled",
                          fix=HOW_TO_SHARE)

    def _say_once(self, label: str, about: str, text: str) -> None:
        """Say a sentence of one run, however many it concerns."""
        if about not in self._said:
            self._said.add(about)
            self._on_event(Message(label, text))


class Watched:
    """A run whose job is somewhere.

    Args:
        planned: What was known of the run before.
        job: Its job.

    Attributes:
        job: Its job.
        has_started: Whether the run directory has told that the run trains.
    """

    def __init__(self, planned: Planned, job: Submitted) -> None:
        self.job, self.has_started = job, False
        self._planned, self._step = planned, planned.step
        self._since = time.monotonic()

    def look(self, tally: Tally, on_event: OnEvent, *, is_alive: bool) -> Outcome | None:
        """Read the run directory, tell what is new; return how it ended, None if it did not.

        Args:
            tally: Takes the step.
            on_event: Takes what is new.
            is_alive: Whether the job was in the queue before this look.
        """
        facts, label = read_run_json(self._planned.paths), self._planned.label
        status, step = facts["status"], int(facts.get("step") or 0)
        submission = self.job.submission
        reason = str(facts.get("reason") or "") if submission.has_begun(label, facts) else ""
        if status == "running" and not self.has_started:
            self.has_started, self._since = True, time.monotonic()
            tally.assigned(label)
            on_event(Assigned(label, 0))
            on_event(Started(label, step, self._planned.run.training.steps, step > 0))
        if step != self._step:
            speed = (step - self._step) / max(time.monotonic() - self._since, 1e-6)
            self._step, self._since = step, time.monotonic()
            tally.at(label, step)
            on_event(Tick(label, step, max(speed, 0.0)))
        is_done = status == "complete" and step >= self._planned.run.training.steps
        # A job that is requeued tries a failed run again.
        if is_done or (not is_alive and submission.has_ended(label, facts)):
            return Outcome(status, step, reason)
        return None if is_alive else Outcome("interrupted", step, reason)


def tell_of_unsigned(lost: Mapping[str, Submitted], queue: Queue, on_event: OnEvent) -> None:
    """Tell of arrays that have ended without ever writing here; they are submitted anew.

    Args:
        lost: Runs whose job is gone, by label.
        queue: Where it was.
        on_event: Takes the sentence.
    """
    submissions = {job.submission.token: (label, job) for label, job in lost.items()}
    for label, job in submissions.values():
        submission = job.submission
        if submission.signed() or not queue.has_nodes:
            continue
        end = queue.end_of(job.number)
        submission.forget()  # said once
        if end.state != "CANCELLED":
            on_event(Message(label, (
                f"job {job.number} ended before without having written below "
                f"{submission.folder.parent} ({end.sentence}); should the next do so too: "
                f"{HOW_TO_SHARE}")))


def _numbers(watched: Mapping[str, Watched]) -> list[str]:
    return sorted({each.job.number for each in watched.values()})
