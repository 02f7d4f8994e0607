"""Errors that a user can mend, each with the exit code that the command line ends with.

    ErlctlError (1)
    |- SpecError (2)            every problem of a spec at once
    |- DomainError (2)          one number outside its domain, raised where the value is made
    |- UnknownNameError (2)     a name that no registry holds
    |- SpecChangedError (2)     the run directory belongs to another spec
    |- EnvironmentFault (1)     an environment broke its promises; the run failed
    |- SomeRunsFailedError (3)
    |- DivergedError (4)        loss, reward, observation or weights not finite
    |- DamagedError (5)         no usable data left, nothing was deleted
    `- RunBusyError (6)         another living process holds the run

What ends a run from outside (130, 143, 129, 75) is no error: see `erlctl.events.StopReason`.

`assert` is for our own mistakes only; everything here is shown without a traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_SHOWN = 50


class ErlctlError(Exception):
    """A problem that the user can fix; shown without a traceback.

    Args:
        message: Where it happened, what came and what was expected.
        fix: One sentence that says how to mend it; shown on a line of its own.
    """

    exit_code = 1

    def __init__(self, message: str, *, fix: str | None = None) -> None:
        super().__init__(f"{message}\n  fix: {fix}" if fix else message)


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake in a spec.

    Attributes:
        line: 1-based line, 0 where the source has no lines (`--set`).
        column: 1-based column, 0 where unknown.
        source: File name, or `--set[2]` for the second override.
        path: Dotted path of the field, "" for the document itself.
        message: What is wrong and, where there is one, the nearest right name.
    """

    source: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.source}:{self.line}:{self.column}" if self.line else self.source
        return f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"


class SpecError(ErlctlError):
    """Every problem of a spec, sorted by position; the text shows the first `MAX_SHOWN`."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: Sequence[Problem] = sorted(set(problems))
        count = len(self.problems)
        shown = [str(problem) for problem in self.problems[:MAX_SHOWN]]
        if count > MAX_SHOWN:
            shown.append(f"... and {count - MAX_SHOWN} more")
        footer = f"{count} problem{'s' if count != 1 else ''}, nothing was started."
        super().__init__("\n".join([*shown, footer]))


class DomainError(ErlctlError):
    """A value is outside its domain; `spec` adds file and line."""

    exit_code = 2

    def __init__(self, name: str, value: object, expected: str, *, fix: str | None = None) -> None:
        super().__init__(f"{name} must be {expected}, got {value!r}", fix=fix)


class UnknownNameError(ErlctlError):
    """A name that no registry holds."""

    exit_code = 2

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        super().__init__(unknown_name(kind, name, known))


class SpecChangedError(ErlctlError):
    """A run directory holds another spec than the one asked for."""

    exit_code = 2


class EnvironmentFault(ErlctlError):  # noqa: N818 - the environment's fault
    """An environment raised, hung, or returned what it must not.

    Args:
        environment: Id of the environment.
        problem: What it did, a sentence without a subject: "raised ValueError: ...".
        index: Which of the environments side by side (a list: one of these), or None: any.
        step: Step of the episode, a list as above, or None outside of an episode.
        action: The action it was given, a list as above, or None.
        fix: How to mend it.
    """

    def __init__(
        self, environment: str, problem: str, *, index: int | list[int] | None = None,
        step: int | list[int] | None = None, action: object = None, fix: str | None = None,
    ) -> None:
        parts = [f"{name} {value}" for name, value in
                 (("copy", index), ("step", step), ("action", action)) if value is not None]
        where = f" ({', '.join(parts)})" if parts else ""
        super().__init__(f"environment {environment}{where} {problem}", fix=fix)
        self.environment, self.problem, self.fix = environment, problem, fix
        self.index, self.step, self.action = index, step, action


class SomeRunsFailedError(ErlctlError):
    """At least one run of a batch failed; the others went on."""

    exit_code = 3


class DivergedError(ErlctlError):
    """A number that must be finite is not; the last finite checkpoint is kept."""

    exit_code = 4


class DamagedError(ErlctlError):
    """No usable data is left; nothing was deleted."""

    exit_code = 5


class RunBusyError(ErlctlError):
    """Another living process holds the lock of the run."""

    exit_code = 6


def sentence(error: BaseException) -> str:
    """Return an error as one line for tables; what a user can fix says all of it."""
    text = str(error).strip()
    if isinstance(error, ErlctlError):
        return text
    name = type(error).__name__
    return f"{name}: {text.splitlines()[0]}" if text else name


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the entry of `known` that `name` was most likely meant to be, or None."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the sentence for an unknown name: what came, the nearest right one, all right ones."""
    known = sorted(known)
    guess = nearest(name, known)
    hint = f"did you mean {guess!r}? " if guess else ""
    return f"unknown {kind} {name!r}; {hint}known: {', '.join(known)}"


def printable(text: str) -> str:
    """Return a text without control characters: a colleague's folder must not steer a terminal."""
    return text if text.isprintable() else "".join(
        c if c.isprintable() else repr(c)[1:-1] for c in text)
