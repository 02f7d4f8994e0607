"""What was submitted to Slurm from a runs directory, kept in a folder there. No TensorFlow.

`<token>.json` tells which runs an array has; it is written before `sbatch` and completed after it,
so that a command that is killed in between leaves no array that nobody knows: its comment is the
token. Each job begins by putting a sign into the folder `<token>`, which only this machine has
made: a job that ended without one ran on a node that has another runs directory, or none.
"""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from erlctl.errors import RunBusyError, sentence
from erlctl.launch.slurm_queue import Queued
from erlctl.runs import lock, store
from erlctl.runs.layout import load_object

_SCHEMA = 3
_ENDED = ("complete", "failed", "diverged")
_PATIENCE_SECONDS = 120.0  # `squeue` and `sbatch` of a busy controller take a minute each
_THIS_JOB = "${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}"


@dataclass(frozen=True, kw_only=True)
class Submission:
    """One array of jobs, or a job alone.

    Attributes:
        folder: Where it is kept.
        token: Its name.
        groups: Labels of the runs of each job.
        before: `last_attempt` of each run when it was submitted, by label.
        jobs: Number of each job in Slurm's queue; none before it is known.
    """

    folder: Path
    token: str
    groups: Sequence[Sequence[str]]
    before: Mapping[str, str]
    jobs: Sequence[str] = field(default_factory=tuple)

    @property
    def job_of(self) -> Mapping[str, str]:
        """Label -> job."""
        return {label: job for group, job in zip(self.groups, self.jobs, strict=False)
                for label in group}

    @property
    def path(self) -> Path:
        """The file that tells of it."""
        return self.folder / f"{self.token}.json"

    @property
    def signs(self) -> Path:
        """The folder that jobs leave signs in."""
        return self.folder / self.token

    def found_in(self, jobs: Mapping[str, Queued]) -> Submission:
        """Return it with its numbers, where only the queue has them: its command was killed."""
        numbers = {number.partition("_")[0] for number, job in jobs.items()
                   if job.comment == self.token}
        if self.jobs or not numbers:
            return self
        (number,), count = numbers, len(self.groups)
        return replace(self, jobs=[f"{number}_{index}" for index in range(count)]
                       if count > 1 else [number])

    def has_begun(self, label: str, facts: Mapping[str, Any]) -> bool:
        """Whether what run.json tells of a run has happened since it was submitted."""
        return last_attempt(facts) != self.before.get(label)

    def has_ended(self, label: str, facts: Mapping[str, Any]) -> bool:
        """Whether a run has come to an end since; its job may go on with others."""
        return facts["status"] in _ENDED and self.has_begun(label, facts)

    def write(self) -> None:
        """Keep it."""
        self.signs.mkdir(parents=True, exist_ok=True)
        store.write_json(self.path, {"schema": _SCHEMA, "groups": self.groups,
                                     "before": self.before, "jobs": self.jobs})

    def forget(self) -> None:
        """Nothing was submitted, or nothing of it is left."""
        self.path.unlink(missing_ok=True)

    def sign(self) -> str:
        """Return the shell's line by which a job leaves its sign, or ends."""
        place = f'{shlex.quote(str(self.signs))}/"{_THIS_JOB}"'
        return (f'echo "$SLURMD_NODENAME" > {place} || '
                f'{{ echo "$SLURMD_NODENAME does not share the runs directory" >&2; exit 1; }}')

    def signed(self) -> set[str]:
        """Return the jobs that have left a sign."""
        return {path.name for path in self.signs.iterdir()} if self.signs.is_dir() else set()

    def last_words(self, job: str) -> str:
        """Return the last line that a job has said on stderr, "" where it said nothing."""
        found = ""
        process_or_job = job.partition(":")[0]  # see `LocalQueue`
        logs = [*(self.folder / process_or_job).glob("*.err"),
                *self.folder.glob(f"{process_or_job}_*.err")]  # of a local one
        for path in sorted(logs):
            lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
            found = next((line.strip() for line in reversed(lines) if line.strip()), found)
        return found


def new(
    folder: Path, groups: Sequence[Sequence[str]], before: Mapping[str, str]
) -> Submission:
    """Return a submission that is kept from now on, of jobs that have no number yet."""
    made = Submission(folder=folder, token=secrets.token_hex(8), groups=groups, before=before)
    made.write()
    return made


def known(folder: Path, say: Callable[[str], None]) -> list[Submission]:
    """Return what was submitted, oldest first; not what other versions of erlctl have kept.

    Args:
        folder: Where it is kept.
        say: Takes a sentence about each file that cannot be read; it is passed over.
    """
    found = list[tuple[float, Submission]]()
    for path in folder.glob("*.json"):
        try:
            written, kept = path.stat().st_mtime, load_object(path)
            if kept["schema"] == _SCHEMA:
                found.append((written, Submission(
                    folder=folder, token=path.stem, groups=list(map(list, kept["groups"])),
                    before=dict(kept["before"]), jobs=list(map(str, kept["jobs"])))))
        except (OSError, ValueError, RecursionError, KeyError, TypeError) as error:
            say(f"{path} tells of no submission and is passed over ({sentence(error)}); should its "
                "jobs be queued, their runs are submitted again")
    return [submission for _, submission in sorted(found, key=lambda each: each[0])]


@contextmanager
def alone(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Be the only command that submits from here, so that none submits what another just does.

    Args:
        folder: Where it is kept.
        say: Takes a sentence if another command has to be waited for.

    Raises:
        RunBusyError: The other one does not come to an end.
    """
    path = folder / ".lock"
    with ExitStack() as held:
        try:
            held.enter_context(lock.hold(path))
        except RunBusyError as error:
            say(f"another command submits jobs from here, waiting up to {_PATIENCE_SECONDS:g} s "
                f"for it: {error}")
            held.enter_context(lock.hold(path, _PATIENCE_SECONDS))
        yield


def last_attempt(facts: Mapping[str, Any]) -> str:
    """Return what tells the last attempt at a run, as run.json has it, from every other."""
    attempts = facts.get("attempts")
    return f"{facts.get('run_id')}/{len(attempts) if isinstance(attempts, list) else 0}"
