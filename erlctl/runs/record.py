"""run.json and log.txt of a run that this process holds the lock of. No TensorFlow."""

from __future__ import annotations

import json
import os
import socket
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from erlctl.runs import lock, provenance, store
from erlctl.runs.layout import RUN_JSON_SCHEMA, RunPaths, load_object
from erlctl.runs.spec_file import SpecOnDisk
from erlctl.spec.schema import RunSpec


def write_log(path: Path, text: str) -> None:
    """Append `text` to log.txt under the time; further lines are indented."""
    lines = text.rstrip("\n").replace("\n", "\n    ")
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o666)
    try:
        line = f"{provenance.utc_now()} {lines}\n"
        os.write(descriptor, line.encode("utf-8", "backslashreplace"))
    finally:
        os.close(descriptor)


class RunRecord:
    """The facts of run.json and how they change.

    Args:
        run: Resolved spec.
        paths: Where the run lives; the lock is held.

    Attributes:
        facts: The object in the file.
        problem: What was wrong with the file that was there, or None; it was set aside then.
    """

    def __init__(self, run: RunSpec, paths: RunPaths) -> None:
        self.paths = paths
        self.problem: str | None = None
        self.facts = self._load() or {
            "schema": RUN_JSON_SCHEMA, "run_id": uuid.uuid4().hex, "status": "pending",
            "reason": None, "step": 0, "checkpoint": None, "attempts": [],
            "created": provenance.utc_now(), **_described(run),
        }

    def _load(self) -> dict[str, Any] | None:
        try:
            facts = load_object(self.paths.run_json)
            if not isinstance(facts.get("attempts"), list) or "run_id" not in facts:
                raise ValueError("attempts or run_id are missing")
        except FileNotFoundError:
            return None
        except (ValueError, RecursionError) as error:
            aside = f"run.json.damaged-{uuid.uuid4().hex[:6]}"
            self.paths.run_json.rename(self.paths.root / aside)
            self.problem = f"run.json was damaged ({error}); set aside as {aside}"
            return None
        return facts

    @property
    def status(self) -> str:
        """The status that the file holds; "running" may be left by a dead process."""
        return str(self.facts["status"])

    def fingerprints(self, now: str) -> set[str]:
        """Return the SHA-256 of every spec.yaml that the run has had; `now` is of the present."""
        return {now, *(digest for attempt in self.facts["attempts"] if isinstance(attempt, dict)
                       and isinstance(digest := attempt.get("earlier_spec"), str))}

    def begin(
        self, run: RunSpec, before: SpecOnDisk, *, from_step: int, command: Sequence[str] | None
    ) -> list[str]:
        """Note the start of an attempt; return what differs from the one before, in words.

        Args:
            run: Resolved spec of the attempt.
            before: What spec.yaml held; its changes are kept, and the SHA-256 of the file, which
                the checkpoints until now carry.
            from_step: Environment steps done.
            command: Command line; this process's by default.
        """
        warnings = self._differences()
        for attempt in self.facts["attempts"]:
            if attempt.get("ended") is None and attempt.get("outcome") is None:
                attempt["outcome"] = "killed"
        attempt = {
            "started": provenance.utc_now(), "ended": None, "from_step": from_step,
            "to_step": None, "outcome": None, "host": socket.gethostname(), "pid": os.getpid(),
            "job": provenance.job(), "versions": provenance.versions(), "warnings": warnings,
        }
        if before.changes:
            attempt["changes"] = {path: list(pair) for path, pair in before.changes.items()}
            attempt["earlier_spec"] = before.digest
        self.facts["attempts"].append(attempt)
        self.facts.update(
            status="running", reason=None, step=from_step,
            versions=provenance.versions(), host=provenance.host(), git=provenance.git(),
            command=list(command if command is not None else provenance.command_line()),
            environment_variables=provenance.environment(), **_described(run),
        )
        self.save()
        return warnings

    def _differences(self) -> list[str]:
        if not self.facts["attempts"]:
            return []
        before = {**self.facts.get("host", {}), **self.facts.get("versions", {})}
        here = {key: provenance.host()[key] for key in ("cpu", "device")}
        return provenance.differences(before, {**provenance.versions(), **here})

    def save(self, *, durable: bool = True, **facts: Any) -> None:
        """Update facts and write the file."""
        self.facts.update(facts, updated=provenance.utc_now())
        store.write_json(self.paths.run_json, self.facts, durable=durable)

    def end(self, status: str, step: int, reason: str) -> None:
        """Note how the current attempt ended."""
        self.facts["attempts"][-1].update(
            ended=provenance.utc_now(), to_step=step, outcome=status
        )
        self.save(status=status, step=step, reason=reason or None)


def _described(run: RunSpec) -> dict[str, Any]:
    return {
        "name": run.name,
        "variant": run.variant,
        "seed": run.seed,
        "total_steps": run.training.steps,
        "step_unit": run.agent.step_unit,
        "environment": run.environment.id,
        "algorithm": run.agent.registered_name,
        "evaluation": {
            "episodes": run.evaluation.episodes,
            "policy": run.evaluation.policy.registered_name,  # type: ignore[attr-defined]
        },
        "compile": run.training.compile,
        "backend": run.environment.backend,
    }


def mark_failed(paths: RunPaths, reason: str) -> None:
    """Note that the process of a run died; for a parent that saw it. Nothing if it is busy again.

    Raises:
        RunBusyError: Another process has taken the run up.
    """
    with lock.hold(paths.lock):
        try:
            facts = load_object(paths.run_json)
        except (OSError, ValueError, json.JSONDecodeError):
            return
        if facts.get("status") == "running":
            facts.update(status="failed", reason=reason, updated=provenance.utc_now())
            attempts = facts.get("attempts")
            if isinstance(attempts, list) and attempts and isinstance(attempts[-1], dict):
                attempts[-1].update(ended=provenance.utc_now(), outcome="failed")
            store.write_json(paths.run_json, facts)
            write_log(paths.log, f"failed: {reason}")
