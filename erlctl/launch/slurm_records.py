"""What was submitted to Slurm from a runs directory, kept in `<runs-dir>/.slurm/`. No TensorFlow.

`<token>.json` tells which runs an array has; it is written before `sbatch` and completed after it,
so that a command that is killed in between leaves no array that nobody knows: its comment is the
token. Each job begins by putting a sign into the folder `<token>`, which only this machine has
made: a job that ended without one ran on a node that has another runs directory, or none.
"""

from __future__ import annotations

import json
import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from erlctl.launch.slurm_queue import Queued
from erlctl.runs import store

FOLDER = ".slurm"
_SCHEMA = 2
_THIS_JOB = "${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}"


@dataclass(frozen=True, kw_only=True)
class Submission:
    """One array of jobs, or a job alone.

    Attributes:
        folder: `<runs-dir>/.slurm`.
        token: Its name.
        groups: Labels of the runs of each job.
        jobs: Number of each job in Slurm's queue; none before it is known.
    """

    folder: Path
    token: str
    groups: Sequence[Sequence[str]]
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

    def write(self) -> None:
        """Keep it."""
        self.signs.mkdir(parents=True, exist_ok=True)
        store.write_json(self.path, {"schema": _SCHEMA, "groups": self.groups, "jobs": self.jobs})

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
        for path in sorted((self.folder / job).glob("*.err")):
            lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
            found = next((line.strip() for line in reversed(lines) if line.strip()), found)
        return found


def new(folder: Path, groups: Sequence[Sequence[str]]) -> Submission:
    """Return a submission that is kept from now on, of jobs that have no number yet."""
    made = Submission(folder=folder, token=secrets.token_hex(8), groups=groups)
    made.write()
    return made


def known(folder: Path) -> list[Submission]:
    """Return what was submitted, oldest first; not what other versions of erlctl have kept."""
    found = []
    for path in sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime):
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["schema"] == _SCHEMA:
            found.append(Submission(
                folder=folder, token=path.stem, groups=kept["groups"], jobs=kept["jobs"]))
    return found
