"""spec.yaml of a run directory: what may change under a run's name, and what not. No TensorFlow.

What a run has done so far cannot change. How long it goes on and what is written down on the way
can: the file is then rewritten, run.json keeps the change, and checkpoints of before stay good.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from erlctl import spec
from erlctl.errors import DamagedError, SpecChangedError, SpecError
from erlctl.experiment import resolve
from erlctl.files import read_regular
from erlctl.runs import catalogue, store
from erlctl.runs.layout import RunPaths, read_run_json
from erlctl.spec.schema import RunSpec
from erlctl.spec.source import MAX_BYTES

# Fields and sections that decide nothing about the steps that were made.
_FREE = ("training.steps", "checkpoint.", "evaluation.every", "evaluation.episodes", "logging.")
_TOTAL = "training.steps"
_DECIDED = ("training.compile", "environment.backend")  # what `auto` was resolved to
_DIFFERENCE_LINES = 12


@dataclass(frozen=True, kw_only=True)
class SpecOnDisk:
    """How a run directory's spec.yaml relates to the spec asked for.

    Attributes:
        digest: SHA-256 of the file, which checkpoints carry; None if there is none.
        changes: Dotted path -> (value on disk, value asked for) of what may change.
        is_replaced: Whether the file is of a run that never made a step and gives its name up.
    """

    digest: str | None
    changes: Mapping[str, tuple[Any, Any]]
    is_replaced: bool = False

    @property
    def has_more_steps(self) -> bool:
        """Whether a complete run has something to do again."""
        old, new = self.changes.get(_TOTAL, (0, 0))
        return bool(new > old)

    @property
    def sentence(self) -> str:
        """The changes in words."""
        return ", ".join(f"{path}: {old} -> {new}" for path, (old, new) in self.changes.items())

    def write(self, run: RunSpec, paths: RunPaths) -> str:
        """Bring spec.yaml to `run`; return the SHA-256 of the file."""
        if self.digest is not None and not self.changes and not self.is_replaced:
            return self.digest  # also if another version of erlctl spells it differently
        text = spec.dump(run).encode()
        store.write_bytes(paths.spec, text)
        return hashlib.sha256(text).hexdigest()


def examine(run: RunSpec, paths: RunPaths) -> SpecOnDisk:
    """Compare a resolved spec with the one in the run directory; nothing is written.

    Raises:
        SpecChangedError: The file means a run whose past would be another.
        DamagedError: It cannot be read.
    """
    existing = _read(paths)
    if existing is None:
        return SpecOnDisk(digest=None, changes={})
    digest = hashlib.sha256(existing).hexdigest()
    if existing == spec.dump(run).encode():
        return SpecOnDisk(digest=digest, changes={})
    facts = read_run_json(paths)
    try:
        before = _as_decided(spec.parse_run(existing, str(paths.spec)), facts)
    except SpecError as error:
        if not has_steps(paths, facts):
            return SpecOnDisk(digest=digest, changes={}, is_replaced=True)
        raise SpecChangedError(
            f"{paths.spec} is damaged or of another version of erlctl:\n{error}",
            fix="restore it from a copy, use the version that run.json names, or add --fresh",
        ) from error
    old, new = dict(_flat(spec.plain(before))), dict(_flat(spec.plain(run)))
    changes = {path: (old.get(path), new.get(path))
               for path in {**old, **new} if old.get(path) != new.get(path)}
    if not has_steps(paths, facts):
        return SpecOnDisk(digest=digest, changes=changes, is_replaced=bool(changes))
    reasons = list(_refusals(run, changes, paths))
    if reasons:
        shown = _shown(spec.diff(before, run, "on disk", "asked for"))
        why = "".join(f"\n  {reason}" for reason in reasons if reason)
        raise SpecChangedError(f"{paths.root} holds a run of another spec:\n{shown}{why}",
                               fix=_fix(changes))
    return SpecOnDisk(digest=digest, changes=changes)


def has_steps(paths: RunPaths, facts: Mapping[str, Any]) -> bool:
    """Return whether anything of a run would be lost with its directory."""
    is_empty = not paths.checkpoints.is_dir() or not any(paths.checkpoints.iterdir())
    return not is_empty or bool(facts.get("step")) or facts.get("checkpoint") is not None


def _as_decided(run: RunSpec, facts: Mapping[str, Any]) -> RunSpec:
    """Return a spec of before `auto` was resolved with what its run was trained with."""
    backend, compile_ = facts.get("backend"), facts.get("compile")
    if run.environment.backend == "auto" and isinstance(backend, str):
        environment = dataclasses.replace(run.environment, backend=backend)  # type: ignore[arg-type]
        run = dataclasses.replace(run, environment=environment)
    if run.training.compile == "auto" and compile_ in ("xla", "graph"):
        training = dataclasses.replace(run.training, compile=compile_)
        run = dataclasses.replace(run, training=training)
    return resolve(run)


def _refusals(
    run: RunSpec, changes: Mapping[str, tuple[Any, Any]], paths: RunPaths
) -> Iterator[str]:
    """Yield why the changes cannot be made, "" where the difference says it."""
    for path in changes:
        if not path.startswith(_FREE):
            yield ("evaluations before and after would be of two policies"
                   if path.startswith("evaluation.policy") else "")
    if _TOTAL not in changes:
        return
    if getattr(run.optimizer, "final_learning_rate", None) is not None:
        yield (f"{_TOTAL} cannot change: with optimizer.final_learning_rate every step so far "
               "depended on it")
    done = max(map(catalogue.step_of, catalogue.list_checkpoints(paths)), default=0)
    if run.training.steps < done:
        yield f"{_TOTAL} is {run.training.steps}, {done} steps are done"


def _fix(changes: Mapping[str, tuple[Any, Any]]) -> str:
    if set(changes) <= set(_DECIDED):
        old = " ".join(f"--set {path}={before}" for path, (before, _) in changes.items())
        return f"go on as it began with {old}, or add --fresh to move the old run aside"
    return ("undo the change, give the spec another `name:`, or add --fresh to move the old run "
            "aside")


def _shown(difference: str) -> str:
    lines = [f"    {line}" for line in difference.splitlines()]
    return "\n".join(lines[:_DIFFERENCE_LINES]
                     + (["    ..."] if len(lines) > _DIFFERENCE_LINES else []))


def _flat(section: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in section.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _read(paths: RunPaths) -> bytes | None:
    try:
        data = read_regular(paths.spec, MAX_BYTES)
        data.decode()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedError(
            f"{paths.spec} cannot be read: {error}",
            fix="restore it from a copy, or begin again with --fresh (which keeps this folder)",
        ) from error
    return data
