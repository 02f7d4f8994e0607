"""Which run a free worker takes next: as few compilations as keep every worker busy."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from erlctl.runs.layout import label_of
from erlctl.spec.schema import RunSpec


@dataclass(frozen=True)
class Task:
    """One run to be done.

    Attributes:
        index: Position among the runs asked for.
        run: The resolved spec.
        program_key: Runs with the same key share one compiled program.
    """

    index: int
    run: RunSpec
    program_key: str

    @property
    def label(self) -> str:
        """`<name>/<variant>/seed-<n>`."""
        return label_of(self.run)


class TaskQueue:
    """Tasks that nobody has taken yet, grouped by program.

    A worker stays with its program while there are runs of it, then takes a program that nobody
    works on, and only then helps with one that others have compiled: with 2 programs x 3 seeds and
    two workers each worker compiles once.
    """

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._groups: dict[str, deque[Task]] = {}
        for task in tasks:
            self._groups.setdefault(task.program_key, deque()).append(task)

    def __len__(self) -> int:
        return sum(map(len, self._groups.values()))

    def take(self, compiled: str | None, taken: Collection[str]) -> Task | None:
        """Remove and return the best task for a worker; None if there is none.

        Args:
            compiled: Program that the worker holds, if any.
            taken: Programs that the other workers hold or compile now, one entry per worker.
        """
        groups = [key for key, tasks in self._groups.items() if tasks]
        if not groups:
            return None
        workers_of = {key: sum(key == other for other in taken) for key in groups}

        def preference(key: str) -> tuple[bool, int, float]:
            left_per_worker = len(self._groups[key]) / (workers_of[key] + 1)
            return key != compiled, min(workers_of[key], 1), -left_per_worker

        return self._groups[min(groups, key=preference)].popleft()

    def put_back(self, task: Task) -> None:
        """Take a task again that was taken in vain; it is the next of its program."""
        self._groups.setdefault(task.program_key, deque()).appendleft(task)

    def drain(self) -> list[Task]:
        """Remove and return everything that is left, in the order asked for."""
        left = [task for tasks in self._groups.values() for task in tasks]
        self._groups.clear()
        return sorted(left, key=lambda task: task.index)
