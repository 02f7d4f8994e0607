"""Where jobs wait and run: Slurm's queue, from its commands alone. No submitit, no TensorFlow.

`squeue` lists what waits and runs. Of a job that it no longer lists, `scontrol` still knows the end
for a while (`MinJobAge`, five minutes as a rule), and `sacct` for good where the cluster keeps
accounts; where neither knows, the run directory alone says how far a run came.
"""

from __future__ import annotations

import abc
import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from erlctl.errors import ErlctlError
from erlctl.runs import lock

_COMMAND_SECONDS = 60.0
# Waits that end by themselves; whatever else a job waits for, somebody may have to do something.
_ORDINARY = {"None", "Priority", "Resources", "JobArrayTaskLimit", "BeginTime", "Cleaning",
             "Prolog", "Dependency", "Licenses"}
_FIELDS = 5  # that `squeue` is asked for
_FIELD = re.compile(r"(\w+)=(\S*)")
_NO_NODE = {"", "(null)", "None assigned", "None"}


@dataclass(frozen=True, kw_only=True)
class Queued:
    """A job that `squeue` lists.

    Attributes:
        state: In Slurm's words: PENDING, RUNNING, COMPLETING, ...
        node: Where it runs, "" before.
        reason: Why it waits, "None" if it does not.
        comment: Given when it was submitted.
    """

    state: str
    comment: str = ""
    node: str = ""
    reason: str = "None"

    @property
    def sentence(self) -> str:
        """How it stands, for people."""
        if self.state == "PENDING":
            return f"queued ({self.reason})" if self.reason != "None" else "queued"
        return f"{self.state.lower()}{f' on {self.node}' if self.node else ''}"

    @property
    def is_stuck(self) -> bool:
        """Whether it waits for what may never come: it is held, or no node can take it."""
        return self.state == "PENDING" and self.reason not in _ORDINARY

    def advice(self, number: str) -> str:
        """Return what to do about a job that is stuck."""
        return (f"it may wait for ever; `scancel {number.partition('_')[0]}`, then the same line "
                "with other options submits it anew")


@dataclass(frozen=True, kw_only=True)
class End:
    """How a job ended that `squeue` no longer lists.

    Attributes:
        state: In Slurm's words: FAILED, CANCELLED, NODE_FAIL, OUT_OF_MEMORY, ...; "" if unknown.
        node: Where it ran, "" if nowhere or unknown.
    """

    state: str = ""
    node: str = ""

    @property
    def sentence(self) -> str:
        """How it ended, for people."""
        where = f" on {self.node}" if self.node else ""
        return f"{self.state}{where}" if self.state else "it left the queue, nobody knows how"


class Queue(abc.ABC):
    """Jobs by number: "7", "7_3" in an array.

    Attributes:
        folder: Below the runs directory, where what was submitted is kept.
        has_nodes: Whether jobs run on other machines, which may not share the runs directory.
    """

    folder: ClassVar[str]
    has_nodes: ClassVar[bool]

    def number_of(self, job_id: str) -> str:
        """Return the number of a job that submitit has just submitted."""
        return job_id

    @abc.abstractmethod
    def jobs(self, numbers: Iterable[str] = ()) -> Mapping[str, Queued]:
        """Return the jobs that wait or run, those of `numbers` at least.

        Raises:
            ErlctlError: Slurm does not answer.
        """

    @abc.abstractmethod
    def end_of(self, number: str) -> End:
        """Return how a job ended that does not wait or run any more, as far as that is known."""

    @abc.abstractmethod
    def cancel(self, numbers: Sequence[str]) -> None:
        """End jobs.

        Raises:
            ErlctlError: Slurm does not answer.
        """


class SlurmQueue(Queue):
    """This user's jobs in Slurm's queue."""

    folder = ".slurm"
    has_nodes = True

    def jobs(self, numbers: Iterable[str] = ()) -> Mapping[str, Queued]:
        """See `Queue`."""
        del numbers
        # -a: without it a hidden partition looks as if its jobs had ended.
        lines = run("squeue", "-a", "-h", "-r", "-u", str(os.getuid()), "-o", "%i|%T|%N|%k|%r")
        found: dict[str, Queued] = {}
        for line in lines.splitlines():
            fields = line.strip().split("|")
            if len(fields) < _FIELDS:  # the comment of a job that is not erlctl's has two lines
                continue
            # Such a comment may hold the sign as well; nobody reads it.
            number, state, node, comment, *_, reason = fields
            found[number] = Queued(state=state, node=_node(node), reason=reason, comment=comment)
        return found

    def end_of(self, number: str) -> End:
        """See `Queue`."""
        end = _from_scontrol(number)
        return end if end.state else _from_sacct(number)

    def cancel(self, numbers: Sequence[str]) -> None:
        """See `Queue`."""
        if numbers:
            run("scancel", *numbers)


class LocalQueue(Queue):
    """Processes on this machine in place of jobs.

    Their numbers are `<process id>:<start in clock ticks>`: the id alone is given to others later.
    """

    folder = ".slurm-local"
    has_nodes = False

    def number_of(self, job_id: str) -> str:
        """See `Queue`."""
        return f"{job_id}:{lock.start_ticks(int(job_id)) or 'ended'}"

    def jobs(self, numbers: Iterable[str] = ()) -> Mapping[str, Queued]:
        """See `Queue`."""
        return {number: Queued(state="RUNNING") for number in numbers if _is_process(number)}

    def end_of(self, number: str) -> End:
        """See `Queue`; nobody remembers."""
        del number
        return End()

    def cancel(self, numbers: Sequence[str]) -> None:
        """See `Queue`."""
        for number in self.jobs(numbers):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(number.partition(":")[0]), signal.SIGTERM)


def partitions() -> list[str]:
    """Return the names of the cluster's partitions.

    Raises:
        ErlctlError: Slurm does not answer.
    """
    return sorted(set(run("sinfo", "-a", "-h", "-o", "%R").split()))


def _from_scontrol(number: str) -> End:
    said = _or_nothing("scontrol", "-o", "show", "job", number).splitlines()
    fields = dict(_FIELD.findall(said[-1])) if said else {}
    return End(state=fields.get("JobState", ""), node=_node(fields.get("NodeList", "")))


def _from_sacct(number: str) -> End:
    if shutil.which("sacct") is None:
        return End()
    said = _or_nothing("sacct", "-n", "-P", "-X", "-j", number, "-o", "State,NodeList").splitlines()
    state, _, node = said[-1].partition("|") if said else ("", "", "")
    return End(state=state.partition(" ")[0], node=_node(node))  # "CANCELLED by 1000"


def run(*line: str) -> str:
    """Return what a Slurm command prints.

    Raises:
        ErlctlError: It is not there or fails: the controller does not answer, for example.
    """
    try:
        return subprocess.run(line, capture_output=True, check=True, text=True, errors="replace",
                              timeout=_COMMAND_SECONDS).stdout
    except subprocess.CalledProcessError as error:
        reason = " ".join(error.stderr.split())
    except subprocess.TimeoutExpired:
        reason = f"no answer within {_COMMAND_SECONDS:g} s"
    except OSError as error:
        reason = f"cannot be run: {error.strerror}"
    raise ErlctlError(f"{line[0]}: {reason}", fix="see whether Slurm works here: sinfo")


def _or_nothing(*line: str) -> str:
    """Return what a command prints; nothing where it cannot say, which is an answer as well."""
    try:
        return run(*line)
    except ErlctlError:
        return ""


def _node(name: str) -> str:
    return "" if name in _NO_NODE else name


def _is_process(number: str) -> bool:
    process_id, _, ticks = number.partition(":")
    return str(lock.start_ticks(int(process_id))) == ticks
